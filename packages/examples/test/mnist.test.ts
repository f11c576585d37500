// The real digits: their numbers, their checksums (loadMnist holds the files to them) and how they look.

import { describe, expect, it } from 'vitest';
import { loadMnist, mnistDataset } from '../src/data/mnist.ts';

describe('loadMnist', () => {
  it('reads all training digits', () => {
    const { inputs, targets } = loadMnist('train');
    expect([inputs.shape, inputs.dtype]).toEqual([[60_000, 784], 'float32']);
    expect([targets.shape, targets.dtype]).toEqual([[60_000], 'int32']);
    const counts = Array<number>(10).fill(0);
    for (const digit of targets.dataSync()) counts[digit]!++;
    expect(counts).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    // The published mean over all training pixels.
    expect(inputs.mean().item()).toBeCloseTo(0.1307, 4);
    expect([inputs.min().item(), inputs.max().item()]).toEqual([0, 1]);
  });

  it('makes tensors only of what is asked for', () => {
    const { inputs, targets } = loadMnist('test', { limit: 3 });
    expect(inputs.shape).toEqual([3, 784]);
    expect(targets.toArray()).toEqual([7, 2, 1]);
  });

  it('shows a seven', () => {
    const pixels = loadMnist('test', { limit: 1 }).inputs.dataSync();
    const rows = Array.from({ length: 28 }, (_, r) =>
      Array.from(pixels.subarray(28 * r, 28 * r + 28), (x) => (x > 0.5 ? '#' : ' ')).join(''),
    );
    const drawn = rows.map((row) => row.trimEnd());
    expect(drawn.filter((row) => row !== '')).toEqual(SEVEN);
  });

  it.each([0, -1, 1.5, Number.NaN, 10_001])('refuses limit %s', (limit) => {
    expect(() => loadMnist('test', { limit })).toThrow(RangeError);
  });
});

describe('mnistDataset', () => {
  it('has the same digits, made when they are asked for', () => {
    const [digits, data] = [loadMnist('test'), mnistDataset('test')];
    const { inputs, targets } = data.range(0, data.length);
    expect(inputs.sub(digits.inputs).abs().max().item()).toBe(0);
    expect(targets.toArray()).toEqual(digits.targets.toArray());
  });
});

const SEVEN = [
  '       ###',
  '      ###############',
  '          ############',
  '                   ##',
  '                   ##',
  '                  ##',
  '                 ###',
  '                 ##',
  '                ###',
  '                ##',
  '                ##',
  '               ##',
  '              ###',
  '             ###',
  '             ##',
  '            ##',
  '           ###',
  '           ###',
  '           ###',
  '           ##',
];
