// Losses with a margin: they are 0 for what is right by more than the margin, and pull at the rest, also at what is right
// by just the margin: hence clamp, whose gradient passes there, and not relu. Labels y are 1 or -1. Names and defaults are
// PyTorch's.

import { errors, type Tensor, where } from '@gemlab/tensor';
import { wantArray } from '../checks.ts';
import type { Variable } from '../variable.ts';
import { type LossOptions, reduceLoss, wantSameShape } from './reduction.ts';

export interface MarginOptions extends LossOptions {
  readonly margin?: number | undefined;
}

/**
 * x where y is 1, max(0, margin - x) where y is -1; margin 1 by default.
 * @throws ShapeError unless the shapes are equal; DataError for another y.
 */
export function hingeEmbedding(x: Variable, y: Tensor, { margin = 1, reduction }: MarginOptions = {}): Variable {
  wantSameShape('hingeEmbedding', x, y, 'labels');
  wantSigns('hingeEmbedding', y);
  return reduceLoss(where<Variable>(y.gt(0), x, x.neg().add(margin).clamp(0)), reduction);
}

/**
 * max(0, margin - y (a - b)): a should exceed b where y is 1, b a where it is -1; margin 0 by default.
 * @throws ShapeError unless the shapes are equal; DataError for another y.
 */
export function marginRanking(
  a: Variable,
  b: Variable | Tensor,
  y: Tensor,
  { margin = 0, reduction }: MarginOptions = {},
): Variable {
  wantSameShape('marginRanking', a, b, 'the others');
  wantSameShape('marginRanking', a, y, 'labels');
  wantSigns('marginRanking', y);
  return reduceLoss(a.sub(b).mul(y.neg()).add(margin).clamp(0), reduction);
}

/**
 * 1 - cos(a, b) where y is 1, max(0, cos(a, b) - margin) where y is -1, for the rows of a and b [n, d] and labels y [n]
 * (or [d], [d] and []); margin 0 by default.
 * @throws ShapeError if the shapes do not fit; DataError for another y.
 */
export function cosineEmbedding(
  a: Variable,
  b: Variable | Tensor,
  y: Tensor,
  { margin = 0, reduction }: MarginOptions = {},
): Variable {
  wantSameShape('cosineEmbedding', a, b, 'the others');
  wantArray('cosineEmbedding: labels', y);
  if ((a.rank !== 1 && a.rank !== 2) || errors.shapeText(a.shape.slice(0, -1)) !== errors.shapeText(y.shape)) {
    throw new errors.ShapeError(
      `cosineEmbedding: wants rows [n, d] and labels [n], found ${errors.shapeText(a.shape)} and ${errors.shapeText(y.shape)}`,
      { rows: a.shape, labels: y.shape },
    );
  }
  wantSigns('cosineEmbedding', y);
  const other = a.lift('cosineEmbedding', b, a.dtype);
  // PyTorch's constant: a zero vector has cosine 0.
  const square = (v: Variable) => v.square().sum(-1).add(1e-12);
  const cosine = a
    .mul(other)
    .sum(-1)
    .div(square(a).mul(square(other)).sqrt());
  return reduceLoss(where<Variable>(y.gt(0), cosine.neg().add(1), cosine.sub(margin).clamp(0)), reduction);
}

function wantSigns(op: string, y: Tensor): void {
  if (y.eq(1).logicalOr(y.eq(-1)).all().item() === true) return;
  throw new errors.DataError(`${op}: labels are 1 or -1`, {});
}
