// The law of argsort: each element goes to the place that is the number of those before it.

import fc from 'fast-check';
import { at, type Index, indicesOf, lineAt, type Model } from '../support/model.ts';
import { anySample, anyValue, dtypes, samples, shapes } from '../support/samples.ts';
import { type Law, oneOf } from './case.ts';

/** NaN is larger than all others; -0 and 0 are equal. */
const larger = (a: number, b: number) => a > b || (Number.isNaN(a) && !Number.isNaN(b));

/** How many elements of a line come before its i-th: those that belong in front, and of equal ones those that stand there. */
export function rank(line: readonly number[], i: number, descending: boolean): number {
  const isBefore = (v: number, j: number) => {
    const [small, large] = descending ? [line[i]!, v] : [v, line[i]!];
    return larger(large, small) || (!larger(small, large) && j < i);
  };
  return line.filter(isBefore).length;
}

export function order(x: Model, axis: number, descending: boolean): Model {
  const places = new Map<string, number>();
  for (const index of indicesOf(x.shape)) {
    const place = rank(lineAt(x, axis, index), index[axis]!, descending);
    places.set(String(index.with(axis, place)), index[axis]!);
  }
  return { shape: x.shape, dtype: 'int32', values: Array.from(indicesOf(x.shape), (i) => places.get(String(i))!) };
}

/** The elements in the order that a model of indices says. */
export function taken(x: Model, axis: number, places: Model): Model {
  const from = (index: Index) => index.with(axis, at(places, index));
  return { ...x, shape: places.shape, values: Array.from(indicesOf(places.shape), (index) => at(x, from(index))) };
}

/** Long lines with ties and NaN, along the first axis. */
const long = fc
  .tuple(oneOf(dtypes), fc.integer({ min: 1, max: 70 }))
  .chain(([dtype, n]) => samples(dtype, [n], fc.oneof(anyValue(dtype), fc.constantFrom(0, 1))));

const argsort: Law<'argsort'> = fc
  .tuple(fc.oneof(anySample(dtypes, shapes(1, 3)), long), fc.nat(2), fc.boolean())
  .map(([x, n, descending]) => {
    const axis = n % x.model.shape.length;
    return { params: { axis, descending }, inputs: [x], expected: order(x.model, axis, descending) };
  });

export const sorting = { argsort };
