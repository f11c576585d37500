// Is a derivative right? Compare <grad f(x), d> with the slope of f along a random direction d: one number that involves every
// partial derivative. Checking the gradient function itself in the same way gives order 2, and so on (HIPS/autograd's check_grads).
//
// The slope is the five-point central difference, (8[f(x+h) - f(x-h)] - [f(x+2h) - f(x-2h)]) / 12h, whose error is O(h^4): in
// float64 with h = 1e-3 about 1e-12 of the fifth derivative. Nothing here is right at a kink, where no slope exists.

import { Rng, randn, type Tensor } from '@gemlab/tensor';
import { gradientsOf } from './backward.ts';
import { GradcheckError, GradientError } from './errors.ts';
import { type Variable, variable } from './variable.ts';

export interface GradcheckOptions {
  /** The highest derivative to check. Default 2. */
  readonly order?: number;
  /** Half-width of the stencil. Default 1e-3. */
  readonly step?: number;
  /** Allowed difference, relative to the larger of 1 and the derivative. Default 1e-7. */
  readonly tolerance?: number;
  /** Random directions to try at each order. Default 2. */
  readonly directions?: number;
  readonly rng?: Rng;
}

type Differentiable = (...inputs: Variable[]) => Variable;

/** <a, b> summed over everything. */
const inner = (a: Variable, b: Tensor): Variable => a.mul(b).sum();

/**
 * Checks the derivatives of `f` at float64 `inputs` up to `order`, along random directions.
 * @returns the largest relative difference found.
 * @throws GradcheckError where analytic and numeric derivatives differ; GradientError if an input is not float64, or there is none.
 */
export function gradcheck(f: Differentiable, inputs: readonly Tensor[], options: GradcheckOptions = {}): number {
  const { order = 2, step = 1e-3, tolerance = 1e-7, directions = 2, rng = new Rng(0) } = options;
  if (inputs.length === 0) throw new GradientError('gradcheck: needs at least one input to differentiate by');
  for (const x of inputs) {
    if (x.dtype !== 'float64') {
      throw new GradientError(
        `gradcheck: needs float64 inputs, found ${x.dtype}; a float32 difference is mostly rounding`,
        {
          dtype: x.dtype,
        },
      );
    }
  }
  const direction = (like: readonly Tensor[]) =>
    like.map((x) => randn(x.shape, rng, { dtype: 'float64', device: x.device }));
  let worst = 0;

  const check = (g: Differentiable, level: number): void => {
    const output = g(...inputs.map((x) => variable(x))).value;
    for (let trial = 0; trial < directions; trial++) {
      const weights = direction([output])[0]!;
      const along = direction(inputs);
      const valueAt = (t: number): number =>
        inner(g(...inputs.map((x, i) => variable(x.add(along[i]!.mul(t))))), weights).item() as number;

      const numeric = (8 * (valueAt(step) - valueAt(-step)) - (valueAt(2 * step) - valueAt(-2 * step))) / (12 * step);
      const analytic = slope(g, weights, along, false)(...leaves(inputs)).item() as number;
      const error = Math.abs(analytic - numeric) / Math.max(1, Math.abs(numeric));
      worst = Math.max(worst, error);
      if (!(error <= tolerance)) {
        throw new GradcheckError(
          `gradcheck: order ${level}: backward says ${analytic}, finite differences say ${numeric} ` +
            `(relative difference ${error.toExponential(2)}, allowed ${tolerance})`,
          { order: level, analytic, numeric, error },
        );
      }
      if (level < order) check(slope(g, weights, along, true), level + 1);
    }
  };

  check(f, 1);
  return worst;
}

const leaves = (inputs: readonly Tensor[]) => inputs.map((x) => variable(x, { requiresGrad: true }));

/** x -> <grad of <weights, g>(x), along>, itself differentiable if createGraph is set. */
function slope(g: Differentiable, weights: Tensor, along: readonly Tensor[], createGraph: boolean): Differentiable {
  return (...xs) => {
    const wrt = xs.map((x) => (x.requiresGrad ? x : variable(x.value, { requiresGrad: true })));
    const out = inner(g(...wrt), weights);
    // A function that does not depend on its inputs has slope 0.
    if (!out.requiresGrad) return out.lift('gradcheck', 0, out.dtype);
    const grads = gradientsOf(out, wrt, { createGraph });
    return grads.map((v, i) => inner(v, along[i]!)).reduce((a, b) => a.add(b));
  };
}
