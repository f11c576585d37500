// Bytes to tensors: what every image loader ends with.

import { fromBuffer, type Tensor } from '@gemlab/tensor';

/** Images with their labels: inputs float32 [n, ...] in [0, 1] and targets int32 [n], class indices from 0. */
export interface LabelledImages {
  readonly inputs: Tensor;
  readonly targets: Tensor;
}

/**
 * The first `limit` (all by default) of `count` images of `shape`, whose bytes follow one another in `pixels`.
 * @throws RangeError for a bad limit.
 */
export function labelledImages(
  operation: string,
  pixels: Uint8Array,
  labels: Uint8Array,
  shape: readonly number[],
  count: number,
  limit: number = count,
): LabelledImages {
  wantLimit(operation, limit, count);
  const size = shape.reduce((product, n) => product * n, 1);
  const inputs = new Float32Array(limit * size);
  for (let i = 0; i < inputs.length; i++) inputs[i] = pixels[i]! / 255;
  return {
    inputs: fromBuffer(inputs, { shape: [limit, ...shape] }),
    targets: fromBuffer(Int32Array.from(labels.subarray(0, limit))),
  };
}

/** @throws RangeError unless `limit` is an integer from 1 to `count`. */
export function wantLimit(operation: string, limit: number, count: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= count) return;
  throw new RangeError(`${operation}: limit must be an integer from 1 to ${count}, found ${limit}`);
}
