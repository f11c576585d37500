import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFold, SUM_COLUMNS_SCRATCH } from '../src/backends/cpu/fold.ts';
import {
  addToLanes,
  joinLanes,
  LANES,
  lanesOf,
  maxLoop,
  minLoop,
  SHORT_ROW,
  sumLoop,
} from '../src/backends/cpu/fold-loops.ts';
import { createArena, numbers } from './support/wasm.ts';

const arena = createArena(2 ** 22);
const kernel = compileFold(arena.memory)!;
const scratch = 2 ** 21;

const loops = { sum: sumLoop, max: maxLoop, min: minLoop };
const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 300 }));
const problem = fc.record({
  rows: size,
  n: size,
  gap: fc.integer({ min: 0, max: 3 }),
  shift: fc.integer({ min: 0, max: 3 }),
  seed: fc.integer(),
  kind: fc.constantFrom('special' as const, 'finite' as const),
});

describe.each(['sum', 'max', 'min'] as const)('%s', (op) => {
  test.each(['Rows', 'Columns'] as const)('over %s has the bits of the loops, for any size and address', (axis) => {
    fc.assert(
      fc.property(problem, ({ rows, n, gap, shift, seed, kind }) => {
        const rowStep = n + gap;
        const x = arena.put(Float32Array.from({ length: rows * rowStep }, numbers(seed, kind)), shift);
        const results = axis === 'Rows' ? rows : n;
        const out = arena.put(new Float32Array(results), shift);
        const at = axis === 'Rows' ? ([n, rowStep, 1] as const) : ([rows, 1, rowStep] as const);
        const expected = Float32Array.from({ length: results }, (_, i) => loops[op](at[0], x, i * at[1], at[2]));
        kernel[`${op}${axis}`](rows, n, x.byteOffset, 4 * rowStep, out.byteOffset, scratch);
        expect(new Float32Array(out)).toEqual(expected);
        arena.check();
      }),
      { numRuns: 300 },
    );
  });

  test.each([1, 31, 32, 33, 255, 256, 257, 5000, 70001])('of %i elements, as a row and as a column', (n) => {
    const x = arena.put(Float32Array.from({ length: n }, numbers(n)));
    const out = arena.put(new Float32Array(2));
    kernel[`${op}Rows`](1, n, x.byteOffset, 0, out.byteOffset);
    kernel[`${op}Columns`](n, 1, x.byteOffset, 4, out.byteOffset + 4, scratch);
    expect(out[0]).toBe(Math.fround(loops[op](n, x, 0, 1)));
    expect(out[1]).toBe(out[0]);
    arena.check();
  });
});

test('a table of sums ends where it says', () => {
  const guarded = arena.put(new Float64Array(SUM_COLUMNS_SCRATCH / 8));
  const x = arena.put(new Float32Array(300 * 300).fill(1));
  const out = arena.put(new Float32Array(300));
  kernel.sumColumns(300, 300, x.byteOffset, 1200, out.byteOffset, guarded.byteOffset);
  expect(out.every((v) => v === 300)).toBe(true);
  arena.check();
});

describe('the order of sums', () => {
  test('is eight lanes and a tree, or one lane where a row is short', () => {
    fc.assert(
      fc.property(size, fc.integer(), (n, seed) => {
        const x = Float64Array.from({ length: n }, numbers(seed, 'special'));
        const lanes = Array.from({ length: n < SHORT_ROW ? 1 : LANES }, (_, l, all = lanesOf(n)) =>
          x.filter((_, i) => i % all === l).reduce((a, b) => a + b, 0),
        );
        const tree = (l: readonly number[]): number =>
          l.length === 1 ? l[0] : tree(l.slice(0, l.length / 2).map((v, i) => v + l[i + l.length / 2]));
        expect(sumLoop(n, x, 0, 1)).toBe(tree(lanes));
      }),
    );
  });

  test('does not change where a row comes in several runs', () => {
    fc.assert(
      fc.property(fc.array(size, { maxLength: 6 }), fc.integer(), (runs, seed) => {
        const n = runs.reduce((a, b) => a + b, 0);
        const x = Float32Array.from({ length: n }, numbers(seed));
        const sums = new Float64Array(LANES);
        let position = 0;
        for (const run of runs) {
          addToLanes(sums, lanesOf(n), position, run, x, position, 1);
          position += run;
        }
        expect(joinLanes(sums)).toBe(sumLoop(n, x, 0, 1));
      }),
    );
  });
});

test('NaN wins, -0 is smaller than 0, and nothing folded is the neutral element', () => {
  const fold = (op: 'max' | 'min' | 'sum', ...values: number[]) => {
    const x = arena.put(Float32Array.from(values));
    const out = arena.put(new Float32Array(1));
    kernel[`${op}Rows`](1, values.length, x.byteOffset, 0, out.byteOffset);
    arena.check();
    return out[0];
  };
  expect(fold('max', 1, Number.NaN, 2)).toBeNaN();
  expect(fold('min', 1, Number.NaN, 2)).toBeNaN();
  expect(fold('max', -0, 0, -0)).toBe(0);
  expect(fold('min', 0, -0, 0)).toBe(-0);
  expect(fold('max')).toBe(-Infinity);
  expect(fold('min')).toBe(Infinity);
  expect(fold('sum')).toBe(0);
  expect(fold('sum', -0, -0)).toBe(0);
});
