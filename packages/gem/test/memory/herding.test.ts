// Herding against its definition, written out.

import { Rng, randn, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory, herd, herding } from '../../src/memory/index.ts';
import { featuresOf, feed, idsOf } from './support.ts';

/** argmin_x |mu - 1/k (f(x) + sum of the chosen)|, candidate by candidate. */
function naive(f: readonly (readonly number[])[], m: number): number[] {
  const mu = f[0]!.map((_, j) => f.reduce((sum, row) => sum + row[j]!, 0) / f.length);
  const chosen: number[] = [];
  for (let k = 1; k <= m; k++) {
    const distance = (x: number) =>
      Math.hypot(...mu.map((value, j) => value - [...chosen, x].reduce((sum, i) => sum + f[i]![j]!, 0) / k));
    const free = f.map((_, i) => i).filter((i) => !chosen.includes(i));
    chosen.push(free.reduce((best, i) => (distance(i) < distance(best) ? i : best)));
  }
  return chosen;
}

describe('herd', () => {
  test('is the definition', () => {
    // Two candidates are equally far from their mean.
    const counts = fc.integer({ min: 1, max: 12 }).filter((n) => n !== 2);
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 5 }), fc.nat(), (n, d, seed) => {
        const f = randn([n, d], new Rng(seed), { dtype: 'float64' });
        expect(herd(f, n)).toEqual(naive(f.toArray() as number[][], n));
      }),
    );
  });

  test('its first m are what it chooses for m', () => {
    const f = randn([20, 3], new Rng(1));
    const all = herd(f, 20);
    for (const m of [0, 1, 7]) expect(herd(f, m)).toEqual(all.slice(0, m));
  });

  test('exemplars come nearer to the mean than as many random samples', () => {
    const f = randn([200, 4], new Rng(2), { dtype: 'float64' });
    const distance = (rows: readonly number[]) =>
      f
        .indexSelect(0, tensor(Int32Array.from(rows)))
        .mean(0)
        .sub(f.mean(0))
        .square()
        .sum()
        .item() as number;
    const herded = distance(herd(f, 10));
    for (let seed = 0; seed < 50; seed++) expect(herded).toBeLessThan(distance([...new Rng(seed).choice(200, 10)]));
  });

  test.each([
    [tensor([1, 2]), 1, /features is \[2\]/],
    [tensor([[Number.NaN]]), 1, /features is not finite/],
    [tensor([[1]]), 2, /m is 2; expected an integer from 0 to 1/],
  ])('%s of %s is refused', (f, m, message) => {
    expect(() => herd(f, m)).toThrow(message);
  });
});

describe('as a policy', () => {
  const policy = herding(({ inputs }) => inputs.slice([0, null], [1, null]));
  const order = (ids: readonly number[], m: number) => naive(ids.map(featuresOf), m).map((i) => ids[i]!);
  const ids = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);

  test('a class holds its exemplars in order, and its last ones go when classes come', () => {
    const memory = new EpisodicMemory({ total: 8 }, policy, { by: 'class' });
    feed(memory, 0, 0, [20]);
    expect(idsOf(memory, 0)).toEqual(order(ids(0, 20), 8));
    feed(memory, 1, 20, [20], () => 1);
    expect(idsOf(memory, 0)).toEqual(order(ids(0, 20), 4));
    expect(idsOf(memory, 1)).toEqual(order(ids(20, 20), 4));
    feed(memory, 2, 40, [2], () => 2);
    expect([0, 1, 2].map((c) => memory.size(c))).toEqual([3, 3, 2]);
  });

  test('a class that comes again chooses among what it holds and what is new', () => {
    const memory = new EpisodicMemory(3, policy);
    feed(memory, 0, 0, [10]);
    const held = idsOf(memory);
    feed(memory, 0, 10, [6]);
    expect(idsOf(memory)).toEqual(order([...held, ...ids(10, 6)], 3));
  });

  test('if the features fail, the memory is as it was', () => {
    let fails = false;
    const moody = herding(({ inputs }) => {
      if (fails) throw new RangeError('no features today');
      return inputs.slice([0, null], [1, null]);
    });
    const memory = new EpisodicMemory({ total: 6 }, moody, { by: 'class', evictionLog: 9 });
    feed(memory, 0, 0, [10], (id) => id % 2);
    const before = JSON.stringify(memory.stateDict().data);
    fails = true;
    expect(() => feed(memory, 1, 10, [10], (id) => id % 3)).toThrow(/no features today/);
    expect(JSON.stringify(memory.stateDict().data)).toBe(before);
  });
});
