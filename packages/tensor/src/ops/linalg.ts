// Linear algebra. matmul is the one primitive; its 1-d and batched forms are views of it, as in NumPy's PEP 465 rules.

import { promote } from '../dtype.ts';
import { ShapeError, shapeText } from '../errors.ts';
import { broadcastShapes } from '../shape.ts';
import { type ArrayOf, expandTo } from './carrier.ts';
import { SortOps } from './sorting.ts';

export abstract class LinalgOps<Self extends LinalgOps<Self>> extends SortOps<Self> {
  /**
   * Matrix product over the last two axes: [..., m, k] x [..., k, n] -> [..., m, n], leading axes broadcast. A 1-d operand
   * counts as a row (left) or a column (right) and loses that axis again: [k] x [k] is the dot product.
   * @throws ShapeError for a scalar, or where the inner sizes differ.
   */
  matmul(other: ArrayOf<Self>): Self {
    const right = this.lift('matmul', other, this.dtype);
    if (this.rank === 0 || right.rank === 0) {
      throw new ShapeError('matmul: a scalar has no inner dimension; did you mean mul?', {
        shapes: [this.shape, right.shape],
      });
    }
    const met = promote(this.dtype, right.dtype);
    const dtype = met === 'bool' ? 'int32' : met;
    const a = (this.rank === 1 ? this.unsqueeze(0) : this.self).cast(dtype);
    const b = (right.rank === 1 ? right.unsqueeze(1) : right).cast(dtype);
    const [inner, innerB] = [a.shape.at(-1)!, b.shape.at(-2)!];
    if (inner !== innerB) {
      const swap = right.rank > 1 && b.shape.at(-1) === inner ? '; did you mean b.transpose()?' : '';
      throw new ShapeError(
        `matmul: inner dimensions differ: ${shapeText(this.shape)} x ${shapeText(right.shape)} ` +
          `(${inner} != ${innerB})${swap}`,
        { shapes: [this.shape, right.shape] },
      );
    }
    const batch = broadcastShapes('matmul, leading axes', a.shape.slice(0, -2), b.shape.slice(0, -2));
    const product = a.apply('matmul', {}, [
      expandTo(a, [...batch, ...a.shape.slice(-2)]),
      expandTo(b, [...batch, ...b.shape.slice(-2)]),
    ]);
    const single = [...(this.rank === 1 ? [-2] : []), ...(right.rank === 1 ? [-1] : [])];
    return single.length === 0 ? product : product.squeeze(single);
  }
}
