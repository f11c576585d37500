// Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): Zalando's 70,000 images of clothes in MNIST's format and sizes. No npm package holds the
// official set, so it is read from a folder that the user names: the four gzipped files as published, held to their MD5.

import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseIdx } from './idx.ts';
import { type LabelledImages, labelledImages } from './images.ts';
import { readPublished } from './published.ts';

interface Published {
  readonly name: string;
  readonly md5: string;
}

// The table of checksums in the README of zalandoresearch/fashion-mnist.
const FILES: { readonly [S in 'train' | 'test']: { count: number; images: Published; labels: Published } } = {
  train: {
    count: 60_000,
    images: { name: 'train-images-idx3-ubyte.gz', md5: '8d4fb7e6c68d591d4c3dfef9ec88bf0d' },
    labels: { name: 'train-labels-idx1-ubyte.gz', md5: '25c81989df183df01b3e8a0aad5dffbe' },
  },
  test: {
    count: 10_000,
    images: { name: 't10k-images-idx3-ubyte.gz', md5: 'bef4ecab320f06d8554ea6380940ec79' },
    labels: { name: 't10k-labels-idx1-ubyte.gz', md5: 'bb300cfdad3c16e7a12a480ee83cd310' },
  },
};

/**
 * The first `limit` images of a split (all by default): inputs float32 [n, 784] in [0, 1], targets int32 [n], classes 0..9.
 * @throws DataFileError if a file is missing or is not the published one; RangeError for a bad limit.
 */
export function loadFashionMnist(
  folder: string,
  split: 'train' | 'test',
  { limit }: { readonly limit?: number } = {},
): LabelledImages {
  const { count, images, labels } = FILES[split];
  const missing = "cannot be read; name the folder with the official archive's four .gz files";
  const read = ({ name, md5 }: Published) =>
    parseIdx(gunzipSync(readPublished(join(folder, name), md5, missing)), name);
  const pixels = read(images);
  return labelledImages('loadFashionMnist', pixels.bytes, read(labels).bytes, [784], count, limit);
}
