// Random programs: each step picks an op and its operands among all tensors made so far, and runs on both devices. Integers
// and truths must come out identical. Floats stay in [-1, 1] by the choice of ops, and each step carries a bound on how
// far the devices may be apart: the Lipschitz constant of its op times the bounds of its operands, and twice its own rounding.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exact } from './programs/exact.ts';
import { MOST, rounded } from './programs/rounded.ts';
import { choose, type Maker, type Pick, type Value } from './programs/step.ts';
import { samples } from './support/samples.ts';

function perform(
  makers: Record<string, Maker>,
  values: Value[],
  steps: readonly (readonly [string, readonly number[]])[],
): Value[] {
  for (const [op, entropy] of steps) {
    let at = 0;
    const pick: Pick = (n) => entropy[at++ % entropy.length]! % Math.max(1, n);
    const { operands, run, apart } = makers[op]!(choose(values, pick), pick, values);
    const result: Value = {
      cpu: run(...operands.map((v) => v.cpu)),
      reference: run(...operands.map((v) => v.reference)),
      apart: apart * (1 + 2 ** -16),
    };
    if (result.cpu.size <= MOST) values.push(result);
  }
  return values;
}

const programOf = (makers: Record<string, Maker>) =>
  fc.array(fc.tuple(fc.constantFrom(...Object.keys(makers)), fc.array(fc.nat(997), { minLength: 5, maxLength: 9 })), {
    maxLength: 16,
  });
const start = (dtype: 'int32' | 'bool' | 'float32', value?: fc.Arbitrary<number>) =>
  fc
    .constantFrom([2, 3], [3], [1, 2], [3, 3])
    .chain((shape) => samples(dtype, shape, value))
    .map((s) => ({
      cpu: s.on('cpu'),
      reference: s.on('reference'),
      apart: 0,
    }));

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
