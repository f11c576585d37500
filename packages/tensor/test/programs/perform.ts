// Performing a random program: on the cpu, and beside it on another device.

import fc from 'fast-check';
import type { Device } from '../../src/index.ts';
import { samples } from '../support/samples.ts';
import { MOST } from './rounded.ts';
import { choose, type Maker, type Pick, type Value } from './step.ts';

/** The values that the program starts from, and all that it makes. */
export function perform(
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

export const programOf = (makers: Record<string, Maker>) =>
  fc.array(fc.tuple(fc.constantFrom(...Object.keys(makers)), fc.array(fc.nat(997), { minLength: 5, maxLength: 9 })), {
    maxLength: 16,
  });

export const start = (
  dtype: 'int32' | 'bool' | 'float32',
  value?: fc.Arbitrary<number>,
  beside: Device = 'reference',
): fc.Arbitrary<Value> =>
  fc
    .constantFrom([2, 3], [3], [1, 2], [3, 3])
    .chain((shape) => samples(dtype, shape, value))
    .map((s) => ({
      cpu: s.on('cpu'),
      reference: s.on(beside),
      apart: 0,
    }));
