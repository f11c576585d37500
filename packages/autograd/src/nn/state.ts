// A state is what is saved of a module: its tensors by name. It is loaded whole or not at all: everything that does not
// fit is found first and told in one error, and only then is a value assigned.

import { errors, keep, type NamedTensors, scope, Tensor } from '@gemlab/tensor';
import { StateError } from '../errors.ts';
import type { Variable } from '../variable.ts';

/** What a load that was not strict left out: keys of the module without a value, keys of the state without a place. */
export interface LoadReport {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/** PyTorch's spelling of a path: bn1.runningMean is bn1.running_mean. */
export const stateKey = (path: string): string =>
  path.replaceAll(/(?<=[a-z0-9])[A-Z]+/g, (capitals) => `_${capitals.toLowerCase()}`);

/**
 * Gives every variable the value that the state has for it.
 * @param canonical which variable a key of the state means: one that is tied answers to several names.
 * @throws StateError, having changed nothing, unless every value fits its variable and, if strict, none is missing or
 * left over.
 */
export function loadState(
  variables: ReadonlyMap<string, Variable>,
  canonical: (key: string) => string,
  state: NamedTensors,
  strict: boolean,
): LoadReport {
  const found = new Map<string, Tensor>();
  const met = new Set<string>();
  const unexpected: string[] = [];
  const misfits: string[] = [];
  for (const [key, value] of statePairs(state)) {
    const name = canonical(key);
    const target = variables.get(name);
    if (target === undefined) {
      unexpected.push(key);
      continue;
    }
    const problem = misfit(value, target);
    const tied = found.get(name);
    if (problem) misfits.push(`${key} ${problem}`);
    else if (tied && !same(tied, value as Tensor)) misfits.push(`${key} differs from ${name}, its tie`);
    else found.set(name, value as Tensor);
    met.add(name);
  }
  const missing = [...variables.keys()].filter((name) => !met.has(name));
  if (misfits.length > 0 || (strict && missing.length + unexpected.length > 0)) {
    throw new StateError(
      `loadStateDict: the state does not fit, so nothing was loaded${list({ missing, unexpected, misfits })}`,
      { missing, unexpected, misfits },
    );
  }
  for (const [name, value] of found) {
    const target = variables.get(name)!;
    target.assign(keep(value.to(target.value.device).cast(target.dtype)));
  }
  return { missing, unexpected };
}

function statePairs(state: NamedTensors): Iterable<[key: string, value: unknown]> {
  if (typeof state === 'object' && state !== null) return state instanceof Map ? state : Object.entries(state);
  throw new StateError(`loadStateDict: a state is tensors by name, found ${String(state)}`, { state });
}

/** One line for each kind of fault. */
function list(faults: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(faults)
    .filter(([, keys]) => keys.length > 0)
    .map(([kind, keys]) => `\n  ${kind}: ${keys.join(', ')}`)
    .join('');
}

const isFloat = ({ dtype }: { readonly dtype: string }) => dtype === 'float32' || dtype === 'float64';
const text = ({ dtype, shape }: Tensor | Variable) => `${dtype} ${errors.shapeText(shape)}`;

/** Why a value cannot become the variable's; floats are cast. */
function misfit(value: unknown, target: Variable): string | undefined {
  if (!(value instanceof Tensor)) return 'is no tensor';
  if (value.storage.released) return 'was made in a scope that has ended';
  const kindsMeet = value.dtype === target.dtype || (isFloat(value) && isFloat(target));
  const fits = kindsMeet && errors.shapeText(value.shape) === errors.shapeText(target.shape);
  return fits ? undefined : `is ${text(value)}, wanted ${text(target)}`;
}

function same(a: Tensor, b: Tensor): boolean {
  return scope(() => {
    const [x, y] = [a.to('cpu'), b.to('cpu')];
    return x.eq(y).logicalOr(x.isNan().logicalAnd(y.isNan())).all().item() === true;
  });
}
