// Initial weights: each is its distribution's formula to the last bit, for every shape; the moments follow.

import { Rng, rand, randn, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModuleError, nn } from '../src/index.ts';

const { init } = nn;
const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 });
const dtypes = fc.constantFrom('float32' as const, 'float64' as const);

describe('is the formula of its fans', () => {
  test.each(['uniform', 'normal'] as const)('%s', (kind) => {
    fc.assert(
      fc.property(shapes, fc.nat(), dtypes, fc.constantFrom(undefined, 1, 0.5, 5 / 3), (shape, seed, dtype, gain) => {
        const [out, inputs, ...window] = shape as [number, number, ...number[]];
        const area = window.reduce((a, b) => a * b, 1);
        const drawn = (std: number): unknown => {
          const bound = Math.sqrt(3) * std;
          const rng = new Rng(seed);
          const plain =
            kind === 'uniform'
              ? rand(shape, rng, { low: -bound, high: bound, dtype })
              : randn(shape, rng, { std, dtype });
          return [dtype, plain.toArray()];
        };
        const options = { dtype, ...(gain !== undefined && { gain }) };
        const xavier = kind === 'uniform' ? init.xavierUniform : init.xavierNormal;
        const kaiming = kind === 'uniform' ? init.kaimingUniform : init.kaimingNormal;
        const of = (x: Tensor) => [x.dtype, x.toArray()];
        expect(of(xavier(shape, new Rng(seed), options))).toEqual(
          drawn((gain ?? 1) * Math.sqrt(2 / (area * out + area * inputs))),
        );
        const g = gain ?? Math.SQRT2;
        expect(of(kaiming(shape, new Rng(seed), options))).toEqual(drawn(g / Math.sqrt(inputs * area)));
        expect(of(kaiming(shape, new Rng(seed), { ...options, mode: 'fanOut' }))).toEqual(
          drawn(g / Math.sqrt(out * area)),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('keeps the variance of what passes through', () => {
    const x = randn([200, 400], new Rng(1), { dtype: 'float64' });
    const w = init.kaimingNormal([500, 400], new Rng(2), { dtype: 'float64' });
    const power = (t: Tensor) => t.square().mean().item() as number;
    expect(power(x.matmul(w.transpose()).relu()) / power(x)).toBeCloseTo(1, 1);
    const v = init.xavierNormal([400, 400], new Rng(3), { dtype: 'float64' });
    expect(power(x.matmul(v.transpose())) / power(x)).toBeCloseTo(1, 1);
  });
});

test('the gains are those of PyTorch', () => {
  expect(init.gain('linear')).toBe(1);
  expect(init.gain('sigmoid')).toBe(1);
  expect(init.gain('tanh')).toBe(5 / 3);
  expect(init.gain('relu')).toBe(Math.sqrt(2));
  expect(init.gain('selu')).toBe(0.75);
  expect(init.gain('leakyRelu')).toBe(Math.sqrt(2 / (1 + 1e-4)));
  expect(init.gain('leakyRelu', 0.2)).toBe(Math.sqrt(2 / 1.04));
});

describe('truncatedNormal', () => {
  test('is the generator with two std to each side', () => {
    const drawn = init.truncatedNormal([3, 4], new Rng(5), { mean: 1, std: 0.02 });
    const plain = new Rng(5).truncatedNormal(12, 1, 0.02, 1 - 0.04, 1 + 0.04);
    expect(drawn.toArray()).toEqual(tensor(plain, { shape: [3, 4] }).toArray());
  });

  test('keeps its bounds', () => {
    const options = { std: 3, low: -0.5, high: 1, dtype: 'float64' as const };
    const drawn = init.truncatedNormal([2000], new Rng(5), options);
    expect(drawn.min().item()).toBeGreaterThan(-0.5);
    expect(drawn.max().item()).toBeLessThan(1);
    expect(Math.abs((drawn.mean().item() as number) - 0.25)).toBeLessThan(0.05);
  });
});

describe('orthogonal', () => {
  const gram = (w: Tensor): Tensor => {
    const matrix = w.flatten(1);
    return matrix.shape[0]! <= matrix.shape[1]! ? matrix.matmul(matrix.transpose()) : matrix.transpose().matmul(matrix);
  };
  const awayFromEye = (g: Tensor, scale: number): number => {
    const n = g.shape[0]!;
    const eye = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => (i === j ? scale : 0)));
    return g
      .sub(tensor(eye, { dtype: 'float64' }))
      .abs()
      .max()
      .item() as number;
  };

  test('has orthonormal rows or columns, times the gain, to rounding', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.constantFrom(1, 2), (shape, seed, gain) => {
        const w = init.orthogonal(shape, new Rng(seed), { dtype: 'float64', gain });
        expect(w.shape).toEqual(shape);
        expect(awayFromEye(gram(w), gain * gain)).toBeLessThan(1e-14 * gain * gain);
      }),
      { numRuns: 60 },
    );
    expect(awayFromEye(gram(init.orthogonal([120, 120], new Rng(0), { dtype: 'float64' })), 1)).toBeLessThan(1e-14);
    expect(init.orthogonal([3, 2], new Rng(0)).dtype).toBe('float32');
  });

  test('draws every direction alike: a rotation of the whole sphere has mean 0 and variance 1/n in each entry', () => {
    const draws = Array.from({ length: 2000 }, (_, seed) =>
      init.orthogonal([2, 2], new Rng(seed), { dtype: 'float64' }).toArray(),
    ) as number[][][];
    const n = draws.length;
    for (const [i, j] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const entries = draws.map((w) => w[i]![j]!);
      expect(Math.abs(entries.reduce((a, b) => a + b) / n)).toBeLessThan(5 * Math.sqrt(0.5 / n));
      // The square of an entry of a random rotation of the plane is cos^2: mean 1/2, variance 1/8.
      expect(Math.abs(entries.reduce((a, b) => a + b * b, 0) / n - 0.5)).toBeLessThan(5 * Math.sqrt(0.125 / n));
    }
    const rotations = draws.filter((w) => w[0]![0]! * w[1]![1]! > w[0]![1]! * w[1]![0]!).length;
    expect(Math.abs(rotations / n - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / n));
  });
});

test('a weight has at least two axes', () => {
  const inits = [init.xavierUniform, init.xavierNormal, init.kaimingUniform, init.kaimingNormal, init.orthogonal];
  for (const make of inits) {
    expect(() => make([3], new Rng(0))).toThrow(ModuleError);
    expect(() => make([], new Rng(0))).toThrow('a weight has at least two axes [out, in], found []');
  }
});
