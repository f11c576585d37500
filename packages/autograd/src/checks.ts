// What is asked of values that callers give: something else in their place would fail later, and say less, or not fail at
// all. Messages name what was found.

import { ArrayOps, errors, Rng, Tensor } from '@gemlab/tensor';
import { ModuleError } from './errors.ts';
import type { Variable } from './variable.ts';

/** What stands where something else is wanted, for messages. */
export function kindOf(x: unknown): string {
  if (x === null || x === undefined) return String(x);
  if (Array.isArray(x)) return `an array of ${x.length}`;
  if (typeof x === 'object') {
    const name = x.constructor?.name || 'strange object';
    return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
  }
  return typeof x === 'function' ? 'a function' : `${typeof x} ${String(x)}`;
}

const isVariable = (x: unknown): x is Variable => x instanceof ArrayOps && x.wraps;

/** What is found where an array of variables is wanted, for messages; null if that is it. */
export function notVariables(list: unknown): string | null {
  if (!Array.isArray(list)) return kindOf(list);
  const at = list.findIndex((x) => !isVariable(x));
  return at < 0 ? null : `${kindOf(list[at])} at ${at}`;
}

const asTensor = (x: unknown): string => (typeof x === 'number' || Array.isArray(x) ? '; did you mean tensor(x)?' : '');

/** @param what names it in the error. @throws DataError unless x is a tensor. */
export function wantTensor(what: string, x: unknown): asserts x is Tensor {
  if (x instanceof Tensor) return;
  const fix = isVariable(x) ? '; did you mean x.value?' : asTensor(x);
  throw new errors.DataError(`${what} must be a tensor, found ${kindOf(x)}${fix}`, { found: x });
}

/** @param what names it in the error. @throws DataError unless x is a variable or a tensor. */
export function wantArray(what: string, x: unknown): asserts x is Variable | Tensor {
  if (x instanceof ArrayOps) return;
  throw new errors.DataError(`${what} must be a variable or a tensor, found ${kindOf(x)}${asTensor(x)}`, { found: x });
}

/** The options of a layer that draws. @throws ModuleError if they hold no generator. */
export function withRng<O extends { readonly rng: Rng }>(layer: string, options: O): O {
  if (options?.rng instanceof Rng) return options;
  throw new ModuleError(`${layer}: draws by a generator, { rng: new Rng(seed) }; found ${kindOf(options?.rng)}`, {
    rng: options?.rng,
  });
}
