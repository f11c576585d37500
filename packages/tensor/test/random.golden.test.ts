// Draws against a second implementation, in Python on its own integers (fixtures/make_random.py): the same words, integers, uniforms
// and permutations to the bit, for seeds and derived streams; normals and exponentials to rounding.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Rng } from '../src/index.ts';

type Draws = Record<string, number[]>;
const recorded: Record<string, Draws> = JSON.parse(
  readFileSync(new URL('./fixtures/random.json', import.meta.url), 'utf8'),
);

const streams: Record<string, () => Rng> = {
  'seed 0': () => new Rng(0),
  'seed 20180101': () => new Rng(20180101),
  'seed 2^64 - 1': () => new Rng(2n ** 64n - 1n),
  'seed 7, foldIn 3': () => new Rng(7).foldIn(3),
  'seed 7, foldIn 2^40 + 1': () => new Rng(7).foldIn(2 ** 40 + 1),
  'seed 7, split, the second': () => new Rng(7).split(2)[1]!,
  'seed 7, foldIn 3, split, the first': () => new Rng(7).foldIn(3).split(1)[0]!,
};
const N = 40;
const weights = [0.5, 0, 3, 1.25, 0.125, 2];
const exact: Record<string, (rng: Rng) => ArrayLike<number>> = {
  words: (rng) => rng.uint32s(N),
  'uniform float32': (rng) => rng.uniform(N),
  'uniform float64': (rng) => rng.uniform(N, 0, 1, 'float64'),
  'uniform [-3, 5)': (rng) => rng.uniform(N, -3, 5),
  'integers [-5, 12)': (rng) => rng.integers(N, -5, 12),
  'integers, often redrawn': (rng) => rng.integers(N, -(2 ** 31), 2 ** 30 + 1),
  'bernoulli 0.3': (rng) => rng.bernoulli(N, 0.3),
  permutation: (rng) => rng.permutation(N),
  choice: (rng) => rng.choice(1000, N),
  'choice with replacement': (rng) => rng.choice(50, N, true),
  weighted: (rng) => rng.choice(6, N, true, weights),
  'weighted without replacement': (rng) => rng.choice(6, 5, false, weights),
};
const rounded: Record<string, (rng: Rng) => ArrayLike<number>> = {
  normal: (rng) => rng.normal(N, 0, 1, 'float64'),
  exponential: (rng) => rng.exponential(N, 2.5, 'float64'),
};

test.each(Object.keys(streams))('%s', (name) => {
  const kinds = recorded[name]!;
  expect(Object.keys({ ...exact, ...rounded }).sort()).toEqual(Object.keys(kinds).sort());
  for (const [kind, draw] of Object.entries(exact)) {
    expect(Array.from(draw(streams[name]!())), kind).toEqual(kinds[kind]);
  }
  for (const [kind, draw] of Object.entries(rounded)) {
    const found = Array.from(draw(streams[name]!()));
    // Each side is within about an ulp of the truth, and 0.5 - u loses none: 8 ulps of the larger.
    found.forEach((v, i) => {
      expect(Math.abs(v - kinds[kind]![i]!), kind).toBeLessThanOrEqual(8 * 2 ** -53 * Math.abs(v));
    });
  }
});

test('the streams are those of the file', () => {
  expect(Object.keys(streams)).toEqual(Object.keys(recorded));
});
