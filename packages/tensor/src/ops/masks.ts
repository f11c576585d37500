// What a mask of truths selects. The elements where it is true are found on the host; what is done to them is a gather, a scatter or
// a where, and so are its derivatives.

import { DTypeError, ShapeError, shapeText } from '../errors.ts';
import { broadcastShapes, indexAt } from '../shape.ts';
import { type ArrayOf, expandTo, type OperandOf } from './carrier.ts';
import { where } from './elementwise.ts';
import { linesOf, RearrangeOps } from './rearrange.ts';

export abstract class MaskOps<Self extends MaskOps<Self>> extends RearrangeOps<Self> {
  /**
   * Where the elements are that are not 0, in row-major order: int32 [count, rank], a row of indices for each. Its transpose is
   * NumPy's and ONNX's nonzero.
   */
  nonzero(): Self {
    const places = this.cast('bool')._places();
    const rows = Int32Array.from(places.flatMap((place) => indexAt(this.shape, place)));
    return this.constant(rows, [places.length, this.rank], 'int32');
  }

  /**
   * The elements where the mask is true, in row-major order: 1-d, and as long as there are such. Both broadcast.
   * @throws DTypeError unless the mask is bool; ShapeError if the shapes do not broadcast.
   */
  maskedSelect(mask: ArrayOf<Self>): Self {
    const [x, chosen] = this._masked('maskedSelect', mask);
    return linesOf<Self>(x.reshape([x.size]), 0, chosen._index());
  }

  /**
   * `value`, cast to x's dtype, where the mask is true, else x. Both broadcast.
   * @throws DTypeError unless the mask is bool; ShapeError if the shapes do not broadcast, or the value is not a scalar.
   */
  maskedFill(mask: ArrayOf<Self>, value: OperandOf<Self>): Self {
    const [x, chosen] = this._masked('maskedFill', mask);
    const fill = this.lift('maskedFill', value, this.dtype).cast(this.dtype);
    if (fill.rank > 0) {
      throw new ShapeError(
        `maskedFill: the value must be a scalar, found ${shapeText(fill.shape)}; did you mean where?`,
        {
          shape: fill.shape,
        },
      );
    }
    return where<Self>(chosen, fill, x);
  }

  /**
   * x with the first elements of `source`, cast to x's dtype, in place of those where the mask is true, in row-major order. The mask
   * broadcasts to x; elements of the source that are too many are left over.
   * @throws DTypeError unless the mask is bool; ShapeError if it does not broadcast to x, or the source has too few elements.
   */
  maskedScatter(mask: ArrayOf<Self>, source: ArrayOf<Self>): Self {
    const [x, chosen] = this._masked('maskedScatter', mask);
    if (x.size !== this.size) {
      throw new ShapeError(
        `maskedScatter: the mask ${shapeText(mask.shape)} is larger than what it is for, ${shapeText(this.shape)}`,
        { shape: this.shape, mask: mask.shape },
      );
    }
    const index = chosen._index();
    const values = this.lift('maskedScatter', source, this.dtype).cast(this.dtype);
    if (values.size < index.size) {
      throw new ShapeError(`maskedScatter: the mask has ${index.size} true elements, the source only ${values.size}`, {
        wanted: index.size,
        found: values.size,
      });
    }
    const updates = values.reshape([values.size]).slice([0, index.size]);
    const flat = x.reshape([x.size]);
    return x.apply('scatter', { axis: 0, mode: 'set' }, [flat, index, updates]).reshape(this.shape);
  }

  /** x and the mask, broadcast together. */
  private _masked(op: string, operand: ArrayOf<Self>): [x: Self, mask: Self] {
    const mask = this.lift(op, operand, 'bool');
    if (mask.dtype !== 'bool') {
      throw new DTypeError(
        `${op}: the mask must be bool, found ${mask.dtype}; did you mean .ne(0), or an op that takes indices?`,
        {
          dtype: mask.dtype,
        },
      );
    }
    const shape = broadcastShapes(op, this.shape, mask.shape);
    return [expandTo(this.self, shape), expandTo(mask, shape)];
  }

  /** Of a mask, the places of the true elements in row-major order. */
  private _places(): number[] {
    const places: number[] = [];
    this.hostValues().forEach((v, i) => {
      if (v !== 0) places.push(i);
    });
    return places;
  }

  private _index(): Self {
    const places = this._places();
    return this.constant(Int32Array.from(places), [places.length], 'int32');
  }
}
