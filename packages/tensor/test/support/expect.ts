// What a tensor is expected to be: shape, dtype and every element of its model, within the model's slack.

import { expect } from 'vitest';
import type { Tensor } from '../../src/index.ts';
import type { Model } from './model.ts';

function agrees(found: number, expected: number, slack: number): boolean {
  // 0 and -0 are the same number; laws that tell them apart say so themselves.
  if (Number.isNaN(expected) || Number.isNaN(found)) return Number.isNaN(expected) && Number.isNaN(found);
  return found === expected || Math.abs(found - expected) <= slack;
}

export function expectModel(t: Tensor, m: Model, what = ''): void {
  expect([t.dtype, ...t.shape], `dtype and shape ${what}`).toEqual([m.dtype, ...m.shape]);
  const found = t.dataSync();
  expect(found.length).toBe(m.values.length);
  m.values.forEach((expected, i) => {
    if (!agrees(found[i]!, expected, m.slack?.[i] ?? 0)) {
      expect.fail(`${what} element ${i} of [${m.shape}] ${m.dtype}: found ${found[i]}, expected ${expected}`);
    }
  });
}

/** Runs `fn` and fails if it wrote to the storage of an operand. */
export function leavingUntouched<T>(operands: readonly Tensor[], fn: () => T): T {
  const bits = () =>
    operands.map(({ storage: { data } }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  const before = bits().map((b) => Buffer.from(b));
  try {
    return fn();
  } finally {
    expect(
      bits().every((b, i) => b.equals(before[i]!)),
      'an operand was written to',
    ).toBe(true);
  }
}

/** The error that `fn` throws. */
export function thrown(fn: () => unknown): Error {
  try {
    fn();
  } catch (error) {
    return error as Error;
  }
  return expect.fail('nothing was thrown');
}
