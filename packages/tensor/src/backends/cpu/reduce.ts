// Reductions in one of two orders that give the same bits. Long rows are folded one after another. Where rows are shorter than the
// runs across them (windows of a pooling, the first axis of a batch) it goes element by element of a row, for many rows at once, so
// that the inner loop runs along the results.

import type { Operand } from '../../backend.ts';
import type { DType, TypedArray } from '../../dtype.ts';
import type { Reduce } from '../../primitives.ts';
import { contiguousView, positions, type View } from '../../view.ts';
import { addLoop, folds, int32Sum, type Loop1, maxLoop, minLoop } from './loops.ts';
import { type Nest, nestOf, walk } from './nest.ts';

/** Kept axes (walked outside) and folded axes (walked inside) of an operand. */
export function foldViews(x: Operand, axes: readonly number[]): { outer: View; inner: View } {
  const pick = (keep: boolean) => {
    const chosen = x.shape.map((_, i) => i).filter((i) => axes.includes(i) !== keep);
    return { shape: chosen.map((i) => x.shape[i]!), strides: chosen.map((i) => x.strides[i]!) };
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

function rowByRow(result: TypedArray, op: Reduce, x: Operand, outer: View, row: Nest): void {
  const { start } = folds[op];
  const fold = op === 'sum' && x.dtype === 'int32' ? int32Sum : folds[op].fold;
  const { data } = x.storage;
  let i = 0;
  for (const position of positions(outer)) {
    let value = start;
    walk(row, (at) => {
      value = fold(value, row.inner, data, position + at[0]!, row.steps[0]!);
    });
    result[i++] = value;
  }
}

const loops: { readonly [P in Reduce]: Loop1 } = { sum: addLoop, max: maxLoop, min: minLoop };

/** Whether an array of the dtype can hold what is folded so far: unrounded sums, and infinity to start from. */
const holds = (op: Reduce, dtype: DType): boolean =>
  dtype === 'float64' || (op === 'sum' ? dtype === 'int32' : dtype === 'float32');

function acrossRows(result: TypedArray, op: Reduce, x: Operand, outer: View, inner: View): void {
  const total = holds(op, x.dtype) ? result : new Float64Array(result.length);
  total.fill(folds[op].start);
  // All but the last two kept axes stay outside, so that results are finished while they are in cache.
  const split = Math.max(0, outer.shape.length - 2);
  const laid = (kept: readonly number[], folded: readonly number[]) => [
    ...kept.slice(0, split),
    ...folded,
    ...kept.slice(split),
  ];
  const shape = laid(outer.shape, inner.shape);
  const { strides } = contiguousView(outer.shape);
  const nest = nestOf(shape, [
    {
      shape,
      strides: laid(
        strides,
        inner.shape.map(() => 0),
      ),
      offset: 0,
    },
    { shape, strides: laid(outer.strides, inner.strides), offset: outer.offset },
  ]);
  const [st, sx] = nest.steps as [number, number];
  walk(nest, (at) => loops[op](nest.inner, total, at[0]!, st, x.storage.data, at[1]!, sx));
  if (total !== result) result.set(total);
}
