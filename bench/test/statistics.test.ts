import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { median, ratio } from '../src/statistics.ts';

const times = fc.array(fc.double({ min: 0.01, max: 1000, noNaN: true }), { minLength: 1, maxLength: 20 });

describe('median', () => {
  test('is the middle, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test('has no more values above it than half, and none the order of the values', () => {
    fc.assert(
      fc.property(times, (ms) => {
        const m = median(ms);
        expect(ms.filter((t) => t > m).length).toBeLessThanOrEqual(ms.length / 2);
        expect(ms.filter((t) => t < m).length).toBeLessThanOrEqual(ms.length / 2);
        expect(median([...ms].reverse())).toBe(m);
      }),
    );
  });
});

describe('ratio', () => {
  test('is not moved by slow rounds that fall on both', () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0.1, max: 10, noNaN: true }), (ms, factor) => {
        const other = ms.map((t) => t * factor);
        expect(ratio(other, ms)).toBeCloseTo(factor, 9);
      }),
    );
  });

  test('looks at the rounds that both have', () => {
    expect(ratio([2, 4], [1, 1, 100])).toBe(3);
  });
});
