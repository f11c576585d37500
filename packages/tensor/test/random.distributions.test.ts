// The distributions, with fixed seeds: each threshold is where the statistic goes about once in ten thousand seeds under the exact
// distribution (four standard deviations, for those that are near normal).

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WordStream } from '../src/philox.ts';
import { Rng } from '../src/random.ts';
import { weightedWithReplacement } from '../src/weighted.ts';

/** The value that chi-square with `degrees` of freedom passes as rarely as a normal passes 4 (Wilson and Hilferty). */
function chiSquareLimit(degrees: number): number {
  const v = 2 / (9 * degrees);
  return degrees * (1 - v + 4 * Math.sqrt(v)) ** 3;
}

function chiSquare(counts: ArrayLike<number>, expected: number): number {
  return Array.from(counts).reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Phi by the series of Marsaglia (2004), good to 1e-15 for |z| < 6. */
function normalCdf(z: number): number {
  let term = z;
  let sum = z;
  for (let i = 3; Math.abs(term) > 1e-17; i += 2) {
    term *= (z * z) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

/** sqrt(n) times the largest distance between the sample's distribution and `cdf`; above 2.23 with probability 1e-4. */
function kolmogorov(sample: Float64Array, cdf: (x: number) => number): number {
  const n = sample.length;
  const largest = sample.sort().reduce((worst, x, i) => {
    const p = cdf(x);
    return Math.max(worst, p - i / n, (i + 1) / n - p);
  }, 0);
  return largest * Math.sqrt(n);
}

describe('integers', () => {
  it('are uniform (chi-square), also where most spans would be biased', () => {
    const ten = new Uint32Array(10);
    for (const value of new Rng(11).integers(200_000, 0, 10)) ten[value]++;
    expect(chiSquare(ten, 20_000)).toBeLessThan(chiSquareLimit(9));
    // hi(x span) without the redraw would give every third value twice the chance of the others.
    const span = 3 * 2 ** 30;
    const residues = new Uint32Array(3);
    for (const value of new Rng(12).integers(90_000, -(2 ** 31), span - 2 ** 31)) residues[(value + 2 ** 31) % 3]++;
    expect(chiSquare(residues, 30_000)).toBeLessThan(chiSquareLimit(2));
  });
});

describe('uniform', () => {
  it('is uniform on [0, 1) (Kolmogorov-Smirnov) and uncorrelated from one to the next', () => {
    const sample = new Rng(21).uniform(100_000, 0, 1, 'float64');
    const n = sample.length;
    let lag = 0;
    for (let i = 1; i < n; i++) lag += (sample[i] - 0.5) * (sample[i - 1] - 0.5);
    expect(Math.abs((lag * 12) / Math.sqrt(n))).toBeLessThan(4);
    expect(kolmogorov(sample, (x) => x)).toBeLessThan(2.23);
    expect(kolmogorov(Float64Array.from(new Rng(22).uniform(100_000)), (x) => x)).toBeLessThan(2.23);
  });

  it('is half-open even where rounding to float32 would reach the upper bound', () => {
    const next = 1 + 2 ** -23;
    expect(new Set(new Rng(1).uniform(100, 1, next))).toEqual(new Set([1]));
    expect(new Set(new Rng(1).uniform(1000, 1, 1 + 2 ** -22))).toEqual(new Set([1, next]));
    const wide = new Rng(1).uniform(1000, -5, 11);
    expect(Math.min(...wide)).toBeGreaterThanOrEqual(-5);
    expect(Math.max(...wide)).toBeLessThan(11);
  });
});

describe('normal and truncatedNormal', () => {
  it('normal: four moments and the whole distribution', () => {
    const n = 200_000;
    const sample = new Rng(31).normal(n, 0, 1, 'float64');
    const moment = (k: number) => sample.reduce((sum, z) => sum + z ** k, 0) / n;
    // Var(z^k) = E z^2k - (E z^k)^2 = 1, 2, 15, 96 for k = 1..4.
    const variances = [1, 2, 15, 96];
    [0, 1, 0, 3].forEach((expected, i) => {
      expect(Math.abs(moment(i + 1) - expected)).toBeLessThan(4 * Math.sqrt(variances[i] / n));
    });
    expect(kolmogorov(sample, normalCdf)).toBeLessThan(2.23);
  });

  it('normal: mean and std shift and scale; std 0 is the mean', () => {
    const z = new Rng(5).normal(10, 0, 1, 'float64');
    expect(new Rng(5).normal(10, 3, 0.5, 'float64')).toEqual(z.map((value) => 3 + 0.5 * value));
    expect(new Set(new Rng(5).normal(10, 3, 0))).toEqual(new Set([3]));
  });

  it.each([
    ['two std', -2, 2],
    ['one side', 0.5, Infinity],
    ['other side', -Infinity, -0.25],
    ['upper tail', 2.5, Infinity],
    ['lower tail', -Infinity, -3],
    ['tail interval', 1, 1.2],
    ['narrow around zero', -0.3, 0.4],
    ['from zero', 0, 2.4],
  ])('truncatedNormal: the conditional distribution on %s', (_, a, b) => {
    const [from, to] = [a === -Infinity ? 0 : normalCdf(a), b === Infinity ? 1 : normalCdf(b)];
    const sample = new Rng(41).truncatedNormal(50_000, 0, 1, a, b, 'float64');
    expect(sample.every((z) => z >= a && z <= b)).toBe(true);
    expect(kolmogorov(sample, (z) => (normalCdf(z) - from) / (to - from))).toBeLessThan(2.23);
  });

  it('truncatedNormal: bounds are values; the default is two std each way', () => {
    const sample = new Rng(1).truncatedNormal(5000, 10, 0.5);
    expect(Math.min(...sample)).toBeGreaterThanOrEqual(9);
    expect(Math.max(...sample)).toBeLessThanOrEqual(11);
    expect(sample).toEqual(new Rng(1).truncatedNormal(5000, 10, 0.5, 9, 11));
  });

  it('truncatedNormal: ends, in bounds, however extreme the interval', () => {
    const far = new Rng(1).truncatedNormal(100, 0, 1, 1e6, Infinity, 'float64');
    expect(far.every((z) => z >= 1e6 && z < 1e6 + 1e-4)).toBe(true);
    for (const a of [1e9, 1e200]) {
      expect(new Set(new Rng(1).truncatedNormal(10, 0, 1, a, Infinity, 'float64'))).toEqual(new Set([a]));
      expect(new Set(new Rng(1).truncatedNormal(10, 0, 1, -Infinity, -a, 'float64'))).toEqual(new Set([-a]));
    }
    const thin = new Rng(1).truncatedNormal(100, 0, 1, 1, 1 + 2 ** -23);
    expect(new Set(thin)).toEqual(new Set([1, 1 + 2 ** -23]));
  });
});

describe('exponential', () => {
  it('has the distribution 1 - e^(-rate x)', () => {
    const sample = new Rng(45).exponential(100_000, 3, 'float64');
    expect(kolmogorov(sample, (x) => -Math.expm1(-3 * x))).toBeLessThan(2.23);
    // Never 0 and never infinite: u is an odd multiple of 2^-53.
    expect(sample[0]).toBeGreaterThan(0);
    expect(sample.at(-1)).toBeLessThan(37 / 3);
    expect(new Rng(4).exponential(100, 2)).toEqual(new Rng(4).exponential(100).map((x) => x / 2));
  });
});

describe('choice by weight', () => {
  const weights = [1, 0, 2, 5, 0.5];
  const total = 8.5;

  it('with replacement: each with its share, weight 0 never', () => {
    const n = 100_000;
    const counts = new Uint32Array(5);
    for (const i of new Rng(46).choice(5, n, true, weights)) counts[i]++;
    expect(counts[1]).toBe(0);
    const terms = weights.flatMap((w, i) => (w === 0 ? [] : [(counts[i] - (n * w) / total) ** 2 / ((n * w) / total)]));
    expect(terms.reduce((a, b) => a + b)).toBeLessThan(chiSquareLimit(3));
  });

  it('with replacement: a mark that falls on a sum belongs to what comes after, never to a weight of 0', () => {
    const stream = (word: number) => Object.assign(new WordStream([0, 0], [0, 0]), { next: () => word });
    const chosen = (word: number, of: number[]) => weightedWithReplacement(stream(word), of, new Int32Array(1))[0];
    expect([chosen(0, [0, 0, 1, 1]), chosen(2 ** 31, [1, 0, 1, 0]), chosen(0xffffffff, [1, 1, 0])]).toEqual([2, 2, 1]);
  });

  it('without replacement: pairs come as one choice after another among what is left', () => {
    const rng = new Rng(47);
    const n = 40_000;
    const counts = new Map<string, number>();
    for (let i = 0; i < n; i++) {
      const pair = rng.choice(5, 2, false, weights).join();
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    const terms = weights.flatMap((first, i) =>
      weights.flatMap((second, j) => {
        if (i === j || first * second === 0) return [];
        const expected = n * (first / total) * (second / (total - first));
        return [((counts.get(`${i},${j}`) ?? 0) - expected) ** 2 / expected];
      }),
    );
    expect(terms.length).toBe(12);
    expect(counts.size).toBe(12);
    expect(terms.reduce((a, b) => a + b)).toBeLessThan(chiSquareLimit(11));
  });

  it('all different without replacement, whatever the sizes of the weights', () => {
    const extreme = [1e-300, 5e-324, 0, 1e300, 1, 5e-324];
    for (let seed = 0; seed < 50; seed++) {
      const chosen = new Rng(seed).choice(6, 5, false, extreme);
      expect(chosen.toSorted()).toEqual(Int32Array.of(0, 1, 3, 4, 5));
      expect(chosen[0]).toBe(3);
    }
  });
});

describe('bernoulli', () => {
  it('has the probability asked for, exactly at 0 and 1', () => {
    const n = 100_000;
    const ones = new Rng(51).bernoulli(n, 0.3).reduce((sum, bit) => sum + bit, 0);
    expect(Math.abs(ones - 0.3 * n)).toBeLessThan(4 * Math.sqrt(n * 0.3 * 0.7));
    expect(new Set(new Rng(1).bernoulli(1000, 0))).toEqual(new Set([0]));
    expect(new Set(new Rng(1).bernoulli(1000, 1))).toEqual(new Set([1]));
  });
});

describe('permutation, choice, shuffle', () => {
  it('permutation: all 24 orders of 4 equally likely', () => {
    const counts = new Map<string, number>();
    const rng = new Rng(61);
    for (let i = 0; i < 48_000; i++) {
      const order = rng.permutation(4).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()], 2000)).toBeLessThan(chiSquareLimit(23));
  });

  it('permutation holds each index once; choice is its beginning', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(300), fc.nat(300), (seed, n, count) => {
        const k = Math.min(n, count);
        const whole = new Rng(seed).permutation(n);
        expect(whole.toSorted()).toEqual(Int32Array.from({ length: n }, (_, i) => i));
        expect(new Rng(seed).choice(n, k)).toEqual(whole.slice(0, k));
      }),
    );
  });

  it('choice: every index equally likely, with and without replacement; a huge population costs nothing', () => {
    const without = new Uint32Array(20);
    const rng = new Rng(71);
    for (let i = 0; i < 10_000; i++) for (const index of rng.choice(20, 5)) without[index]++;
    // Each count has variance 10000 (1/4)(3/4); together they act as 19 degrees of freedom scaled by 15/19.
    expect((chiSquare(without, 2500) * 19) / 15).toBeLessThan(chiSquareLimit(19));
    const withReplacement = new Uint32Array(20);
    for (const index of rng.choice(20, 50_000, true)) withReplacement[index]++;
    expect(chiSquare(withReplacement, 2500)).toBeLessThan(chiSquareLimit(19));
    expect(new Set(rng.choice(2 ** 31, 1000)).size).toBe(1000);
    expect(rng.choice(0, 0)).toEqual(new Int32Array(0));
    expect(rng.choice(0, 0, true)).toEqual(new Int32Array(0));
  });

  it('shuffle: a new array in the order of permutation', () => {
    const items = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const before = [...items];
    const order = new Rng(9).permutation(items.length);
    expect(new Rng(9).shuffle(items)).toEqual(Array.from(order, (i) => items[i]));
    expect(items).toEqual(before);
    expect(new Rng(9).shuffle([])).toEqual([]);
  });
});
