// The check that everybody computes the same must find what differs: no time counts without it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { mismatch } from '../src/compare.ts';
import { readArray, writeArray } from '../src/host-array.ts';

const folder = mkdtempSync(join(tmpdir(), 'gemlab-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const file = (...values: number[]) =>
  writeArray(join(folder, String(files++)), { shape: [values.length], data: Float32Array.from(values) });

test.each([Float32Array, Float64Array, Int32Array])('%o goes through a file as it is', (array) => {
  const data = array.from([1, -2, 3, 4, 5, 6]);
  expect(readArray(writeArray(join(folder, 'x'), { shape: [2, 3], data }))).toEqual({ shape: [2, 3], data });
});

test('rounding passes, anything else is told with its place', () => {
  expect(mismatch([file(1, 100)], [file(1.0004, 100)], 1e-5)).toBeNull();
  expect(mismatch([file(1, 100)], [file(1.1, 100)], 1e-5)).toMatch(/^result 0 differs at 0: 1\.1/);
  expect(mismatch([file(1), file(1, 2)], [file(1), file(1, -2)], 0.1)).toMatch(/^result 1 differs at 1: -2 /);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])('%d agrees with nothing', (odd) => {
  expect(mismatch([file(1, 2)], [file(1, odd)], 1)).not.toBeNull();
  expect(mismatch([file(odd, 2)], [file(1, 2)], 1)).not.toBeNull();
  expect(mismatch([file(0, 0)], [file(0, odd)], 1)).not.toBeNull();
});

test('so do another length and another number of results', () => {
  expect(mismatch([file(1, 2)], [file(1)], 1)).toBe('result 0 has 1 elements in place of 2');
  expect(mismatch([file(1)], [], 1)).toBe('it gave 0 results in place of 1');
});
