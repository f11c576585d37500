// softmax and its logarithm over rows: the vectors have the bits of the loops.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { softmaxLine } from '../src/backends/cpu/softmax.ts';
import { compileSoftmax } from '../src/backends/cpu/softmax-kernel.ts';
import { createArena, numbers } from './support/wasm.ts';

const arena = createArena(2 ** 20);
const kernel = compileSoftmax(arena.memory)!;

const run = {
  softmax: (rows: number, n: number, x: number, out: number) => {
    const exps = arena.put(new Float64Array(n + 1));
    kernel.softmax(rows, n, x, exps.byteOffset, out);
  },
  logSoftmax: (rows: number, n: number, x: number, out: number) => {
    const shifts = arena.put(new Float64Array(rows));
    const sums = arena.put(new Float64Array(rows));
    kernel.sumExps(rows, n, x, shifts.byteOffset, sums.byteOffset);
    kernel.logSums(rows, sums.byteOffset);
    kernel.subtract(rows, n, x, shifts.byteOffset, sums.byteOffset, out);
  },
};

const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 2, 7, 8, 31, 32, 33, 39, 40, 41, 100));
const problem = fc.record({
  rows: fc.integer({ min: 0, max: 12 }),
  n: size,
  scale: fc.constantFrom(0.01, 1, 50, 1e4),
  shift: fc.integer({ min: 0, max: 3 }),
  seed: fc.integer(),
  kind: fc.constantFrom('special' as const, 'finite' as const),
});

describe.each(['softmax', 'logSoftmax'] as const)('%s', (op) => {
  const check = (x: Float32Array, rows: number, n: number, shift: number) => {
    const from = arena.put(x, shift);
    const out = arena.put(new Float32Array(rows * n), 3 - shift);
    const expected = new Float32Array(rows * n);
    const line = softmaxLine(op, n);
    for (let i = 0; i < rows; i++) line(n, expected, i * n, 1, from, i * n, 1);
    run[op](rows, n, from.byteOffset, out.byteOffset);
    expect(out.slice()).toEqual(expected);
    arena.check();
  };

  test('has the bits of the loops, for any size and address', () => {
    fc.assert(
      fc.property(problem, ({ rows, n, scale, shift, seed, kind }) => {
        const draw = numbers(seed, kind);
        check(
          Float32Array.from({ length: rows * n }, () => scale * draw()),
          rows,
          n,
          shift,
        );
      }),
      { numRuns: 600 },
    );
  });

  test.each([1, 5, 32, 45])('of %i elements all infinite, all equal, far apart, or zeros and NaN', (n) => {
    for (const values of [
      [-Infinity],
      [Infinity],
      [-Infinity, 3],
      [Infinity, 709.5, 3],
      [2],
      [3e38, -3e38],
      [0, -730],
    ]) {
      check(
        Float32Array.from({ length: 3 * n }, (_, i) => values[i % values.length]!),
        3,
        n,
        0,
      );
    }
  });
});
