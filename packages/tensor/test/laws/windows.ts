// Laws of windows: looking at all of them, and adding them up where they lie.

import fc from 'fast-check';
import type { Window } from '../../src/view.ts';
import { at, type Index, indicesOf, type Model, stored, tabulate } from '../support/model.ts';
import { dtypes, numeric, samples, tameValue } from '../support/samples.ts';
import { type Law, oneOf } from './case.ts';
import { integerSum, sumSlack } from './folding.ts';

/** A shape, some of its axes in any order, and windows on them, of which there may be none. */
const windowed = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }).chain((shape) => {
  const step = fc.integer({ min: 1, max: 3 });
  const window = (axis: number): fc.Arbitrary<Window> =>
    fc.record({ axis: fc.constant(axis), size: step, stride: step, dilation: fc.constantFrom(1, 1, 2, 3) });
  return fc
    .shuffledSubarray([...shape.keys()])
    .chain((axes) => fc.tuple(...axes.map(window)))
    .map((windows) => ({ shape, windows }));
});

/** How many windows there are on each axis: counted, not computed. */
function counted(shape: readonly number[], windows: readonly Window[]): number[] {
  return shape.map((length, axis) => {
    const w = windows.find((one) => one.axis === axis);
    if (!w) return length;
    let count = 0;
    while (count * w.stride + (w.size - 1) * w.dilation < length) count++;
    return count;
  });
}

/** Where the element `index` of the windows stands in what they look at. */
function source(rank: number, windows: readonly Window[], index: Index): number[] {
  return index.slice(0, rank).map((i, axis) => {
    const n = windows.findIndex((w) => w.axis === axis);
    return n < 0 ? i : i * windows[n]!.stride + index[rank + n]! * windows[n]!.dilation;
  });
}

const spread = (shape: readonly number[], windows: readonly Window[]) => [
  ...counted(shape, windows),
  ...windows.map((w) => w.size),
];

export const inWindows = (x: Model, windows: readonly Window[]): Model =>
  tabulate(spread(x.shape, windows), x.dtype, (index) => at(x, source(x.shape.length, windows, index)));

const window: Law<'window'> = fc
  .tuple(windowed, oneOf(dtypes))
  .chain(([{ shape, windows }, dtype]) =>
    samples(dtype, shape).map((x) => ({ params: { windows }, inputs: [x], expected: inWindows(x.model, windows) })),
  );

export function foldedWindows(x: Model, shape: readonly number[], windows: readonly Window[]): Model {
  const parts = new Map(Array.from(indicesOf(shape), (i): [string, number[]] => [String(i), []]));
  for (const index of indicesOf(x.shape)) parts.get(String(source(shape.length, windows, index)))!.push(at(x, index));
  const terms = [...parts.values()];
  if (x.dtype === 'int32') return { shape, dtype: x.dtype, values: terms.map(integerSum) };
  return {
    shape,
    dtype: x.dtype,
    values: terms.map((values) =>
      stored(
        values.reduce((a, b) => a + b, 0),
        x.dtype,
      ),
    ),
    slack: terms.map((values) => sumSlack(values, x.dtype)),
  };
}

const fold: Law<'fold'> = fc.tuple(windowed, oneOf(numeric)).chain(([{ shape, windows }, dtype]) =>
  samples(dtype, spread(shape, windows), tameValue(dtype)).map((x) => ({
    params: { shape, windows },
    inputs: [x],
    expected: foldedWindows(x.model, shape, windows),
  })),
);

export const windows = { window, fold };
