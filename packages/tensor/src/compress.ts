// Data that is mostly zeros: images of digits, counts of words. Products with it can skip the zeros, if it is known where they are; a
// zero adds nothing to a sum, so the result is the same to the last bit.

import { DataError } from './errors.ts';
import { sizeOf } from './shape.ts';
import type { Tensor } from './tensor.ts';

/** Measured: with more nonzero elements the dense product is as fast, or faster. */
const WORTH_IT = 0.4;

export interface CompressOptions {
  /** Does nothing where a larger share of the elements is not 0. Default 0.4. */
  readonly maxDensity?: number;
}

/**
 * The same tensor [n, ...], which from now on is also known by its rows without their zeros: products x.matmul(y) and
 * x.transpose().matmul(y), and those with some rows of it, take time by the nonzero elements only. For data that serves many products, as
 * finding the zeros costs as much as one. Values do not change, and neither do the bits of any result. It does nothing (and says nothing)
 * where there is no gain: for another dtype than float32, for elements that are not finite, where too few are 0, and on devices whose
 * products do not skip.
 * @returns x, or a copy of it where its elements do not lie one after another in a storage of their own.
 * @throws DataError unless 0 <= maxDensity <= 1.
 */
export function compressRows(x: Tensor, { maxDensity = WORTH_IT }: CompressOptions = {}): Tensor {
  if (!(maxDensity >= 0 && maxDensity <= 1)) {
    throw new DataError(`compressRows: maxDensity is a share, 0 to 1; found ${maxDensity}`, { maxDensity });
  }
  if (x.backend.compressRows === undefined || x.dtype !== 'float32' || x.rank < 2 || x.size === 0) return x;
  const own = x.isContiguous && x.offset === 0 && x.storage.length === x.size ? x : x.copy();
  if (own.storage.compressed === null) {
    x.backend.compressRows(own.storage, x.shape[0]!, sizeOf(x.shape.slice(1)), maxDensity);
  }
  return own;
}
