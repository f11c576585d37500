// Random programs: each step picks an op and its operands among all tensors made so far, and runs on both devices. Integers
// and truths must come out identical. Floats stay in [-1, 1] by the choice of ops, and each step carries a bound on how
// far the devices may be apart: the Lipschitz constant of its op times the bounds of its operands, and twice its own rounding.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exact } from './programs/exact.ts';
import { perform, programOf, start } from './programs/perform.ts';
import { rounded } from './programs/rounded.ts';

describe('cpu beside reference', () => {
  test('integers and truths are identical', () => {
    const used = new Set<string>();
    fc.assert(
      fc.property(start('int32'), start('bool'), programOf(exact), (a, b, steps) => {
        for (const { cpu, reference } of perform(exact, [a, b], steps)) {
          expect([cpu.dtype, cpu.shape]).toEqual([reference.dtype, reference.shape]);
          expect(cpu.dataSync()).toEqual(reference.dataSync());
        }
        for (const [op] of steps) used.add(op);
      }),
      { numRuns: 150 },
    );
    expect([...used].toSorted()).toEqual(Object.keys(exact).toSorted());
  });

  test('floats are within the bound that the program adds up', () => {
    const unit = fc.double({ min: -1, max: 1, noNaN: true }).map(Math.fround);
    fc.assert(
      fc.property(start('float32', unit), start('float32', unit), programOf(rounded), (a, b, steps) => {
        for (const { cpu, reference, apart } of perform(rounded, [a, b], steps)) {
          expect([cpu.dtype, cpu.shape]).toEqual([reference.dtype, reference.shape]);
          const [found, expected] = [cpu.dataSync(), reference.dataSync()];
          found.forEach((v, i) => {
            expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(apart);
            expect(Math.abs(v)).toBeLessThanOrEqual(1 + 2 ** -10);
          });
        }
      }),
      { numRuns: 150 },
    );
  });
});
