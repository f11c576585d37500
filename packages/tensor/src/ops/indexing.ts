// Indexing by tensors, padding, and joining. gather, scatter and embed are the primitives: gather and scatter-add are each
// other's adjoint, and so are slice and embed.

import type { DType } from '../dtype.ts';
import { IndexError, ShapeError, shapeText } from '../errors.ts';
import { checkShape, normalizeAxis, type Shape, sameShape } from '../shape.ts';
import { type ArrayOf, expandTo, leader, wantIndex } from './carrier.ts';

import { concat } from './reduce.ts';
import { SolveOps } from './solve.ts';

export abstract class IndexOps<Self extends IndexOps<Self>> extends SolveOps<Self> {
  /**
   * out[i][j][k] = x[index[i][j][k]][j][k] for axis 0, and so on: index has x's rank, and no axis but `axis` longer than x's.
   * @throws IndexError for an index outside [0, size); ShapeError; DTypeError unless int32.
   */
  gather(axis: number, index: ArrayOf<Self>): Self {
    const at = normalizeAxis('gather', axis, this.rank);
    return this.apply('gather', { axis: at }, [this.self, this.#checkIndex('gather', at, index)]);
  }

  /**
   * A copy of x with `updates`, cast to x's dtype, written at `index` along an axis (see gather for the geometry; updates
   * have the index's shape). Where an index repeats, the last update in row-major order stays.
   * @throws IndexError, ShapeError, DTypeError as gather.
   */
  scatter(axis: number, index: ArrayOf<Self>, updates: ArrayOf<Self>): Self {
    return this.#scatter('set', axis, index, updates);
  }
  /** A copy of x with `updates` added at `index` along an axis; repeated indices add up. bool is counted as int32. */
  scatterAdd(axis: number, index: ArrayOf<Self>, updates: ArrayOf<Self>): Self {
    return this.#scatter('add', axis, index, updates);
  }

  /**
   * Whole rows (or columns, ...) by a 1-d int32 index, in its order and with its repeats.
   * @throws IndexError, DTypeError, ShapeError.
   */
  indexSelect(axis: number, indices: ArrayOf<Self>): Self {
    const at = normalizeAxis('indexSelect', axis, this.rank);
    const index = wantIndex('indexSelect', this.lift('indexSelect', indices, 'int32'));
    if (index.rank !== 1) {
      throw new ShapeError(`indexSelect: the index must be 1-d, found ${shapeText(index.shape)}`, {
        shape: index.shape,
      });
    }
    this.#checkRange('indexSelect', at, index);
    const column = index.reshape(this.shape.map((_, i) => (i === at ? -1 : 1)));
    const shape = this.shape.map((d, i) => (i === at ? index.size : d));
    return this.apply('gather', { axis: at }, [this.self, expandTo(column, shape)]);
  }

  /**
   * Surrounded by `value`: widths[i] = [before, after] for axis i.
   * @throws ShapeError unless there is one pair of non-negative integers for each axis.
   */
  pad(widths: readonly (readonly [number, number])[], value = 0): Self {
    const good = (n: number | undefined) => n !== undefined && Number.isInteger(n) && n >= 0;
    if (widths.length !== this.rank || !widths.every(([before, after]) => good(before) && good(after))) {
      throw new ShapeError(
        `pad: ${shapeText(this.shape)} wants a pair of non-negative integers for each axis, found ${JSON.stringify(widths)}`,
        { shape: this.shape, widths },
      );
    }
    const shape = this.shape.map((d, i) => widths[i]![0] + d + widths[i]![1]);
    const ranges = this.shape.map((length, i) => ({ start: widths[i]![0], step: 1, length }));
    return this.apply('embed', { shape, ranges, fill: value }, [this.self]);
  }

  /** 1 (as `dtype`) where the int32 class stands, 0 elsewhere, on a new last axis. @throws IndexError, DTypeError, ShapeError */
  oneHot(classes: number, dtype: DType = 'float32'): Self {
    const shape: Shape = [...this.shape, classes];
    checkShape('oneHot', shape);
    const zeros = expandTo(this.lift('oneHot', 0, dtype), shape);
    const index = wantIndex('oneHot', this.self).unsqueeze(-1);
    zeros.#checkRange('oneHot', this.rank, index);
    const ones = expandTo(this.lift('oneHot', 1, dtype), index.shape);
    return zeros.apply('scatter', { axis: this.rank, mode: 'set' }, [zeros, index, ones]);
  }

  #scatter(mode: 'set' | 'add', axis: number, indices: ArrayOf<Self>, updates: ArrayOf<Self>): Self {
    const op = mode === 'set' ? 'scatter' : 'scatterAdd';
    const at = normalizeAxis(op, axis, this.rank);
    const index = this.#checkIndex(op, at, indices);
    const base = mode === 'add' && this.dtype === 'bool' ? this.cast('int32') : this.self;
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
    return base.apply('scatter', { axis: at, mode }, [base, index, values]);
  }

  #checkIndex(op: string, axis: number, indices: ArrayOf<Self>): Self {
    const index = wantIndex(op, this.lift(op, indices, 'int32'));
    if (index.rank !== this.rank || index.shape.some((d, i) => i !== axis && d > this.shape[i]!)) {
      throw new ShapeError(
        `${op}: index ${shapeText(index.shape)} must have the rank of ${shapeText(this.shape)} ` +
          `and no axis but ${axis} longer`,
        { shape: this.shape, index: index.shape, axis },
      );
    }
    this.#checkRange(op, axis, index);
    return index;
  }

  #checkRange(op: string, axis: number, index: Self): void {
    const size = this.shape[axis]!;
    for (const i of index.hostValues()) {
      if (i < 0 || i >= size) {
        const valid = size === 0 ? 'it has no elements' : `valid indices are 0..${size - 1}`;
        throw new IndexError(
          `${op}: index ${i} is out of range for axis ${axis} of ${shapeText(this.shape)}; ${valid}`,
          { index: i, shape: this.shape, axis },
        );
      }
    }
  }
}

/** Tensors of one shape joined along a new axis. @throws DataError if there are none; ShapeError if their shapes differ. */
export function stack<T extends IndexOps<T>>(parts: readonly ArrayOf<T>[], axis = 0): T {
  const first = leader<T>('stack', parts);
  if (parts.some((p) => !sameShape(p.shape, first.shape))) {
    throw new ShapeError(`stack: shapes ${parts.map((p) => shapeText(p.shape)).join(', ')} differ`, {
      shapes: parts.map((p) => p.shape),
    });
  }
  const at = normalizeAxis('stack', axis, first.rank + 1);
  const lifted = parts.map((p) => first.lift('stack', p, p.dtype).unsqueeze(at));
  return concat<T>(lifted, at);
}
