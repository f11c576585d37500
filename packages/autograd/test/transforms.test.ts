// Transforms of images: each against the plain indexing it stands for; the random ones against their draws.

import { arange, Rng, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Dataset, DatasetError, transforms } from '../src/index.ts';

/** Images of which every element is another number. */
const images = (shape: number[]): Tensor =>
  arange(shape.reduce((a, b) => a * b, 1))
    .cast('float32')
    .reshape(shape);
const shapes = fc
  .record({
    n: fc.integer({ min: 1, max: 3 }),
    channels: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
    height: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ n, channels, height, width }) => (channels ? [n, channels, height, width] : [n, height, width]));
const each = (x: Tensor): Tensor[] => x.split(x.shape[0]!).map((one) => one.squeeze(0));

describe('normalize', () => {
  test('takes numbers for all, or for each channel', () => {
    const x = tensor([[[1, 2]], [[3, 4]]]).reshape([1, 2, 1, 2]);
    expect(transforms.normalize(1, 2)(x).toArray()).toEqual([[[[0, 0.5]], [[1, 1.5]]]]);
    expect(transforms.normalize([1, 3], [1, 0.5])(x).toArray()).toEqual([[[[0, 1]], [[0, 2]]]]);
    expect(transforms.normalize([1, 2], 1, 3)(x).toArray()).toEqual([[[[0, 0]], [[2, 2]]]]);
    expect(transforms.normalize([1, 3], 2)(x.cast('int32')).dtype).toBe('float32');
    expect(transforms.normalize([1, 3], 2)(x.cast('float64')).dtype).toBe('float64');
  });

  test('makes the same of one number for each channel as of one for all, of any dtype', () => {
    const numbers = fc.double({ min: 0.1, max: 3 });
    fc.assert(
      fc.property(numbers, numbers, fc.constantFrom('int32', 'float32', 'float64'), (mean, std, dtype) => {
        const x = images([2, 3, 2]).cast(dtype);
        const [one, each] = [
          transforms.normalize(mean, std),
          transforms.normalize(Array(3).fill(mean), Array(3).fill(std)),
        ];
        expect([each(x).dtype, each(x).toArray()]).toEqual([one(x).dtype, one(x).toArray()]);
      }),
    );
  });

  test('refuses numbers that do not fit', () => {
    expect(() => transforms.normalize(0, [1, 0])).toThrow(DatasetError);
    expect(() => transforms.normalize([1, 2, 3], 1)(images([2, 2, 3, 3]))).toThrow('3 numbers for axis 1 of [2,2,3,3]');
  });
});

test('flatten and pad', () => {
  expect(transforms.flatten()(images([2, 3, 4])).shape).toEqual([2, 12]);
  expect(
    transforms
      .pad(
        1,
        9,
      )(images([1, 1, 2]))
      .toArray(),
  ).toEqual([
    [
      [9, 9, 9, 9],
      [9, 0, 1, 9],
      [9, 9, 9, 9],
    ],
  ]);
  expect(transforms.pad(2)(images([2, 3, 4, 5])).shape).toEqual([2, 3, 8, 9]);
});

describe('a crop', () => {
  test('of the centre leaves as much on both sides', () => {
    const x = images([1, 5, 4]);
    expect(transforms.centerCrop([3, 2])(x).toArray()).toEqual(x.slice(null, [1, 4], [1, 3]).toArray());
    expect(transforms.centerCrop([5, 4])(x).toArray()).toEqual(x.toArray());
  });

  test('at random is a window of each image, the same for all channels, and every window comes', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.nat(), fc.nat(), (shape, seed, a, b) => {
        const [height, width] = [1 + (a % shape.at(-2)!), 1 + (b % shape.at(-1)!)];
        const x = images(shape);
        const cropped = each(transforms.randomCrop([height, width], new Rng(seed))(x));
        each(x).forEach((image, i) => {
          const windows: unknown[] = [];
          const rest = new Array<null>(image.rank - 2).fill(null);
          for (let top = 0; top + height <= shape.at(-2)!; top++) {
            for (let left = 0; left + width <= shape.at(-1)!; left++) {
              windows.push(image.slice(...rest, [top, top + height], [left, left + width]).toArray());
            }
          }
          expect(windows).toContainEqual(cropped[i]!.toArray());
        });
      }),
      { numRuns: 60 },
    );
    const crop = transforms.randomCrop([1, 1], new Rng(0));
    const seen = new Set(Array.from({ length: 60 }, () => crop(images([1, 2, 3])).item()));
    expect(seen.size).toBe(6);
  });

  test('refuses a window that is no part of the image', () => {
    for (const crop of [transforms.centerCrop([4, 2]), transforms.randomCrop([2, 3], new Rng(0))]) {
      expect(() => crop(images([1, 3, 2]))).toThrow('is not within images of 3 x 2');
    }
    expect(() => transforms.randomCrop([0, 1], new Rng(0))(images([1, 3, 2]))).toThrow(DatasetError);
    expect(() => transforms.pad(1)(images([3, 2]))).toThrow('images are [n, ..., height, width], found [3,2]');
  });
});

test('a random flip mirrors each image or leaves it, as its generator says', () => {
  fc.assert(
    fc.property(shapes, fc.nat(), fc.constantFrom(-1 as const, -2 as const), (shape, seed, axis) => {
      const x = images(shape);
      const coins = new Rng(seed).bernoulli(shape[0]!, 0.5);
      const flipped = each(transforms.randomFlip(new Rng(seed), { axis })(x));
      each(x).forEach((image, i) => {
        expect(flipped[i]!.toArray()).toEqual((coins[i] ? image.flip(axis) : image).toArray());
      });
      const all = transforms.randomFlip(new Rng(seed), { p: 1, axis })(x);
      expect(all.toArray()).toEqual(x.flip(axis).toArray());
      expect(transforms.randomFlip(new Rng(seed), { p: 0, axis })(x).toArray()).toEqual(x.toArray());
    }),
    { numRuns: 60 },
  );
});

test('a dataset sees its samples through them, drawn anew at each batch and the same for the same seed', () => {
  const samples = { inputs: images([4, 1, 3, 3]), targets: arange(4) };
  const make = () => {
    const rng = new Rng(5);
    return new Dataset(samples)
      .map(transforms.pad(1))
      .map(transforms.randomCrop([3, 3], rng))
      .map(transforms.normalize(4, 2));
  };
  const [a, b] = [make(), make()];
  const epochs = [a, a].map((data) => [...data.batches(2)].map((batch) => batch.inputs.toArray()));
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect([b, b].map((data) => [...data.batches(2)].map((batch) => batch.inputs.toArray()))).toEqual(epochs);
});
