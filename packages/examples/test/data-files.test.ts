// Loaders of data sets that do not come with the repository, on files of the official layout made here: what is read right, and what is
// refused by name.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createTar } from 'nanotar';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCifar10, loadCifar100 } from '../src/data/cifar.ts';
import { DataFileError } from '../src/data/errors.ts';
import { loadFashionMnist } from '../src/data/fashion-mnist.ts';
import { readArchive } from '../src/data/published.ts';

const root = mkdtempSync(join(tmpdir(), 'gemlab-data-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const folder = (files: Record<string, Uint8Array>) => {
  const path = join(root, `${folders++}`);
  mkdirSync(path);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
};

/** Image i has class i mod classes, and pixel p the byte (i + p) mod 256. */
function records(count: number, labels: (i: number) => number[]): Uint8Array {
  const size = labels(0).length + 3072;
  const bytes = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) {
    bytes.set(labels(i), i * size);
    for (let p = 0; p < 3072; p++) bytes[i * size + size - 3072 + p] = i + p;
  }
  return bytes;
}
const ten = () => records(10_000, (i) => [i % 10]);
const hundred = () => records(10_000, (i) => [Math.floor((i % 100) / 5), i % 100]);

describe('CIFAR', () => {
  it('reads CIFAR-10: classes, and planes in order', () => {
    const { inputs, targets } = loadCifar10(folder({ 'test_batch.bin': ten() }), 'test', { limit: 12 });
    expect([inputs.shape, inputs.dtype, targets.dtype]).toEqual([[12, 3, 32, 32], 'float32', 'int32']);
    expect(targets.toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    // Image 3, green plane (pixel 1024), row 1, column 2: 3 + 1024 + 32 + 2.
    expect(inputs.slice(3, 1, 1, 2).item()).toBe(Math.fround(((3 + 1024 + 32 + 2) % 256) / 255));
  });

  it('reads the five files of the training set one after another', () => {
    const file = ten();
    const files = Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, file]));
    const { targets } = loadCifar10(folder(files), 'train', { limit: 10_003 });
    expect(targets.slice([-3, null]).toArray()).toEqual([0, 1, 2]);
  });

  it('reads CIFAR-100 with its superclasses', () => {
    const { targets, superclasses } = loadCifar100(folder({ 'test.bin': hundred() }), 'test', { limit: 7 });
    expect(targets.toArray()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(superclasses.toArray()).toEqual([0, 0, 0, 0, 0, 1, 1]);
  });

  const broken: [string, () => Uint8Array, RegExp][] = [
    ['cut off', () => ten().subarray(1), /test_batch.bin has 30729999 bytes/],
    ['of another class', () => ten().fill(10, 0, 1), /holds class 10; there are 10/],
    ['unbalanced', () => ten().fill(1, 0, 1), /holds 999 images of class 0; the official set has 1000/],
  ];
  it.each(broken)('refuses a file that is %s', (_, make, message) => {
    const path = folder({ 'test_batch.bin': make() });
    expect(() => loadCifar10(path, 'test')).toThrow(DataFileError);
    expect(() => loadCifar10(path, 'test')).toThrow(message);
  });

  it('refuses a class with two superclasses, a folder without the files, and a bad limit', () => {
    const path = folder({ 'test.bin': hundred().fill(3, 0, 1) });
    expect(() => loadCifar100(path, 'test')).toThrow(/class 0 in superclass/);
    expect(() => loadCifar10(path, 'test')).toThrow(
      /test_batch.bin cannot be read; name the folder with cifar-10-binary.tar.gz/,
    );
    expect(() => loadCifar10(path, 'test', { limit: 0 })).toThrow(/limit must be an integer from 1 to 10000/);
  });
});

describe('a published archive', () => {
  const files = { 'cifar/test.bin': new Uint8Array([1, 2, 3]), 'cifar/readme.html': new Uint8Array([60]) };
  const archive = gzipSync(
    createTar([{ name: 'cifar' }, ...Object.entries(files).map(([name, data]) => ({ name, data }))]),
  );
  const md5 = createHash('md5').update(archive).digest('hex');

  it('gives its files by name, if it is the published one to the last byte', () => {
    const path = join(folder({ 'a.tar.gz': archive }), 'a.tar.gz');
    const found = [...readArchive(path, md5)!].map(([name, bytes]) => [name, [...bytes]]);
    expect(found).toEqual([
      ['test.bin', [1, 2, 3]],
      ['readme.html', [60]],
    ]);
    writeFileSync(
      path,
      Uint8Array.from(archive, (byte, i) => (i === 20 ? byte ^ 1 : byte)),
    );
    expect(() => readArchive(path, md5)).toThrow(/a.tar.gz is not the published file \(MD5 .*, expected /);
    expect(readArchive(join(root, 'nowhere.tar.gz'), md5)).toBeNull();
  });

  it('of CIFAR goes before files that lie beside it, and is refused where it is another', () => {
    const ours = folder({ 'cifar-10-binary.tar.gz': archive, 'test_batch.bin': ten() });
    expect(() => loadCifar10(ours, 'test')).toThrow(/cifar-10-binary.tar.gz is not the published file/);
    const other = folder({ 'cifar-100-binary.tar.gz': archive, 'test_batch.bin': ten() });
    expect(loadCifar10(other, 'test', { limit: 1 }).targets.toArray()).toEqual([0]);
    expect(() => loadCifar100(other, 'test')).toThrow(/cifar-100-binary.tar.gz is not the published file/);
  });
});

describe('Fashion-MNIST', () => {
  it('takes only the published files', () => {
    const fake = gzipSync(new Uint8Array([0, 0, 8, 1, 0, 0, 0, 1, 7]));
    const path = folder({ 't10k-images-idx3-ubyte.gz': fake, 't10k-labels-idx1-ubyte.gz': fake });
    expect(() => loadFashionMnist(path, 'test')).toThrow(/t10k-images-idx3-ubyte.gz is not the published file \(MD5/);
    expect(() => loadFashionMnist(join(root, 'nowhere'), 'train')).toThrow(/train-images-idx3-ubyte.gz cannot be read/);
  });
});
