// The step that an optimizer did take, theta' - theta: with momentum, Adam or weight decay it is no multiple of the gradient that the
// optimizer got. In float64, in which the difference of two float32 numbers that are near each other has no rounding.

import type { Variable } from '@gemlab/autograd';
import { concat, keep, scope, type Tensor } from '@gemlab/tensor';

const exact = (x: Tensor) => x.to('cpu').cast('float64');

/** theta' - theta, float64 [p] on the cpu, for the parameters as they are now and as they were. */
export function updateSince(theta: readonly Tensor[], parameters: readonly Variable[]): Tensor {
  return scope(() => concat(parameters.map((p, i) => exact(p.value).sub(exact(theta[i]!)).reshape([-1]))));
}

/** Sets the parameters to theta - z, for z float64 [p]; those that are skipped stay at theta. */
export function moveTo(
  theta: readonly Tensor[],
  z: Tensor,
  parameters: readonly Variable[],
  skipped: readonly Variable[],
): void {
  const parts = z.split(parameters.map((p) => p.size));
  parameters.forEach((p, i) => {
    if (skipped.includes(p)) return;
    const moved = exact(theta[i]!).sub(parts[i]!.reshape(p.shape));
    p.assign(keep(moved.cast(p.dtype).to(p.device)));
  });
}
