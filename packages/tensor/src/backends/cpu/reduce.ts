// Reductions in one of two orders that give the same bits, those of fold-loops.ts. Long rows are folded one after another. Where rows are shorter than the
// runs across them (windows of a pooling, the first axis of a batch) it goes element by element of a row, for many rows at once, so
// that the inner loop runs along the results.

import type { Operand } from '../../backend.ts';
import type { TypedArray } from '../../dtype.ts';
import type { ArgReduce, Reduce } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import { contiguousView, positions, type View } from '../../view.ts';
import { addToLanes, joinLanes, LANES, lanesOf, maxLoop, minLoop, sumLoop } from './fold-loops.ts';
import { addLoop, int32Sum, keepMaxLoop, keepMinLoop, type Loop1 } from './loops.ts';
import { type Nest, nestOf, walk } from './nest.ts';

/** Kept axes (walked outside) and folded axes (walked inside) of an operand. */
export function foldViews(x: Operand, axes: readonly number[]): { outer: View; inner: View } {
  const pick = (keep: boolean) => {
    const shape: number[] = [];
    const strides: number[] = [];
    for (let i = 0; i < x.shape.length; i++) {
      if (axes.includes(i) === keep) continue;
      shape.push(x.shape[i]!);
      strides.push(x.strides[i]!);
    }
    return { shape, strides };
  };
  return { outer: { ...pick(true), offset: x.offset }, inner: { ...pick(false), offset: 0 } };
}

/** Folds axes of x into `result`, which has an element of x's dtype for each row. */
export function reduceInto(result: TypedArray, op: Reduce, x: Operand, axes: readonly number[]): void {
  const { outer, inner } = foldViews(x, axes);
  const row = nestOf(inner.shape, [inner]);
  const across = nestOf(outer.shape, [outer]);
  if (across.inner > row.inner) acrossRows(result, op, x, outer, inner);
  else rowByRow(result, op, x, outer, row);
}

/** The fold of a row that is one run. */
const whole: { readonly [P in Reduce]: (n: number, a: TypedArray, x: number, sx: number) => number } = {
  sum: sumLoop,
  max: maxLoop,
  min: minLoop,
};
const better = { max: Math.max, min: Math.min } as const;

function rowByRow(result: TypedArray, op: Reduce, x: Operand, outer: View, row: Nest): void {
  const { data } = x.storage;
  const step = row.steps[0]!;
  const fold = op === 'sum' && x.dtype === 'int32' ? int32Sum : whole[op];
  let i = 0;
  if (row.sizes.length === 0) {
    for (const position of positions(outer)) result[i++] = fold(row.inner, data, position + row.starts[0]!, step);
    return;
  }
  // Rows of several runs.
  const n = row.inner * row.sizes.reduce((a, b) => a * b, 1);
  const lanes = lanesOf(n);
  const sums = new Float64Array(LANES);
  for (const position of positions(outer)) {
    let value = op === 'max' ? -Infinity : op === 'min' ? Infinity : 0;
    let done = 0;
    if (op === 'sum' && x.dtype !== 'int32') sums.fill(0);
    walk(row, (at) => {
      if (op !== 'sum') value = better[op](value, fold(row.inner, data, position + at[0]!, step));
      else if (x.dtype === 'int32') value = (value + fold(row.inner, data, position + at[0]!, step)) | 0;
      else addToLanes(sums, lanes, done, row.inner, data, position + at[0]!, step);
      done += row.inner;
    });
    result[i++] = op === 'sum' && x.dtype !== 'int32' ? joinLanes(sums) : value;
  }
}

/**
 * Element by element of a row, for all rows along the last two kept axes at once: `table` has a line for each lane of a sum, of one
 * place for each of those rows. The axes before them stay outside, so that results are finished while they are in cache.
 */
function acrossRows(result: TypedArray, op: Reduce, x: Operand, outer: View, inner: View): void {
  const split = Math.max(0, outer.shape.length - 2);
  const rows = outer.shape.slice(split);
  const span = sizeOf(rows);
  const lanes = op === 'sum' && x.dtype !== 'int32' ? lanesOf(sizeOf(inner.shape)) : 1;
  const table = x.dtype === 'int32' ? new Int32Array(span) : new Float64Array(lanes * span);
  const nest = nestOf(rows, [contiguousView(rows), { shape: rows, strides: outer.strides.slice(split), offset: 0 }]);
  const [st, sx] = nest.steps as [number, number];
  const { data } = x.storage;
  const loop = loops[op];
  let done = 0;
  for (const prefix of positions({ ...outer, shape: outer.shape.slice(0, split) })) {
    table.fill(op === 'max' ? LEAST[x.dtype] : op === 'min' ? MOST[x.dtype] : 0);
    let i = 0;
    for (const position of positions(inner)) {
      const line = (i++ % lanes) * span;
      walk(nest, (at) => loop(nest.inner, table, line + at[0]!, st, data, prefix + position + at[1]!, sx));
    }
    for (let r = 0; r < span; r++) {
      result[done++] = lanes === 1 ? table[r]! : joinLanes(table as Float64Array, r, span);
    }
  }
}

/** Where extremes of integers start: an array of them holds no infinity. */
const LEAST = { float64: -Infinity, float32: -Infinity, int32: -2147483648, bool: 0 } as const;
const MOST = { float64: Infinity, float32: Infinity, int32: 2147483647, bool: 1 } as const;

const loops: { readonly [P in Reduce]: Loop1 } = { sum: addLoop, max: keepMaxLoop, min: keepMinLoop };

/** Where along an axis of x the extreme stands, for each row: NaN counts as the extreme, and of equals the first stays. */
export function placesInto(result: TypedArray, op: ArgReduce, x: Operand, axis: number): void {
  const { outer, inner } = foldViews(x, [axis]);
  const [n, step] = [inner.shape[0]!, inner.strides[0]!];
  const { data } = x.storage;
  let i = 0;
  for (const position of positions(outer)) {
    let at = 0;
    let best = data[position]!;
    for (let j = 1; j < n && !Number.isNaN(best); j++) {
      const v = data[position + j * step]!;
      if ((op === 'argmax' ? v > best : v < best) || Number.isNaN(v)) {
        best = v;
        at = j;
      }
    }
    result[i++] = at;
  }
}
