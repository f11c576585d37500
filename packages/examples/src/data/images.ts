// Bytes to tensors: what every image loader ends with.

import type { InputRows } from '@gemlab/gem';
import { type Device, fromBuffer, type Tensor } from '@gemlab/tensor';

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
  const inputs = new Float32Array(limit * sizeOf(shape));
  scale(pixels, inputs);
  return {
    inputs: fromBuffer(inputs, { shape: [limit, ...shape] }),
    targets: fromBuffer(Int32Array.from(labels.subarray(0, limit))),
  };
}

/** The first `count` of such images as inputs of a dataset: they stay bytes until a batch wants some of them. */
export function imageRows(pixels: Uint8Array, shape: readonly number[], count: number, device: Device): InputRows {
  const size = sizeOf(shape);
  return {
    shape: [count, ...shape],
    device,
    take(rows) {
      const inputs = new Float32Array(rows.size * size);
      for (const [i, row] of rows.dataSync().entries()) {
        scale(pixels.subarray(row * size), inputs.subarray(i * size, (i + 1) * size));
      }
      return fromBuffer(inputs, { shape: [rows.size, ...shape], device });
    },
  };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** As many bytes as there is room for, from 0..255 to 0..1. */
function scale(bytes: Uint8Array, into: Float32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = bytes[i]! / 255;
}

/** @throws RangeError unless `limit` is an integer from 1 to `count`. */
export function wantLimit(operation: string, limit: number, count: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= count) return;
  throw new RangeError(`${operation}: limit must be an integer from 1 to ${count}, found ${limit}`);
}
