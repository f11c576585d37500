// Tensors of draws are what the generator draws, in shape, dtype and device; and what is refused leaves the generator where it was.

import { describe, expect, test } from 'vitest';
import {
  bernoulli,
  choice,
  devices,
  errors,
  exponential,
  RandomArgumentError,
  Rng,
  rand,
  randint,
  randn,
  randperm,
  type Tensor,
  type TensorOptions,
  tensor,
  truncatedNormal,
} from '../src/index.ts';
import { thrown } from './support/expect.ts';

const spec = (t: Tensor) => [t.dtype, t.shape, t.device];

describe.each(devices)('%s', (device) => {
  const wide = { device, dtype: 'float64' } as const;
  const seeded = () => new Rng(1);
  test.each<[string, (rng: Rng) => Tensor, (rng: Rng) => ArrayLike<number>, TensorOptions['dtype']]>([
    ['rand', (r) => rand([2, 3], r, { device }), (r) => r.uniform(6), 'float32'],
    ['rand', (r) => rand([2, 3], r, { ...wide, low: -1, high: 2 }), (r) => r.uniform(6, -1, 2, 'float64'), 'float64'],
    ['randn', (r) => randn([2, 3], r, { device }), (r) => r.normal(6), 'float32'],
    ['randn', (r) => randn([2, 3], r, { ...wide, mean: 5, std: 2 }), (r) => r.normal(6, 5, 2, 'float64'), 'float64'],
    ['truncatedNormal', (r) => truncatedNormal([2, 3], r, { device }), (r) => r.truncatedNormal(6), 'float32'],
    [
      'truncatedNormal',
      (r) => truncatedNormal([2, 3], r, { ...wide, mean: 1, std: 0.5 }),
      (r) => r.truncatedNormal(6, 1, 0.5, 0, 2, 'float64'),
      'float64',
    ],
    [
      'truncatedNormal',
      (r) => truncatedNormal([2, 3], r, { ...wide, low: 0.5, high: Infinity }),
      (r) => r.truncatedNormal(6, 0, 1, 0.5, Infinity, 'float64'),
      'float64',
    ],
    ['exponential', (r) => exponential([2, 3], r, { device }), (r) => r.exponential(6), 'float32'],
    [
      'exponential',
      (r) => exponential([2, 3], r, { ...wide, rate: 4 }),
      (r) => r.exponential(6, 4, 'float64'),
      'float64',
    ],
    ['randint', (r) => randint([2, 3], r, { device, high: 9 }), (r) => r.integers(6, 0, 9), 'int32'],
    ['randint', (r) => randint([2, 3], r, { ...wide, low: -4, high: 4 }), (r) => r.integers(6, -4, 4), 'float64'],
    ['bernoulli', (r) => bernoulli([2, 3], r, { device }), (r) => r.bernoulli(6, 0.5), 'bool'],
    ['bernoulli', (r) => bernoulli([2, 3], r, { ...wide, p: 0.2 }), (r) => r.bernoulli(6, 0.2), 'float64'],
    ['randperm', (r) => randperm(6, r, { device }), (r) => r.permutation(6), 'int32'],
    ['randperm', (r) => randperm(6, r, wide), (r) => r.permutation(6), 'float64'],
    ['choice', (r) => choice(20, 6, r, { device }), (r) => r.choice(20, 6), 'int32'],
    ['choice', (r) => choice(3, 6, r, { ...wide, replace: true }), (r) => r.choice(3, 6, true), 'float64'],
    [
      'choice',
      (r) => choice(7, 6, r, { device, weights: [1, 2, 3, 4, 5, 6, 7] }),
      (r) => r.choice(7, 6, false, Float32Array.of(1, 2, 3, 4, 5, 6, 7)),
      'int32',
    ],
  ])('%s is what the generator draws', (name, make, draw, dtype) => {
    const [a, b] = [seeded(), seeded()];
    const flat = name === 'randperm' || name === 'choice';
    const found = make(a);
    expect(spec(found)).toEqual([dtype, flat ? [6] : [2, 3], device]);
    expect(Array.from(found.dataSync())).toEqual(Array.from(draw(b)));
    expect(a.state).toEqual(b.state);
  });

  test('nothing, and one, may be drawn', () => {
    const rng = seeded();
    const none = { device };
    for (const empty of [
      rand([0], rng, none),
      randn([2, 0], rng, none),
      bernoulli([0], rng, none),
      randint([0], rng, { high: 1, device }),
    ])
      expect(empty.size).toBe(0);
    expect([randperm(0, rng, none).shape, choice(0, 0, rng, none).shape, rng.state.position]).toEqual([[0], [0], 0]);
    expect([rand([], rng, none).shape, exponential([], rng, none).shape, randperm(1, rng, none).toArray()]).toEqual([
      [],
      [],
      [0],
    ]);
  });

  test('a shape that changes afterwards is not theirs', () => {
    const shape = [2, 3];
    const drawn = rand(shape, seeded(), { device });
    shape[0] = 7;
    expect(drawn.shape).toEqual([2, 3]);
  });

  test('choice chooses rows', () => {
    const x = tensor(
      [
        [1, 1],
        [2, 2],
        [3, 3],
      ],
      { device },
    );
    const rows = choice(3, 2, seeded(), { device });
    expect(x.take(rows, 0).toArray()).toEqual(Array.from(rows.dataSync(), (i) => [i + 1, i + 1]));
  });

  type Refusal = [string, (rng: Rng) => unknown, new (...args: never[]) => Error, string];
  test.each<Refusal>([
    [
      'rand of integers',
      (r) => rand([1], r, { dtype: 'int32' }),
      errors.DTypeError,
      "rand: draws are floats; found dtype 'int32'",
    ],
    [
      'randn of truths',
      (r) => randn([1], r, { dtype: 'bool' }),
      errors.DTypeError,
      "randn: draws are floats; found dtype 'bool'",
    ],
    [
      'exponential integers',
      (r) => exponential([1], r, { dtype: 'int32' }),
      errors.DTypeError,
      "exponential: draws are floats; found dtype 'int32'",
    ],
    [
      'half a size',
      (r) => truncatedNormal([1.5], r),
      errors.ShapeError,
      'truncatedNormal: a size must be a non-negative integer, found 1.5 in [1.5]',
    ],
    [
      'no shape',
      (r) => randint(3 as unknown as number[], r, { high: 2 }),
      errors.ShapeError,
      'randint: a shape is an array of sizes, found 3; did you mean [3]?',
    ],
    [
      'no upper bound',
      (r) => randint([1], r, {} as { high: number }),
      RandomArgumentError,
      'Rng.integers: needs integers -2^31 <= low < high <= 2^31 (high is excluded), found low = 0, high = undefined',
    ],
    [
      'a probability of 2',
      (r) => bernoulli([1], r, { p: 2 }),
      RandomArgumentError,
      'Rng.bernoulli: the probability must be in [0, 1], found 2',
    ],
    [
      'more than there are',
      (r) => choice(3, 4, r),
      RandomArgumentError,
      'Rng.choice: cannot choose 4 of 3 without replacement; pass replace = true, or k <= 3',
    ],
    [
      'what there is no memory for',
      (r) => rand([1e12], r),
      RandomArgumentError,
      'Rng.uniform: no memory for 1000000000000 draws',
    ],
    [
      'choices that there is no memory for',
      (r) => choice(3, 1e12, r, { replace: true, weights: [1, 1, 2] }),
      RandomArgumentError,
      'Rng.choice: no memory for 1000000000000 draws',
    ],
    ...(['randint', 'bernoulli', 'randperm', 'choice'] as const).map((name): Refusal => {
      const dtype = 'int64' as TensorOptions['dtype'] & string;
      const calls = {
        randint: (r: Rng) => randint([3], r, { high: 6, dtype }),
        bernoulli: (r: Rng) => bernoulli([3], r, { dtype }),
        randperm: (r: Rng) => randperm(3, r, { dtype }),
        choice: (r: Rng) => choice(3, 2, r, { dtype }),
      };
      const message = "unknown dtype 'int64'; the dtypes are bool, int32, float32, float64";
      return [`${name} of a dtype that is none`, calls[name], errors.DTypeError, message];
    }),
    ...(['rand', 'randn', 'truncatedNormal', 'exponential'] as const).map((name): Refusal => {
      const draw = { rand, randn, truncatedNormal, exponential }[name];
      const call = (r: Rng) => draw([3], r, { device: 'gpu' });
      const message = "the gpu has not been started: await chooseDevice('gpu'), or 'auto', first";
      return [`${name} on a device that is not there`, call, errors.DeviceError, message];
    }),
    ...[undefined, 7].map(
      (rng): Refusal => [
        `${rng} in place of an Rng`,
        () => randperm(3, rng as unknown as Rng),
        errors.DataError,
        `randperm: draws from an Rng, found ${rng}; did you mean new Rng(seed)?`,
      ],
    ),
  ])('refuses %s, and draws nothing', (_, call, kind, message) => {
    const rng = seeded();
    const error = thrown(() => call(rng));
    expect(error.message).toBe(message);
    expect(error).toBeInstanceOf(kind);
    expect(rng.state).toEqual(seeded().state);
  });
});
