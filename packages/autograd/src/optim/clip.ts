// Gradient clipping: what a step may be, whatever the loss says (Pascanu et al. 2013).
//
//     by norm     g = g * min(1, maxNorm / (|g| + 1e-6)),  |g| the norm of all gradients as one vector
//     by value    each element kept within +-value

import { scope, stack, type Tensor } from '@gemlab/tensor';
import { notVariables } from '../checks.ts';
import { GradientError, OptimizerError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';

export interface ClipOptions {
  /** The p of the p-norm, > 0; Infinity for the largest element. Default 2. */
  readonly normType?: number;
  /**
   * Throws in place of clipping by a norm that is no finite number. Default false: the gradients become 0 and NaN, as
   * in PyTorch.
   */
  readonly errorIfNonFinite?: boolean;
}

/**
 * Scales the gradients of all parameters together, so that their norm is at most `maxNorm`.
 * @returns the norm before; 0 if nothing has a gradient.
 * @throws GradientError for a norm that is not finite, if asked to; OptimizerError unless maxNorm >= 0, normType > 0, and the
 * parameters are an array of variables.
 */
export function clipGradNorm(
  parameters: readonly Variable[],
  maxNorm: number,
  { normType = 2, errorIfNonFinite = false }: ClipOptions = {},
): number {
  if (!(maxNorm >= 0 && normType > 0)) {
    const found = `found maxNorm ${maxNorm}, normType ${normType}`;
    throw new OptimizerError(`clipGradNorm: wants maxNorm >= 0 and normType > 0, ${found}`, { maxNorm, normType });
  }
  wantParameters('clipGradNorm', parameters);
  const withGradient = [...new Set(parameters)].filter((p) => p.grad !== null);
  const norm = normOf(
    withGradient.map((p) => p.grad!.value),
    normType,
  );
  if (errorIfNonFinite && !Number.isFinite(norm)) {
    throw new GradientError(
      `clipGradNorm: the norm of the gradients is ${norm}; lower the learning rate, or look for log(0) and x/0 in the loss`,
      { norm },
    );
  }
  const factor = maxNorm / (norm + 1e-6);
  // Not (factor < 1), so that NaN is seen.
  if (!(factor >= 1)) for (const p of withGradient) p.grad = variable(p.grad!.value.mul(factor));
  return norm;
}

/** Of sizes relative to the largest, so that no power overflows in any dtype, and so on any device. NaN wins. */
function normOf(gradients: readonly Tensor[], p: number): number {
  return scope(() => {
    const sizes = gradients.filter((g) => g.size > 0).map((g) => g.abs());
    const most = Math.max(0, ...numbersOf(sizes.map((g) => g.max())));
    if (p === Infinity || !Number.isFinite(most)) return most;
    // A gpu may take smaller numbers for 0.
    const unit = Math.max(most, 2 ** -126);
    const powers = sizes.map((g) => g.div(unit)).map((g) => (p === 2 ? g.square() : g.pow(p)).sum());
    return unit * numbersOf(powers).reduce((a, b) => a + b, 0) ** (1 / p);
  });
}

/** Scalars, which wait for each device they are on but once. */
function numbersOf(scalars: readonly Tensor[]): number[] {
  const devices = [...new Set(scalars.map((x) => x.device))];
  return devices.flatMap((device) => [...stack(scalars.filter((x) => x.device === device)).dataSync()]);
}

/**
 * Keeps every element of every gradient within +-value.
 * @throws OptimizerError unless value >= 0, and the parameters are an array of variables.
 */
export function clipGradValue(parameters: readonly Variable[], value: number): void {
  if (!(value >= 0)) throw new OptimizerError(`clipGradValue: wants a value >= 0, found ${value}`, { value });
  wantParameters('clipGradValue', parameters);
  for (const p of new Set(parameters)) if (p.grad) p.grad = variable(p.grad.value.clamp(-value, value));
}

function wantParameters(name: string, parameters: unknown): void {
  const found = notVariables(parameters);
  if (found === null) return;
  const fix = 'did you mean model.parameters()?';
  throw new OptimizerError(`${name}: wants an array of parameters, found ${found}; ${fix}`, { parameters });
}
