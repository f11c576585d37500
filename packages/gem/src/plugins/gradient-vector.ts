// The gradient as GEM sees it: the gradients of all parameters that the optimizer moves, laid end to end as one vector of length p.

import type { nn, Variable } from '@gemlab/autograd';
import { concat, type Tensor, zeros } from '@gemlab/tensor';

/**
 * The parameters' gradients as one vector [p]: those that backward has left, or what `of` finds. A parameter that has none counts as
 * zeros.
 */
export function gradientVector(
  parameters: readonly Variable[],
  of: (p: Variable) => Tensor | undefined = (p) => p.grad?.value,
): Tensor {
  return concat(parameters.map((p) => of(p)?.reshape([-1]) ?? zeros([p.size], { dtype: p.dtype, device: p.device })));
}

/**
 * Replaces the parameters' gradients by the parts of a vector [p]. A parameter that had none gets its part too if `all` is set (the
 * exact reading: the projected gradient moves it), or stays without (the published codes).
 */
export function writeGradients(parameters: readonly Variable[], vector: Tensor, all: boolean): void {
  const parts = vector.split(parameters.map((p) => p.size));
  parameters.forEach((p, i) => {
    if (p.grad === null && !all) return;
    p.grad = p.lift('grad', parts[i]!.reshape(p.shape), p.dtype);
  });
}

/** The path in the model of each parameter that an optimizer moves; one that is not in it goes by its place. */
export function parameterNames(model: nn.Module, parameters: readonly Variable[]): string[] {
  const names = new Map([...model.namedParameters()].map(([path, p]) => [p, path]));
  return parameters.map((p, i) => names.get(p) ?? `parameter ${i} of the optimizer`);
}

/** The name of the parameter that entry `index` of the vector [p] belongs to. */
export function parameterAt(model: nn.Module, parameters: readonly Variable[], index: number): string {
  let [at, rest] = [0, index];
  while (rest >= parameters[at]!.size) rest -= parameters[at++]!.size;
  return parameterNames(model, parameters)[at]!;
}
