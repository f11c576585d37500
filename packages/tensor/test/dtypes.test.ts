// Dtypes: where two meet, what a plain number becomes beside a tensor, what overflow and casts do. The table here is the
// README's, and it is checked there word for word.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  concat,
  type DType,
  devices,
  errors,
  full,
  ones,
  stack,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../src/index.ts';
import { castValue } from './laws/elementwise.ts';
import { expectModel, thrown } from './support/expect.ts';
import { anySample, dtypes } from './support/samples.ts';

/** Of row + column. A number is weak: it takes the tensor's dtype unless that cannot hold it. */
const TABLE = `
|             | bool    | int32   | float32 | float64 | 2       | 0.5     |
|-------------|---------|---------|---------|---------|---------|---------|
| **bool**    | int32   | int32   | float32 | float64 | int32   | float32 |
| **int32**   | int32   | int32   | float32 | float64 | int32   | float32 |
| **float32** | float32 | float32 | float32 | float64 | float32 | float32 |
| **float64** | float64 | float64 | float64 | float64 | float64 | float64 |
`;
const cellsOf = (table: string) =>
  table
    .trim()
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const rows = cellsOf(TABLE).map((cells) => cells.slice(1));

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test('the README has the promotion table', () => {
  expect(readme).toContain(TABLE);
});

/** The README's other table: which ops give what of each dtype. */
const families = cellsOf(readme.match(/^\| of +\| bool .*\n(?:\|.*\n)+/m)![0]).map(([ops, ...given]) => ({
  ops: Array.from(ops!.matchAll(/`(\w+)`/g), ([, op]) => op!),
  given,
}));

/** Ops that want more than a tensor. */
const calls: Record<string, (x: Tensor) => Tensor> = {
  cumsum: (x) => x.cumsum(0),
  cumprod: (x) => x.cumprod(0),
  quantile: (x) => x.quantile(0.5),
  topk: (x) => x.topk(1).values,
  clamp: (x) => x.clamp(0, 1),
  linear: (x) => x.linear(x.reshape([1, 2]), x.slice([0, 1])),
  conv2d: (x) => x.reshape([1, 1, 2]).conv2d(x.reshape([1, 1, 2, 1]), { padding: 1 }),
  fold: (x) => x.reshape([1, 2, 1]).fold([2], 2),
  slidingWindows: (x) => x.slidingWindows(2),
  unfold: (x) => x.reshape([1, 1, 2]).unfold(2),
  maxPool2d: (x) => x.reshape([2, 1]).maxPool2d(1),
  avgPool2d: (x) => x.reshape([2, 1]).avgPool2d(1),
  layerNorm: (x) => x.layerNorm(2),
  reshape: (x) => x.reshape([2, 1]),
  slice: (x) => x.slice(0),
  pad: (x) => x.pad([[1, 0]]),
  gather: (x) => x.gather(0, zeros([1], { dtype: 'int32', device: x.device })),
  scatter: (x) => x.scatter(0, zeros([2], { dtype: 'int32', device: x.device }), x),
  scatterAdd: (x) => x.scatterAdd(0, zeros([2], { dtype: 'int32', device: x.device }), x),
  indexSelect: (x) => x.indexSelect(0, zeros([1], { dtype: 'int32', device: x.device })),
  where: (x) => where(x.cast('bool'), x, x),
  concat: (x) => concat([x, x]),
  stack: (x) => stack([x, x]),
};
const binary = ['add', 'sub', 'mul', 'pow', 'mod', 'maximum', 'minimum', 'div', 'atan2', 'hypot', 'matmul'].concat([
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
  'logicalAnd',
  'logicalOr',
  'logicalXor',
]);
type Method = (this: Tensor, ...others: Tensor[]) => Tensor;

describe.each(devices)('%s', (device) => {
  const one = (dtype: DType) => ones([2], { dtype, device });

  test('arithmetic is the table', () => {
    for (const op of ['add', 'sub', 'mul', 'pow', 'mod', 'maximum', 'minimum'] as const) {
      const found = dtypes.map((a) => [...dtypes.map((b) => one(a)[op](one(b))), one(a)[op](2), one(a)[op](0.5)]);
      expect(
        found.map((row) => row.map((t) => t.dtype)),
        op,
      ).toEqual(rows);
    }
  });

  test('div is the table with floats for integers', () => {
    const found = dtypes.map((a) => [...dtypes.map((b) => one(a).div(one(b))), one(a).div(2), one(a).div(0.5)]);
    expect(found.map((row) => row.map((t) => t.dtype))).toEqual(
      rows.map((row) => row.map((d) => (d === 'int32' ? 'float32' : d))),
    );
    // Through float32 the large integer would lose its last bit.
    const large = tensor(Int32Array.of(2 ** 24 + 1), { device });
    expect(large.div(tensor(Float64Array.of(1), { device })).item()).toBe(2 ** 24 + 1);
  });

  test('every op that the README names gives what it says there', () => {
    expect(families.length).toBeGreaterThan(4);
    for (const { ops, given } of families) {
      expect(ops.length).toBeGreaterThan(2);
      for (const op of ops) {
        const plain = (x: Tensor) => (x[op as 'neg'] as Method).apply(x, binary.includes(op) ? [x] : []);
        const found = dtypes.map((dtype) => (calls[op] ?? plain)(one(dtype)).dtype);
        expect(found, op).toEqual(given);
      }
    }
    expect([one('int32').oneHot(2).dtype, one('int32').oneHot(2, 'bool').dtype]).toEqual(['float32', 'bool']);
  });

  test('a number is weak, but never loses what an integer tensor cannot hold', () => {
    const x = zeros([], { dtype: 'int32', device });
    const beside = (n: number) => [x.add(n).dtype, x.add(n).item()];
    expect(beside(2 ** 31 - 1)).toEqual(['int32', 2 ** 31 - 1]);
    expect(beside(-(2 ** 31))).toEqual(['int32', -(2 ** 31)]);
    expect(beside(2 ** 31)).toEqual(['float32', 2 ** 31]);
    expect(beside(-0.5)).toEqual(['float32', -0.5]);
    expect(beside(Infinity)).toEqual(['float32', Infinity]);
    expect(beside(Number.NaN)).toEqual(['float32', Number.NaN]);
    // Beside a float32 tensor a number is a float32 too, so that it finds itself again.
    expect(tensor([0.1], { device }).eq(0.1).item()).toBe(true);
    expect(
      tensor([0.1], { device })
        .eq(tensor(Float64Array.of(0.1), { device }))
        .item(),
    ).toBe(false);
  });

  test('int32 wraps around', () => {
    const [top, bottom] = [2 ** 31 - 1, -(2 ** 31)];
    const x = tensor(Int32Array.of(top, bottom), { device });
    expect(x.add(1).toArray()).toEqual([bottom, bottom + 1]);
    expect(x.sub(1).toArray()).toEqual([top - 1, top]);
    expect(x.mul(x).toArray()).toEqual([1, 0]);
    expect([x.neg().toArray(), x.abs().toArray()]).toEqual([
      [-top, bottom],
      [top, bottom],
    ]);
    expect([x.sum().item(), x.slice([0, 1]).expand([3]).sum().item()]).toEqual([-1, 2 ** 31 - 3]);
    expect(x.slice([0, 1]).expand([3]).cumsum(0).toArray()).toEqual([top, -2, 2 ** 31 - 3]);
    expect(x.matmul(x).item()).toBe(1);
    // Of so many that a float64 could not hold their sum.
    const many = x.slice([0, 1]).expand([2 ** 22 + 3]);
    const total = Number(BigInt.asIntN(32, BigInt(top) * (2n ** 22n + 3n)));
    expect([many.sum().item(), many.cumsum(0).slice(-1).item()]).toEqual([total, total]);
    expect(many.matmul(tensor(Int32Array.of(1), { device }).expand([2 ** 22 + 3])).item()).toBe(total);
    expect(
      tensor(Int32Array.of(3, -3, 2, 10), { device })
        .pow(tensor(Int32Array.of(21, 21, 32, 10), { device }))
        .toArray(),
    ).toEqual([1870418611, -1870418611, 0, 1410065408]);
  });

  test('integers divide by zero to 0, and to a negative power truncate', () => {
    const x = tensor(Int32Array.of(7, -7, 0), { device });
    const zero = zeros([3], { dtype: 'int32', device });
    expect(x.mod(zero).toArray()).toEqual([0, 0, 0]);
    expect(x.apply('div', {}, [x, zero]).toArray()).toEqual([0, 0, 0]);
    expect(x.apply('div', {}, [x, zero.add(2)]).toArray()).toEqual([3, -3, 0]);
    expect(
      tensor(Int32Array.of(1, -1, -1, 2, 0), { device })
        .pow(tensor(Int32Array.of(-3, -3, -2, -1, -1), { device }))
        .toArray(),
    ).toEqual([1, -1, 1, 0, 0]);
  });

  test('casts truncate, saturate and round', () => {
    fc.assert(
      fc.property(anySample(), fc.constantFrom(...dtypes), (x, dtype) => {
        const values = x.model.values.map((v) => castValue(v, dtype));
        const y = x.on(device).cast(dtype);
        expectModel(y, { ...x.model, dtype, values });
        expectModel(tensor(x.on(device), { dtype, device }), { ...x.model, dtype, values });
        // Data is converted as tensors are.
        expectModel(tensor(Float64Array.from(x.model.values), { dtype, device, shape: x.model.shape }), {
          ...x.model,
          dtype,
          values,
        });
      }),
      { numRuns: 80 },
    );
    const x = tensor(Float64Array.of(-1.9, 1.9, Number.NaN, 3e9, -3e9, Infinity, 1e-9), { device });
    expect(x.cast('int32').toArray()).toEqual([-1, 1, 0, 2147483647, -2147483648, 2147483647, 0]);
    expect(x.cast('bool').toArray()).toEqual([true, true, true, true, true, true, true]);
    expect(tensor(Float64Array.of(1e300), { device }).cast('float32').item()).toBe(Infinity);
    expect(x.cast('float64')).toBe(x);
  });

  test('bool stays 0 and 1 wherever it is made', () => {
    const bits = (t: Tensor) => [t.dtype, ...t.dataSync()];
    const yes = full([3], true, { device });
    const index = zeros([3], { dtype: 'int32', device });
    expect(bits(yes.scatter(0, index, yes))).toEqual(['bool', 1, 1, 1]);
    expect(bits(yes.scatterAdd(0, index, yes))).toEqual(['int32', 4, 1, 1]);
    expect(bits(yes.pad([[1, 0]], 7))).toEqual(['bool', 1, 1, 1, 1]);
    expect(bits(tensor(Uint8Array.of(0, 2, 255), { dtype: 'bool', device }))).toEqual(['bool', 0, 1, 1]);
    expect(bits(tensor([2, 0, Number.NaN], { device }).cast('bool'))).toEqual(['bool', 1, 0, 1]);
  });

  test('an unknown dtype is named', () => {
    const error = thrown(() => zeros([1], { device }).cast('float16' as DType));
    expect(error).toBeInstanceOf(errors.DTypeError);
    expect(error.message).toBe("unknown dtype 'float16'; the dtypes are bool, int32, float32, float64");
    expect(thrown(() => tensor([1], { dtype: 'uint8' as DType, device }))).toBeInstanceOf(errors.DTypeError);
  });
});
