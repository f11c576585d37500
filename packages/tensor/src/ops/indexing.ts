// Indexing by tensors of int32. gather and scatter are the primitives; gather and scatter-add are each other's adjoint. An index
// counts from 0 or, if it is negative, from the end: -1 is the last element. The first that is outside is named by an error.

import type { DType } from '../dtype.ts';
import { IndexError, OptionError, ShapeError, shapeText } from '../errors.ts';
import { checkShape, contiguousStrides, indexAt, normalizeAxis, type Shape, sameShape, sizeOf } from '../shape.ts';
import { positions } from '../view.ts';
import { type ArrayOf, expandTo, wantIndex } from './carrier.ts';
import { where } from './elementwise.ts';
import { MaskOps } from './masks.ts';
import { linesOf } from './rearrange.ts';
import { concat } from './reduce.ts';

const REDUCTIONS = ['sum', 'prod', 'max', 'min'] as const;
/** What becomes of several values for one element. */
export type ScatterReduction = (typeof REDUCTIONS)[number];

export abstract class IndexOps<Self extends IndexOps<Self>> extends MaskOps<Self> {
  /**
   * out[i][j][k] = x[index[i][j][k]][j][k] for axis 0, and so on: index has x's rank, and no axis but `axis` longer than x's.
   * @throws IndexError for an index outside [-size, size); ShapeError; DTypeError unless int32.
   */
  gather(axis: number, index: ArrayOf<Self>): Self {
    const at = normalizeAxis('gather', axis, this.rank);
    return this.apply('gather', { axis: at }, [this.self, this._indexLike('gather', at, index)]);
  }

  /**
   * A copy of x with `updates`, cast to x's dtype, written at `index` along an axis (see gather for the geometry; updates
   * have the index's shape). Where an index repeats, the last update in row-major order stays.
   * @throws IndexError, ShapeError, DTypeError as gather.
   */
  scatter(axis: number, index: ArrayOf<Self>, updates: ArrayOf<Self>): Self {
    return this._scatter('scatter', 'set', axis, index, updates);
  }
  /** A copy of x with `updates` added at `index` along an axis; repeated indices add up. bool is counted as int32. */
  scatterAdd(axis: number, index: ArrayOf<Self>, updates: ArrayOf<Self>): Self {
    return this._scatter('scatterAdd', 'sum', axis, index, updates);
  }
  /**
   * A copy of x in which each element is joined with all the updates for it (see scatter): their sum, product, maximum or minimum.
   * All but the sum need memory for as many copies of x as there are updates for any one element. bool is counted as int32 in sums
   * and products.
   * @throws IndexError, ShapeError, DTypeError as gather; OptionError for another reduction.
   */
  scatterReduce(axis: number, index: ArrayOf<Self>, updates: ArrayOf<Self>, reduction: ScatterReduction): Self {
    wantReduction('scatterReduce', reduction);
    return this._scatter('scatterReduce', reduction, axis, index, updates);
  }

  /**
   * Whole rows (or columns, ...) by a 1-d int32 index, in its order and with its repeats.
   * @throws IndexError for an index outside [-size, size); DTypeError; ShapeError.
   */
  indexSelect(axis: number, indices: ArrayOf<Self>): Self {
    const at = normalizeAxis('indexSelect', axis, this.rank);
    const index = this._fromStart('indexSelect', at, this.lift('indexSelect', indices, 'int32'));
    if (index.rank !== 1) {
      throw new ShapeError(`indexSelect: the index must be 1-d, found ${shapeText(index.shape)}`, {
        shape: index.shape,
      });
    }
    return linesOf<Self>(this.self, at, index);
  }

  /**
   * Lines of an axis by an int32 index of any shape, which stands in place of the axis; without an axis, elements by their place in
   * row-major order. [a, n, b] by [...s] along axis 1 -> [a, ...s, b].
   * @throws IndexError for an index outside [-size, size); DTypeError; AxisError.
   */
  take(indices: ArrayOf<Self>, axis?: number): Self {
    if (axis === undefined) return this.reshape([this.size]).take(indices, 0);
    const at = normalizeAxis('take', axis, this.rank);
    const index = this._fromStart('take', at, this.lift('take', indices, 'int32'));
    const lines = linesOf<Self>(this.self, at, index.reshape([index.size]));
    return lines.reshape(this.shape.toSpliced(at, 1, ...index.shape));
  }

  /**
   * x at whole index tuples, which the last axis of `indices` holds: x [a, b, ...rest] by [...s, 2] -> [...s, ...rest]. The first
   * `batchDims` axes of both go together and are not indexed.
   * @throws IndexError for an index outside [-size, size); DTypeError; ShapeError if the shapes do not fit.
   */
  gatherND(indices: ArrayOf<Self>, batchDims = 0): Self {
    const { index, outer, rows, rest } = this._tuples('gatherND', indices, batchDims);
    return linesOf<Self>(this.reshape([rows, sizeOf(rest)]), 0, index).reshape([...outer, ...rest]);
  }

  /**
   * A copy of x with `updates`, cast to x's dtype, written at whole index tuples, or joined with what is there (see scatterReduce):
   * x [a, b, ...rest], indices [...s, 2], updates [...s, ...rest]. Where a tuple repeats, the last one in row-major order stays.
   * @throws IndexError, DTypeError, ShapeError as gatherND; OptionError for another reduction.
   */
  scatterND(indices: ArrayOf<Self>, updates: ArrayOf<Self>, reduction?: ScatterReduction): Self {
    if (reduction !== undefined) wantReduction('scatterND', reduction);
    const { index, outer, rows, rest } = this._tuples('scatterND', indices, 0);
    const values = this.lift('scatterND', updates, this.dtype);
    if (!sameShape(values.shape, [...outer, ...rest])) {
      throw new ShapeError(
        `scatterND: updates must be ${shapeText([...outer, ...rest])} here, found ${shapeText(values.shape)}`,
        { shape: this.shape, updates: values.shape },
      );
    }
    const lines = [index.size, sizeOf(rest)];
    const at = expandTo(index.unsqueeze(1), lines);
    const flat = this.reshape([rows, sizeOf(rest)]);
    return flat._scatter('scatterND', reduction ?? 'set', 0, at, values.reshape(lines)).reshape(this.shape);
  }

  /**
   * 1 (as `dtype`) where the int32 class stands, 0 elsewhere, on a new last axis; negative classes count from the end.
   * @throws IndexError for a class outside [-classes, classes); DTypeError; ShapeError.
   */
  oneHot(classes: number, dtype: DType = 'float32'): Self {
    const shape: Shape = [...this.shape, classes];
    checkShape('oneHot', shape);
    const zeros = expandTo(this.lift('oneHot', 0, dtype), shape);
    const index = zeros._fromStart('oneHot', this.rank, this.self).unsqueeze(-1);
    const ones = expandTo(this.lift('oneHot', 1, dtype), index.shape);
    return zeros.apply('scatter', { axis: this.rank, mode: 'set' }, [zeros, index, ones]);
  }

  private _scatter(
    op: string,
    how: 'set' | ScatterReduction,
    axis: number,
    indices: ArrayOf<Self>,
    updates: ArrayOf<Self>,
  ): Self {
    const at = normalizeAxis(op, axis, this.rank);
    const index = this._indexLike(op, at, indices);
    const base = this.dtype === 'bool' && (how === 'sum' || how === 'prod') ? this.cast('int32') : this.self;
    const values = this.lift(op, updates, base.dtype).cast(base.dtype);
    if (!sameShape(values.shape, index.shape)) {
      throw new ShapeError(
        `${op}: updates ${shapeText(values.shape)} and index ${shapeText(index.shape)} differ in shape`,
        {
          updates: values.shape,
          index: index.shape,
        },
      );
    }
    if (how === 'set') return base.apply('scatter', { axis: at, mode: 'set' }, [base, index, values]);
    if (how === 'sum') return base.apply('scatter', { axis: at, mode: 'add' }, [base, index, values]);
    return base._layered(how, at, index, values);
  }

  /**
   * Updates in layers over x, the first of each element in one, the second in the next: no place is written twice, the others hold
   * what changes nothing, and the reduction is one over the layers.
   */
  private _layered(how: 'prod' | 'max' | 'min', axis: number, index: Self, updates: Self): Self {
    const strides = contiguousStrides(this.shape);
    const column = positions({ shape: index.shape, strides: strides.with(axis, 0), offset: 0 });
    const seen = new Map<number, number>();
    const places = Int32Array.from(index.hostValues(), (i) => {
      const place = (column.next().value as number) + i * strides[axis]!;
      const layer = seen.get(place) ?? 0;
      seen.set(place, layer + 1);
      return layer * this.size + place;
    });
    const layers = Array.from(seen.values()).reduce((most, count) => Math.max(most, count), 0);
    // As int32 the infinities are the ends of its range.
    const neutral = how === 'prod' ? 1 : how === 'min' ? Infinity : this.dtype === 'bool' ? 0 : -Infinity;
    const empty = expandTo(this.lift('scatterReduce', neutral, this.dtype), [layers * this.size]);
    const at = this.constant(places, [places.length], 'int32');
    const filled = this.apply('scatter', { axis: 0, mode: 'set' }, [empty, at, updates.reshape([updates.size])]);
    return concat<Self>([this.unsqueeze(0), filled.reshape([layers, ...this.shape])])[how](0);
  }

  /** An index for gather and scatter, from the start. */
  private _indexLike(op: string, axis: number, indices: ArrayOf<Self>): Self {
    const index = wantIndex(op, this.lift(op, indices, 'int32'));
    if (index.rank !== this.rank || index.shape.some((d, i) => i !== axis && d > this.shape[i]!)) {
      throw new ShapeError(
        `${op}: index ${shapeText(index.shape)} must have the rank of ${shapeText(this.shape)} ` +
          `and no axis but ${axis} longer`,
        { shape: this.shape, index: index.shape, axis },
      );
    }
    return this._fromStart(op, axis, index);
  }

  /** Index tuples as rows of x: its first axes, `rows` elements together, in row-major order; `rest` are the others. */
  private _tuples(
    op: string,
    indices: ArrayOf<Self>,
    batch: number,
  ): { index: Self; outer: Shape; rows: number; rest: Shape } {
    const tuples = wantIndex(op, this.lift(op, indices, 'int32'));
    const outer = tuples.shape.slice(0, -1);
    const length = tuples.shape.at(-1) ?? Number.NaN;
    const fits = batch <= outer.length && sameShape(outer.slice(0, batch), this.shape.slice(0, batch));
    if (!(Number.isInteger(batch) && batch >= 0 && fits && batch + length <= this.rank)) {
      throw new ShapeError(
        `${op}: indices ${shapeText(tuples.shape)} do not fit ${shapeText(this.shape)} with ${batch} batch axes; ` +
          'the last axis holds tuples, no longer than there are axes',
        { shape: this.shape, indices: tuples.shape, batchDims: batch },
      );
    }
    const axes = this.shape.slice(batch, batch + length);
    const [values, each] = [tuples.hostValues(), sizeOf(outer.slice(batch))];
    const rows = Int32Array.from({ length: sizeOf(outer) }, (_, tuple) =>
      axes.reduce(
        (row, size, i) => {
          const value = values[tuple * length + i]!;
          if (value < -size || value >= size) throw this._outside(op, value, [...indexAt(outer, tuple), i], batch + i);
          return row * size + (value < 0 ? value + size : value);
        },
        Math.floor(tuple / each),
      ),
    );
    const lead = this.shape.slice(0, batch + length);
    const index = this.constant(rows, [rows.length], 'int32');
    return { index, outer, rows: sizeOf(lead), rest: this.shape.slice(batch + length) };
  }

  /** The same indices, negative ones counted from the start. */
  private _fromStart(op: string, axis: number, index: Self): Self {
    const size = this.shape[axis]!;
    const values = wantIndex(op, index).hostValues();
    const bad = values.findIndex((i) => i < -size || i >= size);
    if (bad >= 0) throw this._outside(op, values[bad]!, indexAt(index.shape, bad), axis);
    return values.some((i) => i < 0) ? where<Self>(index.lt(0), index.add(size), index) : index;
  }

  private _outside(op: string, index: number, at: readonly number[], axis: number): IndexError {
    const size = this.shape[axis]!;
    const valid = size === 0 ? 'it has no elements' : `valid indices are ${-size}..${size - 1}`;
    const place = at.length === 0 ? '' : ` at ${shapeText(at)}`;
    return new IndexError(
      `${op}: index ${index}${place} is out of range for axis ${axis} of ${shapeText(this.shape)}; ${valid}`,
      { index, at, shape: this.shape, axis },
    );
  }
}

function wantReduction(op: string, reduction: ScatterReduction): void {
  if (!REDUCTIONS.includes(reduction)) {
    throw new OptionError(`${op}: a reduction is ${REDUCTIONS.join(', ')}; found '${String(reduction)}'`, {
      reduction,
    });
  }
}
