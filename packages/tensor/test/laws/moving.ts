// Laws of the primitives that only move elements: views, and what indexes, joins and copies.

import fc from 'fast-check';
import type { Range } from '../../src/view.ts';
import { at, expanded, type Index, indicesOf, type Model, stored, tabulate } from '../support/model.ts';
import { anySample, anyValue, dtypes, samples, shapes, sizes, tameValue } from '../support/samples.ts';
import { type Law, oneOf } from './case.ts';

/** An operand, one of its axes, an int32 index into that axis, no longer than the operand elsewhere, and updates. */
export const indexed = fc
  .tuple(oneOf(dtypes), fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }), fc.nat(2))
  .chain(([dtype, shape, n]) => {
    const axis = n % shape.length;
    const lengths = fc.tuple(...shape.map((d, i) => (i === axis ? sizes : fc.integer({ min: 0, max: d }))));
    const value = dtype === 'int32' || dtype === 'bool' ? anyValue(dtype) : tameValue(dtype);
    return lengths.chain((of) =>
      fc.record({
        axis: fc.constant(axis),
        x: samples(dtype, shape),
        index: samples('int32', of, fc.nat(shape[axis]! - 1)),
        updates: samples(dtype, of, value),
      }),
    );
  });

export function gathered(x: Model, axis: number, index: Model): Model {
  return tabulate(index.shape, x.dtype, (i) => at(x, i.with(axis, at(index, i))));
}

/** Update after update, in row-major order; sums are rounded to the dtype at each. */
export function scattered(base: Model, axis: number, index: Model, updates: Model, mode: 'set' | 'add'): Model {
  const result = new Map(Array.from(indicesOf(base.shape), (i) => [String(i), at(base, i)]));
  for (const i of indicesOf(index.shape)) {
    const target = String(i.with(axis, at(index, i)));
    const value = at(updates, i);
    result.set(target, mode === 'set' ? value : stored(result.get(target)! + value, base.dtype));
  }
  return { ...base, values: [...result.values()] };
}

const gather: Law<'gather'> = indexed.map(({ axis, x, index }) => ({
  params: { axis },
  inputs: [x, index],
  expected: gathered(x.model, axis, index.model),
}));

const scatter: Law<'scatter'> = fc
  .tuple(indexed, fc.constantFrom('set' as const, 'add' as const))
  .map(([{ axis, x, index, updates }, wish]) => {
    // Sums of bool never arrive here: the op layer makes them int32.
    const mode = x.model.dtype === 'bool' ? 'set' : wish;
    const expected = scattered(x.model, axis, index.model, updates.model, mode);
    return { params: { axis, mode }, inputs: [x, index, updates], expected };
  });

export function joined(parts: readonly Model[], axis: number): Model {
  const places = parts.flatMap((part) => Array.from({ length: part.shape[axis]! }, (_, i) => ({ part, i })));
  return tabulate(parts[0]!.shape.with(axis, places.length), parts[0]!.dtype, (index) => {
    const { part, i } = places[index[axis]!]!;
    return at(part, index.with(axis, i));
  });
}

const concat: Law<'concat'> = fc
  .tuple(oneOf(dtypes), shapes(1, 3), fc.nat(2), fc.array(sizes, { minLength: 1, maxLength: 4 }))
  .chain(([dtype, shape, n, lengths]) => {
    const axis = n % shape.length;
    return fc.tuple(...lengths.map((d) => samples(dtype, shape.with(axis, d)))).map((inputs) => {
      const models = inputs.map((x) => x.model);
      return { params: { axis }, inputs, expected: joined(models, axis) };
    });
  });

/** A range of `length` elements, and the size of an axis that has it and some room around it. */
const windows = (length: number) =>
  fc.tuple(fc.constantFrom(1, 1, 2, -1, -3), fc.nat(2), fc.nat(2)).map(([step, before, after]) => {
    const reach = Math.max(0, length - 1) * Math.abs(step);
    const range: Range = { start: before + (step < 0 ? reach : 0), step, length };
    return { range, size: before + reach + 1 + after };
  });

const windowed = shapes(0, 3).chain((inner) =>
  fc.tuple(...inner.map(windows)).map((parts) => ({
    inner,
    outer: parts.map((p) => p.size),
    ranges: parts.map((p) => p.range),
  })),
);

/** Where the window's element at `index` stands outside of it. */
export function outside(ranges: readonly Range[], index: Index): number[] {
  return index.map((i, axis) => ranges[axis]!.start + i * ranges[axis]!.step);
}

const slice: Law<'slice'> = fc.tuple(windowed, oneOf(dtypes)).chain(([{ inner, outer, ranges }, dtype]) =>
  samples(dtype, outer).map((x) => ({
    params: { ranges },
    inputs: [x],
    expected: tabulate(inner, dtype, (index) => at(x.model, outside(ranges, index))),
  })),
);

const embed: Law<'embed'> = fc
  .tuple(windowed, oneOf(dtypes), fc.constantFrom(0, 1, -2, 7))
  .chain(([{ inner, outer, ranges }, dtype, fill]) =>
    samples(dtype, inner).map((x) => {
      const written = new Map(Array.from(indicesOf(inner), (i) => [String(outside(ranges, i)), at(x.model, i)]));
      const expected = tabulate(outer, dtype, (index) => written.get(String(index)) ?? fill);
      return { params: { shape: outer, ranges, fill }, inputs: [x], expected };
    }),
  );

export function permuted(x: Model, axes: readonly number[]): Model {
  const source = (index: Index) => axes.map((_, a) => index[axes.indexOf(a)]!);
  return tabulate(
    axes.map((a) => x.shape[a]!),
    x.dtype,
    (index) => at(x, source(index)),
  );
}

const permute: Law<'permute'> = anySample().chain((x) => {
  const all = x.model.shape.map((_, i) => i);
  return fc.shuffledSubarray(all, { minLength: all.length }).map((axes) => ({
    params: { axes },
    inputs: [x],
    expected: permuted(x.model, axes),
  }));
});

const expand: Law<'expand'> = fc
  .tuple(oneOf(dtypes), fc.array(fc.tuple(sizes, fc.boolean()), { maxLength: 3 }), fc.array(sizes, { maxLength: 2 }))
  .chain(([dtype, axes, lead]) => {
    const from = axes.map(([size, repeated]) => (repeated ? 1 : size));
    const shape = [...lead, ...axes.map(([size]) => size)];
    return samples(dtype, from).map((x) => ({ params: { shape }, inputs: [x], expected: expanded(x.model, shape) }));
  });

/** Another shape for as many elements: the prime factors of their number, dealt out to some axes. */
export function regrouped(shape: readonly number[]): fc.Arbitrary<number[]> {
  let rest = shape.reduce((a, b) => a * b, 1);
  if (rest === 0) return fc.constantFrom([0], [0, 3], [2, 0]);
  const factors: number[] = [];
  for (let p = 2; rest > 1; p++) for (; rest % p === 0; rest /= p) factors.push(p);
  return fc
    .array(fc.nat(3), { minLength: factors.length, maxLength: factors.length })
    .map((places) => [0, 1, 2, 3].map((axis) => factors.reduce((d, p, i) => (places[i] === axis ? d * p : d), 1)));
}

const reshape: Law<'reshape'> = anySample().chain((x) =>
  regrouped(x.model.shape).map((shape) => ({ params: { shape }, inputs: [x], expected: { ...x.model, shape } })),
);

const copy: Law<'copy'> = anySample().map((x) => ({ params: {}, inputs: [x], expected: x.model }));

export const moving = { gather, scatter, concat, slice, embed, permute, expand, reshape, copy };
