// Threads get as much of a work as they were fast lately: cores are not alike.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Speeds } from '../src/backends/cpu/speeds.ts';

const speeds = fc.array(fc.double({ min: 0.25, max: 1, noNaN: true }), { minLength: 2, maxLength: 5 });

/** Has n things done by threads of such speeds, in so many milliseconds if one of speed 1 did them; gives how long each took. */
const work = (known: Speeds, real: readonly number[], n = 1000, milliseconds = 10): number[] => {
  const amounts = known.cut(n, 1, real.length).map(([, count]) => count);
  const times = amounts.map((amount, i) => ((amount / n) * milliseconds) / real[i]!);
  known.learn(amounts, times);
  return times;
};

describe('speeds', () => {
  test('cut all there is into ranges that follow one another and begin at multiples of the unit', () => {
    fc.assert(
      fc.property(
        speeds,
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(30),
        (real, n, unit, parts, times) => {
          const known = new Speeds(real.length);
          for (let i = 0; i < times; i++) work(known, real);
          const ranges = known.cut(n, unit, parts);
          expect(ranges.length).toBe(Math.min(parts, real.length, Math.ceil(n / unit)));
          let at = 0;
          for (const [from, count] of ranges) {
            expect(from).toBe(at);
            expect(count).toBeGreaterThanOrEqual(0);
            if (count > 0) expect(from % unit).toBe(0);
            at += count;
          }
          expect(at).toBe(n);
        },
      ),
    );
  });

  test('are alike at first', () => {
    expect(new Speeds(4).cut(100, 1, 4)).toEqual([
      [0, 25],
      [25, 25],
      [50, 25],
      [75, 25],
    ]);
    expect(new Speeds(2).cut(256, 30, 2)).toEqual([
      [0, 150],
      [150, 106],
    ]);
  });

  test('are learnt: in the end all take equally long, also after they have changed', () => {
    fc.assert(
      fc.property(speeds, fc.infiniteStream(fc.double({ min: 0.25, max: 1, noNaN: true })), (real, others) => {
        const known = new Speeds(real.length);
        for (const now of [real, real.map(() => others.next().value as number)]) {
          for (let i = 0; i < 40; i++) work(known, now);
          const times = work(known, now);
          expect(Math.max(...times) / Math.min(...times)).toBeLessThan(1.05);
        }
      }),
    );
  });

  test('of threads that did nothing, or that nobody timed, stay as they were', () => {
    const known = new Speeds(3);
    for (let i = 0; i < 40; i++) work(known, [1, 0.5], 1000);
    const [[, fast], [, slow], [, third]] = known.cut(3000, 1, 3) as [
      [number, number],
      [number, number],
      [number, number],
    ];
    expect(fast / slow).toBeCloseTo(2, 1);
    expect(third).toBe(1000);
    for (let i = 0; i < 40; i++) known.learn([500, 500, 0], [5, 0, 0]);
    expect(known.cut(3000, 1, 3)[2]).toEqual([2000, 1000]);
  });

  test('are not learnt from moments, in which a thread may just have been asleep', () => {
    const known = new Speeds(2);
    for (let i = 0; i < 40; i++) known.learn([500, 500], [0.001, 0.049]);
    expect(known.cut(100, 1, 2)).toEqual([
      [0, 50],
      [50, 50],
    ]);
  });

  test('leave a thread that was stopped for long enough to be seen again', () => {
    const known = new Speeds(2);
    for (let i = 0; i < 100; i++) work(known, [1, 1e-6]);
    expect(known.cut(100, 1, 2)[1]![1]).toBeGreaterThan(5);
    for (let i = 0; i < 40; i++) work(known, [1, 1]);
    expect(known.cut(100, 1, 2)[1]![1]).toBeGreaterThan(48);
  });
});
