// Linear algebra. matmul is the primitive; its 1-d and batched forms are views of it, as in NumPy's PEP 465 rules. linear, what layers are
// made of, is one of its own: a step of a tape in place of four. A diagonal is a slice: in a matrix with n columns, laid out row by row, its
// elements stand n + 1 apart.

import { type DType, isFloat, promote } from '../dtype.ts';
import { AxisError, DTypeError, IndexError, ShapeError, shapeText } from '../errors.ts';
import { broadcastShapes, normalizeAxis, sizeOf } from '../shape.ts';
import { type ArrayOf, expandTo } from './carrier.ts';
import { where } from './elementwise.ts';
import { SortOps } from './sorting.ts';

export interface MatmulOptions {
  /**
   * In which type products are formed and summed, and the type of the result, as if both operands had been cast to it first; of
   * float32 operands no copy in float64 is made. By default the type in which both meet.
   */
  readonly dtype?: DType;
}

const WIDE = Object.freeze({ dtype: 'float64' });
const NARROW = Object.freeze({});

export abstract class LinalgOps<Self extends LinalgOps<Self>> extends SortOps<Self> {
  /**
   * Matrix product over the last two axes: [..., m, k] x [..., k, n] -> [..., m, n], leading axes broadcast. A 1-d operand
   * counts as a row (left) or a column (right) and loses that axis again: [k] x [k] is the dot product. `dtype: 'float64'` gives inner
   * products of float32 vectors the digits of float64.
   * @throws ShapeError for a scalar, or where the inner sizes differ; DTypeError for dtype 'bool'.
   */
  matmul(other: ArrayOf<Self>, options: MatmulOptions = {}): Self {
    const right = this.lift('matmul', other, this.dtype);
    if (this.rank === 0 || right.rank === 0) {
      throw new ShapeError('matmul: a scalar has no inner dimension; did you mean mul?', {
        shapes: [this.shape, right.shape],
      });
    }
    const met = promote(this.dtype, right.dtype);
    const dtype = options.dtype ?? (met === 'bool' ? 'int32' : met);
    const rows = this.rank === 1 ? this.unsqueeze(0) : this.self;
    const columns = right.rank === 1 ? right.unsqueeze(1) : right;
    if (dtype === 'bool') {
      throw new DTypeError("matmul: products are numbers, found dtype 'bool'; did you mean 'int32'?", { dtype });
    }
    const widens = options.dtype === 'float64' && (this.dtype === 'float32' || right.dtype === 'float32');
    const a = widens && isFloat(rows.dtype) ? rows : rows.cast(dtype);
    const b = widens && isFloat(columns.dtype) ? columns : columns.cast(dtype);
    const inner = a.shape[a.rank - 1]!;
    const innerB = b.shape[b.rank - 2]!;
    if (inner !== innerB) {
      const swap = right.rank > 1 && b.shape.at(-1) === inner ? '; did you mean b.transpose()?' : '';
      throw new ShapeError(
        `matmul: inner dimensions differ: ${shapeText(this.shape)} x ${shapeText(right.shape)} ` +
          `(${inner} != ${innerB})${swap}`,
        { shapes: [this.shape, right.shape] },
      );
    }
    const params = widens ? WIDE : NARROW;
    if (this.rank === 2 && right.rank === 2) return a.apply('matmul', params, [a, b]);
    const batch = broadcastShapes('matmul, leading axes', a.shape.slice(0, -2), b.shape.slice(0, -2));
    const product = a.apply('matmul', params, [
      expandTo(a, [...batch, ...a.shape.slice(-2)]),
      expandTo(b, [...batch, ...b.shape.slice(-2)]),
    ]);
    const single = [...(this.rank === 1 ? [-2] : []), ...(right.rank === 1 ? [-1] : [])];
    return single.length === 0 ? product : product.squeeze(single);
  }

  /**
   * x w' + b, what a linear layer does to the last axis of x: [..., in] with a weight [out, in] and a bias [out] gives [..., out], bit for bit
   * as x.matmul(weight.transpose()).add(bias) has it. PyTorch's F.linear.
   * @throws ShapeError if ranks or sizes do not fit.
   */
  linear(weight: ArrayOf<Self>, bias?: ArrayOf<Self> | null): Self {
    const w = this.lift('linear', weight, this.dtype);
    const shift = bias === undefined || bias === null ? null : this.lift('linear', bias, this.dtype);
    if (this.rank === 0 || w.rank !== 2) {
      throw new ShapeError(
        `linear: wants x [..., in] and a weight [out, in], found ${shapeText(this.shape)} and ${shapeText(w.shape)}` +
          `${w.rank > 2 ? '; did you mean matmul?' : ''}`,
        { shape: this.shape, weight: w.shape },
      );
    }
    const [outer, inner] = w.shape as [number, number];
    if (this.shape[this.rank - 1] !== inner) {
      const swap = this.shape[this.rank - 1] === outer ? '; did you mean weight.transpose()?' : '';
      throw new ShapeError(
        `linear: x ${shapeText(this.shape)} must end in ${inner}, as the weight is ${shapeText(w.shape)}, [out, in]${swap}`,
        { shape: this.shape, weight: w.shape },
      );
    }
    if (shift !== null && (shift.rank !== 1 || shift.size !== outer)) {
      const hint = shift.size === outer ? '; did you mean bias.flatten()?' : '';
      throw new ShapeError(
        `linear: wants a bias [${outer}], as the weight is ${shapeText(w.shape)}, found ${shapeText(shift.shape)}${hint}`,
        { bias: shift.shape, weight: w.shape },
      );
    }
    const met = promote(this.dtype, w.dtype);
    const dtype = met === 'bool' ? 'int32' : met;
    const [x, weights] = [this.cast(dtype), w.cast(dtype)];
    if (shift === null) return x.apply('linear', NARROW, [x, weights]);
    // A wider bias is added to what the product is in its own type.
    if (promote(dtype, shift.dtype) !== dtype) return x.apply('linear', NARROW, [x, weights]).add(shift);
    return x.apply('linear', NARROW, [x, weights, shift.cast(dtype)]);
  }

  /**
   * NumPy's dot: the last axis of this against the last but one of the other (the only one of a vector), and all other axes of both
   * in the result: [...a, k] x [...b, k, n] -> [...a, ...b, n]. A scalar multiplies. For vectors and matrices it is matmul.
   * @throws ShapeError where the inner sizes differ.
   */
  dot(other: ArrayOf<Self>): Self {
    const right = this.lift('dot', other, this.dtype);
    if (this.rank === 0 || right.rank === 0) return this.mul(right);
    const inner = this.shape.at(-1)!;
    const at = Math.max(0, right.rank - 2);
    if (inner !== right.shape[at]) {
      throw new ShapeError(
        `dot: inner dimensions differ: ${shapeText(this.shape)} . ${shapeText(right.shape)} (${inner} != ${right.shape[at]})`,
        { shapes: [this.shape, right.shape] },
      );
    }
    const outerA = this.shape.slice(0, -1);
    const outerB = right.shape.toSpliced(at, 1);
    const columns = right.permute([at, ...[...right.shape.keys()].filter((axis) => axis !== at)]);
    const product = this.reshape([sizeOf(outerA), inner]).matmul(columns.reshape([inner, sizeOf(outerB)]));
    return product.reshape([...outerA, ...outerB]);
  }

  /** Every element of one vector times every element of another: [m], [n] -> [m, n]. @throws ShapeError unless both are 1-d. */
  outer(other: ArrayOf<Self>): Self {
    const right = this.lift('outer', other, this.dtype);
    if (this.rank !== 1 || right.rank !== 1) {
      throw new ShapeError(
        `outer: wants two vectors, found ${shapeText(this.shape)} and ${shapeText(right.shape)}; did you mean .flatten()?`,
        { shapes: [this.shape, right.shape] },
      );
    }
    return this.unsqueeze(1).mul(right);
  }

  /**
   * The elements x[i, i + offset] of two axes, as a new last axis.
   * @throws AxisError unless the axes are two; IndexError unless the offset is an integer.
   */
  diagonal(offset = 0, axis1 = 0, axis2 = 1): Self {
    const [i, j] = [normalizeAxis('diagonal', axis1, this.rank), normalizeAxis('diagonal', axis2, this.rank)];
    if (i === j) throw new AxisError(`diagonal: needs two axes, found ${i} twice`, { axis1, axis2, rank: this.rank });
    wantOffset('diagonal', offset);
    const rest = [...this.shape.keys()].filter((axis) => axis !== i && axis !== j);
    const [m, n] = [this.shape[i]!, this.shape[j]!];
    const outer = rest.map((axis) => this.shape[axis]!);
    const rows = this.permute([...rest, i, j]).reshape([...outer, m * n]);
    const length = Math.max(0, Math.min(m, m + offset, n, n - offset));
    const line = { start: offset < 0 ? -offset * n : offset, step: n + 1, length };
    return rows.apply('slice', { ranges: [...outer.map((d) => ({ start: 0, step: 1, length: d })), line] }, [rows]);
  }

  /** The sum of a diagonal. bool counts as int32. @throws AxisError, IndexError as diagonal. */
  trace(offset = 0, axis1 = 0, axis2 = 1): Self {
    return this.diagonal(offset, axis1, axis2).sum(-1);
  }

  /**
   * Of a matrix, its diagonal; of a vector, the square matrix that has it as a diagonal and 0 elsewhere.
   * @throws ShapeError for any other rank; IndexError unless the offset is an integer.
   */
  diag(offset = 0): Self {
    if (this.rank === 2) return this.diagonal(offset);
    if (this.rank !== 1) {
      throw new ShapeError(`diag: wants a vector or a matrix, found ${shapeText(this.shape)}; did you mean diagonal?`, {
        shape: this.shape,
      });
    }
    wantOffset('diag', offset);
    const n = this.size + Math.abs(offset);
    const line = { start: offset < 0 ? -offset * n : offset, step: n + 1, length: this.size };
    return this.apply('embed', { shape: [n * n], ranges: [line], fill: 0 }, [this.self]).reshape([n, n]);
  }

  /**
   * The upper triangle of each matrix, the elements x[..., i, j] with j - i >= offset; 0 elsewhere.
   * @throws ShapeError unless there are two axes; IndexError unless the offset is an integer.
   */
  triu(offset = 0): Self {
    return this._band('triu', offset, (above) => above >= offset);
  }
  /** The lower triangle of each matrix, the elements x[..., i, j] with j - i <= offset; 0 elsewhere. @throws as triu. */
  tril(offset = 0): Self {
    return this._band('tril', offset, (above) => above <= offset);
  }

  /** The elements whose distance above the diagonal, j - i, is in the band. */
  private _band(op: string, offset: number, inBand: (above: number) => boolean): Self {
    if (this.rank < 2) {
      throw new ShapeError(`${op}: wants matrices, [..., m, n], found ${shapeText(this.shape)}`, { shape: this.shape });
    }
    wantOffset(op, offset);
    const [m, n] = this.shape.slice(-2) as [number, number];
    const mask = Uint8Array.from({ length: m * n }, (_, at) => Number(inBand((at % n) - Math.floor(at / n))));
    return where<Self>(this.constant(mask, [m, n], 'bool'), this.self, this.lift(op, 0, this.dtype));
  }
}

function wantOffset(op: string, offset: number): void {
  if (!Number.isInteger(offset))
    throw new IndexError(`${op}: the offset must be an integer, found ${offset}`, { offset });
}
