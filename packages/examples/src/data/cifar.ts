// CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 colour images of 32 x 32 for training and 10,000 for testing. Read from a folder that
// the user names, which holds the official *binary version*: the archive as published, which is held to its MD5, or the files that were
// unpacked from it. A file is a list of records:
//
//     CIFAR-10   class, then 3 x 32 x 32 bytes: the red plane, the green, the blue        data_batch_1.bin ... data_batch_5.bin, test_batch.bin
//     CIFAR-100  superclass, class, then the same                                         train.bin, test.bin
//
// Single files have no published checksum. Both sets are balanced, and a CIFAR-100 class has one superclass: that is checked, beside the
// sizes, so that a damaged, cut or foreign file is not taken for the data set.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataFileError } from './errors.ts';
import { type LabelledImages, labelledImages, wantLimit } from './images.ts';
import { readArchive } from './published.ts';

type Split = 'train' | 'test';

interface Layout {
  /** The archive, and its MD5 on the page of the data set. */
  readonly archive: { readonly name: string; readonly md5: string };
  readonly classes: number;
  /** Label bytes before the pixels: the class is the last of them. */
  readonly labels: number;
  readonly files: { readonly [S in Split]: readonly string[] };
}

const CIFAR10: Layout = {
  archive: { name: 'cifar-10-binary.tar.gz', md5: 'c32a1d4ab5d03f1284b67883e8d87530' },
  classes: 10,
  labels: 1,
  files: { train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), test: ['test_batch.bin'] },
};
const CIFAR100: Layout = {
  archive: { name: 'cifar-100-binary.tar.gz', md5: '03b5dce01913d631647c71ecec9e9cb8' },
  classes: 100,
  labels: 2,
  files: { train: ['train.bin'], test: ['test.bin'] },
};

const SHAPE = [3, 32, 32];
const PIXELS = 3 * 32 * 32;
const COUNT = { train: 50_000, test: 10_000 };

export interface CifarOptions {
  /** Only the first images. */
  readonly limit?: number;
}

/** Images of CIFAR-100, with the 20 superclasses beside the 100 classes. */
export interface Cifar100 extends LabelledImages {
  /** int32 [n], 0..19 */
  readonly superclasses: LabelledImages['targets'];
}

/**
 * CIFAR-10: inputs float32 [n, 3, 32, 32] in [0, 1], targets int32 [n] of 0..9.
 * @throws DataFileError if a file is missing or is not of the official set; RangeError for a bad limit.
 */
export function loadCifar10(folder: string, split: Split, { limit = COUNT[split] }: CifarOptions = {}): LabelledImages {
  wantLimit('loadCifar10', limit, COUNT[split]);
  const { pixels, labels } = readRecords(CIFAR10, folder, split);
  return labelledImages('loadCifar10', pixels, labels[0]!, SHAPE, COUNT[split], limit);
}

/**
 * CIFAR-100: inputs float32 [n, 3, 32, 32] in [0, 1], targets int32 [n] of 0..99, superclasses int32 [n] of 0..19.
 * @throws DataFileError if a file is missing or is not of the official set; RangeError for a bad limit.
 */
export function loadCifar100(folder: string, split: Split, { limit = COUNT[split] }: CifarOptions = {}): Cifar100 {
  wantLimit('loadCifar100', limit, COUNT[split]);
  const { pixels, labels } = readRecords(CIFAR100, folder, split);
  const [coarse, fine] = labels as [Uint8Array, Uint8Array];
  wantOneSuperclassEach(join(folder, CIFAR100.files[split][0]!), coarse, fine);
  const { inputs, targets } = labelledImages('loadCifar100', pixels, fine, SHAPE, COUNT[split], limit);
  return {
    inputs,
    targets,
    superclasses: labelledImages('loadCifar100', pixels, coarse, [0], COUNT[split], limit).targets,
  };
}

/** All records of a split, taken apart: the images, and each kind of label. */
function readRecords(layout: Layout, folder: string, split: Split): { pixels: Uint8Array; labels: Uint8Array[] } {
  const files = layout.files[split];
  const perFile = COUNT[split] / files.length;
  const archive = readArchive(join(folder, layout.archive.name), layout.archive.md5);
  const record = layout.labels + PIXELS;
  const pixels = new Uint8Array(COUNT[split] * PIXELS);
  const labels = Array.from({ length: layout.labels }, () => new Uint8Array(COUNT[split]));
  files.forEach((name, f) => {
    const path = join(folder, name);
    const content = archive?.get(name) ?? readFile(path, layout);
    if (content.length !== perFile * record) {
      const expected = `${perFile} records of ${record} bytes, ${perFile * record} in all`;
      throw new DataFileError(path, `has ${content.length} bytes; the official file holds ${expected}`);
    }
    for (let i = 0; i < perFile; i++) {
      const at = i * record;
      const to = f * perFile + i;
      for (let k = 0; k < layout.labels; k++) labels[k]![to] = content[at + k]!;
      pixels.set(content.subarray(at + layout.labels, at + record), to * PIXELS);
    }
  });
  wantBalanced(join(folder, files.length === 1 ? files[0]! : ''), labels.at(-1)!, layout.classes);
  return { pixels, labels };
}

function readFile(path: string, { archive }: Layout): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new DataFileError(
      path,
      `cannot be read; name the folder with ${archive.name} (the 'binary version' of the data set), or with its files`,
      { cause },
    );
  }
}

/** @throws DataFileError unless every class has its share. */
function wantBalanced(path: string, labels: Uint8Array, classes: number): void {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) {
    if (label >= classes) throw new DataFileError(path, `holds class ${label}; there are ${classes}, from 0`);
    counts[label]!++;
  }
  const share = labels.length / classes;
  const wrong = counts.findIndex((count) => count !== share);
  if (wrong >= 0)
    throw new DataFileError(path, `holds ${counts[wrong]} images of class ${wrong}; the official set has ${share}`);
}

/** @throws DataFileError if two images of one class differ in their superclass. */
function wantOneSuperclassEach(path: string, coarse: Uint8Array, fine: Uint8Array): void {
  const superclass = new Map<number, number>();
  fine.forEach((label, i) => {
    const known = superclass.get(label) ?? coarse[i]!;
    if (known !== coarse[i] || known >= 20) {
      throw new DataFileError(
        path,
        `image ${i} has class ${label} in superclass ${coarse[i]}; expected ${Math.min(known, 19)}`,
      );
    }
    superclass.set(label, known);
  });
}
