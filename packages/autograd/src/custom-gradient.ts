// A function with a derivative of its own: where the derivative of the formula is unstable, wasteful, or not the one
// that is wanted (a straight-through estimator, a reversed gradient). It is one step on the tape, and its backward is a
// rule as those of the derivative table: written in ops on Variables it can be differentiated again.

import { errors, type Tensor } from '@gemlab/tensor';
import { kindOf, wantArray, wantTensor } from './checks.ts';
import { GradientError } from './errors.ts';
import { current } from './mode.ts';
import type { PullBack } from './tape.ts';
import { record, Variable } from './variable.ts';

export interface CustomGradient<T extends readonly Tensor[]> {
  /** How errors and graphs call the step. Default 'custom'. */
  readonly name?: string;
  /** The value. Nothing here is on the tape. */
  readonly forward: (...inputs: T) => Tensor;
  /**
   * The gradients of the inputs, from g, the gradient of the result; null for one that has none. Second derivatives
   * follow if this is written in ops on g and on the inputs and result given here, rather than on values kept from
   * forward.
   */
  readonly backward: (
    g: Variable,
    step: { readonly inputs: { readonly [K in keyof T]: Variable }; readonly out: Variable },
  ) => readonly (Variable | null)[];
}

/**
 * A function of variables (and tensors, which are constants) that computes `forward` and differentiates as `backward`
 * says.
 *
 *     const roundThrough = customGradient({ name: 'roundThrough', forward: (x) => x.round(), backward: (g) => [g] });
 *
 * @throws DataError for an input that is neither, or if `forward` returns no tensor; BackwardError, in backward, if that does not
 * return one gradient of the right shape for each input.
 */
export function customGradient<T extends readonly Tensor[] = Tensor[]>({
  name = 'custom',
  forward,
  backward,
}: CustomGradient<T>): (...inputs: { [K in keyof T]: Variable | Tensor }) => Variable {
  const pullBack: PullBack = (g, { inputs, out }) => {
    const pulled = backward(g, { inputs: inputs as { readonly [K in keyof T]: Variable }, out });
    if (!Array.isArray(pulled)) {
      throw new GradientError(
        `${name}: backward returned ${kindOf(pulled)}; give the gradients of the inputs in an array`,
        {
          found: pulled,
        },
      );
    }
    if (pulled.length !== inputs.length) {
      throw new GradientError(
        `${name}: backward returned ${pulled.length} gradients for ${inputs.length} inputs; give null where there is none`,
        { found: pulled.length, expected: inputs.length },
      );
    }
    return pulled.map((p: unknown, k) => {
      const x = inputs[k]!;
      if (p !== null && !(p instanceof Variable)) {
        throw new GradientError(
          `${name}: backward returned ${kindOf(p)} for input ${k}; give a variable, made by ops on g, or null`,
          { input: k, found: p },
        );
      }
      if (p === null || errors.shapeText(p.shape) === errors.shapeText(x.shape)) return p?.cast(x.dtype) ?? null;
      throw new errors.ShapeError(
        `${name}: backward returned ${errors.shapeText(p.shape)} for input ${k}, which is ${errors.shapeText(x.shape)}`,
        { input: k, found: p.shape, expected: x.shape },
      );
    });
  };
  return (...given) => {
    const inputs = given.map((x, k) => {
      wantArray(`${name}: input ${k}`, x);
      return x instanceof Variable ? current(x) : new Variable(x, false);
    });
    const values = inputs.map((x) => x.value);
    const value = forward(...(values as readonly Tensor[] as T));
    wantTensor(`${name}: what forward returns`, value);
    return record('custom', { name, pullBack }, inputs, values, value);
  };
}
