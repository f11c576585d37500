// Views look at the same storage in another way. Each is held to a rule that says which element stands at an index, and
// must not copy; reshape may, but only where no strides can say it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arange, devices, type SliceSpec, type Tensor, zeros } from '../src/index.ts';
import { outside, permuted, regrouped } from './laws/moving.ts';
import { expectModel } from './support/expect.ts';
import { at, expanded, type Index, indicesOf, type Model, tabulate } from './support/model.ts';
import { numbered, type Sample, shapes, sizes } from './support/samples.ts';

const anyNumbered = shapes().chain((shape) => numbered(shape));

/** The rows of a slice by Python's rule: ends count from the back if negative, are clipped, and are walked by the step. */
function sliced(spec: Exclude<SliceSpec, number>, size: number): number[] {
  const [first, last, stride] = spec ?? [];
  const step = stride ?? 1;
  const clip = (i: number) => Math.min(Math.max(i < 0 ? i + size : i, step > 0 ? 0 : -1), step > 0 ? size : size - 1);
  const start = first == null ? (step > 0 ? 0 : size - 1) : clip(first);
  const stop = last == null ? (step > 0 ? size : -1) : clip(last);
  const rows: number[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) rows.push(i);
  return rows;
}

const end = fc.option(fc.integer({ min: -7, max: 7 }));
const range = fc.tuple(end, end, fc.option(fc.constantFrom(1, 2, 3, 9, -1, -2, -9, 2 ** 60, -(2 ** 60))));
const spec = (size: number): fc.Arbitrary<SliceSpec> =>
  size === 0 ? fc.option(range) : fc.oneof(fc.option(range), fc.integer({ min: -size, max: size - 1 }));

/** True if one stride for each axis can lead from element to element of the tensor in row-major order. */
function stridesCanSay(x: Tensor, shape: readonly number[]): boolean {
  const where = Array.from(indicesOf(x.shape), (index) => index.reduce((p, i, axis) => p + i * x.strides[axis]!, 0));
  const target: Model = { shape, dtype: 'float64', values: where };
  const origin = shape.map(() => 0);
  const step = shape.map((d, axis) => (d > 1 ? at(target, origin.with(axis, 1)) - at(target, origin) : 0));
  const reach = (index: Index) => index.reduce((p, i, axis) => p + i * step[axis]!, where[0]!);
  return Array.from(indicesOf(shape)).every((index) => at(target, index) === reach(index));
}

describe.each(devices)('%s', (device) => {
  /** The op gives the expected elements, from the same storage. */
  function looks(sample: Sample, op: (x: Tensor) => Tensor, expected: Model): void {
    const x = sample.on(device);
    const y = op(x);
    expectModel(y, expected);
    expect(y.storage).toBe(x.storage);
  }
  const law = <T>(cases: fc.Arbitrary<T>, check: (value: T) => void) =>
    fc.assert(fc.property(cases, check), { numRuns: 60 });

  test('permute and transpose, by negative axes too', () => {
    law(fc.tuple(anyNumbered, fc.gen()), ([x, g]) => {
      const rank = x.model.shape.length;
      const all = x.model.shape.map((_, i) => i);
      const axes = g(fc.shuffledSubarray, all, { minLength: rank });
      const named = axes.map((a) => (g(fc.boolean) ? a : a - rank));
      looks(x, (t) => t.permute(named), permuted(x.model, axes));
      looks(x, (t) => t.permute(named).permute(all.map((a) => axes.indexOf(a))), x.model);
      if (rank === 0) return;
      const [i, j] = [g(fc.nat, rank - 1), g(fc.nat, rank - 1)];
      const swapped = all.map((a) => (a === i ? j : a === j ? i : a));
      looks(x, (t) => t.transpose(i - rank, j), permuted(x.model, swapped));
      if (rank > 1) looks(x, (t) => t.transpose(), permuted(x.model, [...all.slice(0, -2), rank - 1, rank - 2]));
    });
  });

  test('slice, as Python slices: any ends, negative steps, indices that drop an axis', () => {
    law(fc.tuple(anyNumbered, fc.gen()), ([x, g]) => {
      const { shape } = x.model;
      const specs = shape.slice(0, g(fc.nat, shape.length)).map((size) => g(() => spec(size)));
      const rows = shape.map((size, axis) => {
        const s = specs[axis] ?? null;
        return typeof s === 'number' ? [s < 0 ? s + size : s] : sliced(s, size);
      });
      const kept = shape.map((_, i) => i).filter((i) => typeof specs[i] !== 'number');
      const source = (index: Index) => rows.map((r, axis) => r[kept.includes(axis) ? index[kept.indexOf(axis)]! : 0]!);
      const expected = tabulate(
        kept.map((a) => rows[a]!.length),
        'int32',
        (index) => at(x.model, source(index)),
      );
      looks(x, (t) => t.slice(...specs), expected);
    });
    const column = arange(12)
      .reshape([3, 4])
      .to(device)
      .slice(null, [1, null, 2 ** 60]);
    expect(column.toArray()).toEqual([[1], [5], [9]]);
  });

  test('flip reverses, and twice is nothing', () => {
    law(fc.tuple(anyNumbered, fc.gen()), ([x, g]) => {
      const axes = g(fc.subarray, [...x.model.shape.keys()]);
      const back = x.model.shape.map((d, axis) => ({ start: d - 1, step: -1, length: d, axis }));
      const ranges = back.map((r) => (axes.includes(r.axis) ? r : { start: 0, step: 1, length: r.length }));
      const flipped = tabulate(x.model.shape, 'int32', (index) => at(x.model, outside(ranges, index)));
      looks(x, (t) => t.flip(axes), flipped);
      looks(x, (t) => t.flip(axes).flip(axes), x.model);
      looks(x, (t) => t.flip(), { ...x.model, values: x.model.values.toReversed() });
    });
  });

  test('squeeze and unsqueeze undo each other', () => {
    law(fc.tuple(anyNumbered, fc.nat(4)), ([x, n]) => {
      const axis = n % (x.model.shape.length + 1);
      const shape = x.model.shape.toSpliced(axis, 0, 1);
      looks(x, (t) => t.unsqueeze(axis), { ...x.model, shape });
      looks(x, (t) => t.unsqueeze(axis - shape.length), { ...x.model, shape });
      looks(x, (t) => t.unsqueeze(axis).squeeze(axis), x.model);
      looks(x, (t) => t.unsqueeze(0).squeeze(), { ...x.model, shape: x.model.shape.filter((d) => d !== 1) });
    });
  });

  test('expand repeats size-1 and new axes', () => {
    const cases = fc
      .tuple(fc.array(fc.tuple(sizes, fc.boolean()), { maxLength: 3 }), fc.array(sizes, { maxLength: 2 }))
      .chain(([axes, lead]) => {
        const from = axes.map(([size, repeated]) => (repeated ? 1 : size));
        return numbered(from).map((x) => ({ x, to: [...lead, ...axes.map(([size]) => size)] }));
      });
    law(fc.tuple(cases, fc.gen()), ([{ x, to }, g]) => {
      const lead = to.length - x.model.shape.length;
      looks(x, (t) => t.expand(to), expanded(x.model, to));
      const wild = to.map((d, i) => (i >= lead && x.model.shape[i - lead] === d && g(fc.boolean) ? -1 : d));
      looks(x, (t) => t.expand(wild), expanded(x.model, to));
    });
  });

  test('split gives views that lie side by side', () => {
    law(fc.tuple(fc.array(sizes, { minLength: 1, maxLength: 4 }), shapes(1, 3), fc.nat(2)), ([lengths, shape, n]) => {
      const axis = n % shape.length;
      const size = lengths.reduce((a, b) => a + b, 0);
      const x = arange(size * 3 ** (shape.length - 1), undefined, 1, { device });
      const t = x.reshape(shape.map((_, i) => (i === axis ? size : 3)));
      const parts = t.split(lengths, axis - shape.length);
      expect(parts.map((p) => p.shape[axis])).toEqual(lengths);
      for (const p of parts) expect(p.storage).toBe(t.storage);
      const equal = zeros([2, size * 3], { device }).split(3, 1);
      expect(equal.map((p) => p.shape)).toEqual(new Array(3).fill([2, size]));
      let start = 0;
      parts.forEach((p, i) => {
        const all = t.shape.map((_, a): SliceSpec => (a === axis ? [start, start + lengths[i]!] : null));
        expect(p.toArray()).toEqual(t.slice(...all).toArray());
        start += lengths[i]!;
      });
    });
  });

  test('reshape copies exactly where no strides can say it, and back again gives the same', () => {
    let copied = 0;
    const full = fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 2, maxLength: 4 });
    const cases = fc.oneof(shapes(), full).chain((from) => fc.tuple(numbered(from), regrouped(from)));
    law(cases, ([x, shape]) => {
      const t = x.on(device);
      const y = t.reshape(shape);
      expectModel(y, { ...x.model, shape });
      expectModel(y.reshape(x.model.shape), x.model);
      const shared = x.model.values.length === 0 || stridesCanSay(t, shape);
      expect(y.storage === t.storage).toBe(shared);
      copied += shared ? 0 : 1;
    });
    expect(copied).toBeGreaterThan(0);
    const x = zeros([2, 3, 4], { device });
    const shares = (t: Tensor, ...shape: number[]) => t.reshape(shape).storage === t.storage;
    // Axes that lie in one run can merge, and split elsewhere.
    expect(shares(x.slice(null, [0, 2]), 2, 8)).toBe(true);
    expect(shares(x.slice(null, [0, 2]), 2, 2, 1, 2, 2)).toBe(true);
    expect(shares(x.slice(null, [0, 2]), 4, 4)).toBe(false);
    expect(shares(x.transpose(), 2, 12)).toBe(false);
    expect(shares(x.transpose(), 2, 2, 2, 3)).toBe(true);
    expect(shares(zeros([1], { device }).expand([6]), 2, 3)).toBe(true);
  });

  test('reshape and flatten work the size out', () => {
    law(fc.tuple(anyNumbered, fc.gen()), ([x, g]) => {
      const { shape } = x.model;
      const rest = shape.slice(1).reduce((a, b) => a * b, 1);
      if (shape.length > 0 && rest > 0) expect(x.on(device).reshape([-1, ...shape.slice(1)]).shape).toEqual(shape);
      if (shape.length === 0) return;
      const a = g(fc.nat, shape.length - 1);
      const b = a + g(fc.nat, shape.length - 1 - a);
      const merged = shape.slice(a, b + 1).reduce((n, d) => n * d, 1);
      const flat = [...shape.slice(0, a), merged, ...shape.slice(b + 1)];
      expectModel(x.on(device).flatten(a, b - shape.length), { ...x.model, shape: flat });
    });
    expect(zeros([0, 3], { device }).reshape([-1, 3]).shape).toEqual([0, 3]);
    expect(zeros([2, 3, 4], { device }).flatten().shape).toEqual([24]);
    expect(zeros([], { device }).flatten().shape).toEqual([1]);
  });

  test('contiguity is what the strides say', () => {
    const x = zeros([2, 3, 4], { device });
    expect(x.isContiguous).toBe(true);
    expect(x.transpose().isContiguous).toBe(false);
    expect(x.slice([1, 2]).isContiguous).toBe(true);
    expect(x.slice(null, [0, 2]).isContiguous).toBe(false);
    expect(x.slice(null, [0, 1]).isContiguous).toBe(false);
    expect(x.slice([0, 1], [0, 2]).isContiguous).toBe(true);
    expect(x.slice(null, null, [0, 0]).transpose(0, 2).isContiguous).toBe(true);
    expect(zeros([1], { device }).expand([5]).isContiguous).toBe(false);
    expect(x.transpose().copy().isContiguous).toBe(true);
  });

  test('a view of a view of a view', () => {
    law(
      fc.tuple(
        fc.constantFrom([4, 3, 2], [2, 2, 2, 2]).chain((s) => numbered(s, 'float64')),
        fc.gen(),
      ),
      ([s, g]) => {
        let x = s.on(device);
        let expected = s.model;
        const { storage } = x;
        for (let i = 0; i < 4; i++) {
          const axes = g(fc.shuffledSubarray, [...expected.shape.keys()], { minLength: expected.shape.length });
          const ranges = expected.shape.map((d) => {
            const start = g(fc.nat, d - 1);
            const step = g(fc.constantFrom, 1, -1, 2);
            return { start, step, length: Math.max(1, Math.ceil((step < 0 ? start + 1 : d - start) / Math.abs(step))) };
          });
          const stop = (r: (typeof ranges)[number]) => r.start + r.step * r.length;
          x = x.slice(...ranges.map((r): SliceSpec => [r.start, stop(r) < 0 ? null : stop(r), r.step])).permute(axes);
          const lengths = ranges.map((r) => r.length);
          const before = expected;
          expected = permuted(
            tabulate(lengths, 'float64', (index) => at(before, outside(ranges, index))),
            axes,
          );
        }
        expectModel(x, expected);
        expect(x.storage).toBe(storage);
      },
    );
  });

  test("a shape given by the caller stays the caller's", () => {
    const shape = [2, 3];
    const [x, y] = [zeros(shape, { device }), zeros([6], { device }).reshape(shape)];
    shape[0] = 7;
    expect([x.shape, y.shape]).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });
});
