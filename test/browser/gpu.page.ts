// What runs in the page: the laws of every backend, on the gpu. A float64, or an integer that a float cannot hold, must be refused by
// name; all else must be what the law says.

import { chooseDevice, errors, info, type Primitive, type Tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import type { Case } from '../../packages/tensor/test/laws/case.ts';
import { laws } from '../../packages/tensor/test/laws/index.ts';
import { withIntegersBelow } from '../../packages/tensor/test/support/samples.ts';
import { agrees, tolerance } from './tolerance.ts';

const LIMIT = 2 ** 24;

function refused(what: string, fn: () => unknown): void {
  try {
    fn();
  } catch (error) {
    if (error instanceof errors.DTypeError && error.message.startsWith('gpu: ')) return;
    throw error;
  }
  throw new Error(`${what} was not refused`);
}

/** Integers are drawn so small that only powers and running products can lead out of what a float holds. */
function tooLarge(op: Primitive, { inputs, expected }: Case): boolean {
  if (expected.dtype !== 'int32') return false;
  if (expected.values.some((v) => Math.abs(v) >= LIMIT)) return true;
  const [a, b] = inputs.map((x) => x.model.values);
  if (op === 'pow') return a!.some((v, i) => Math.abs(v ** b![i]!) >= LIMIT);
  return op === 'cumprod' && a!.reduce((product, v) => product * Math.max(1, Math.abs(v)), 1) >= LIMIT;
}

function hold(op: Primitive, law: Case): void {
  const { params, inputs, expected } = law;
  const wide = inputs.find((x) => x.model.dtype === 'float64');
  if (wide !== undefined) {
    refused('float64', () => wide.on('gpu'));
    return;
  }
  const operands = inputs.map((x) => x.on('gpu'));
  const before = operands.map((x) => Array.from(x.dataSync()));
  const compute = () => operands[0]!.apply(op, params, operands);
  if (expected.dtype === 'float64') {
    refused('float64', compute);
    return;
  }
  const result: Tensor = compute();
  operands.forEach((x, i) => {
    x.dataSync().forEach((v, j) => {
      if (!Object.is(v, before[i]![j])) throw new Error('an operand was written to');
    });
  });
  if (String([result.dtype, result.shape]) !== String([expected.dtype, expected.shape])) {
    throw new Error(`is ${result.dtype} [${result.shape}], expected ${expected.dtype} [${expected.shape}]`);
  }
  if (tooLarge(op, law)) {
    // A running product may have got there by a line that did not.
    if (op !== 'cumprod') refused('a large integer', () => result.dataSync());
    return;
  }
  const slack = tolerance(op, law);
  const found = result.dataSync();
  if (found.length !== expected.values.length)
    throw new Error(`${found.length} elements, not ${expected.values.length}`);
  expected.values.forEach((value, i) => {
    if (agrees(found[i]!, value, slack(i))) return;
    throw new Error(`element ${i} is ${found[i]}, expected ${value} within ${slack(i)}`);
  });
}

Object.assign(globalThis, {
  gpu: {
    start: () => chooseDevice('gpu'),
    info,
    law: (op: Primitive, seed: number, numRuns: number) => {
      const property = fc.property(laws[op] as fc.Arbitrary<Case>, (law) => hold(op, law));
      const details = withIntegersBelow(60, () => fc.check(property, { seed, numRuns }));
      return details.failed ? `${details.errorInstance} for ${fc.stringify(details.counterexample)}` : 'held';
    },
  },
});
