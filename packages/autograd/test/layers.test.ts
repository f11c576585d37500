// Layers against values worked out by hand in PyTorch's layout, and the statistics of their initial weights.

import { Rng, randn, scope, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradientsOf, ModuleError, nn, type Variable, variable } from '../src/index.ts';

const bytes = (t: Tensor) => Buffer.from(t.dataSync().buffer).toString('hex');

const moments = (t: Tensor) => ({
  mean: t.mean().item() as number,
  variance: t.var().item() as number,
  most: t.abs().max().item() as number,
});

/** A large sample that should be uniform on +-bound: mean and variance within 5 standard errors, and the bound nearly met. */
function expectUniform(sample: Tensor, bound: number): void {
  const { mean, variance, most } = moments(sample.cast('float64'));
  const expected = bound ** 2 / 3;
  expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(expected / sample.size));
  // Of u uniform on +-1 the variance of u^2 is 4/45, so that of the sample variance is 4/5 of its square, over n.
  expect(Math.abs(variance - expected)).toBeLessThan(5 * expected * Math.sqrt(0.8 / sample.size));
  expect(most).toBeLessThanOrEqual(Math.fround(bound));
  expect(most).toBeGreaterThan(bound * (1 - 20 / sample.size));
}

describe('Linear', () => {
  const layer = new nn.Linear(3, 2, { rng: new Rng(0), dtype: 'float64' });
  const W = [
    [1, 2, 3],
    [4, 5, 6],
  ];
  layer.weight.assign(tensor(W, { dtype: 'float64' }));
  layer.bias!.assign(tensor([0.5, -0.5], { dtype: 'float64' }));
  const x = variable(
    tensor(
      [
        [1, 0, -1],
        [2, 1, 0],
      ],
      { dtype: 'float64' },
    ),
  );

  test("is x W' + b", () => {
    expect(layer.forward(x).value.toArray()).toEqual([
      [-1.5, -2.5],
      [4.5, 12.5],
    ]);
    expect(layer.forward(x.slice(1)).value.toArray()).toEqual([4.5, 12.5]);
    expect(layer.forward(x.unsqueeze(1)).shape).toEqual([2, 1, 2]);
  });

  // What is on record of trainings was computed so, and other backends' kernels are held to it.
  test("has the bits of its steps by hand, gradients included, for a vector and for a matrix's rows", () => {
    const sizes = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 30 }), fc.boolean(), fc.nat(99));
    fc.assert(
      fc.property(sizes, fc.constantFrom(1, 3, 40, 512, 530), ([m, n, bias, seed], k) => {
        scope(() => {
          const rng = new Rng(seed);
          const linear = new nn.Linear(k, n, { rng, bias });
          const input = randn(m === 0 ? [k] : [m, k], rng);
          const run = (f: (x: Variable) => Variable): Tensor[] => {
            const x = variable(input, { requiresGrad: true });
            const y = f(x);
            const seeds = randn(y.shape, new Rng(seed + 1));
            return [y.value, ...gradientsOf(y, [x, ...linear.parameters()], { seed: seeds }).map((g) => g.value)];
          };
          const byHand = run((x) => {
            const product = x.matmul(linear.weight.transpose());
            return bias ? product.add(linear.bias!) : product;
          });
          const found = run((x) => linear.forward(x));
          expect(found.map(bytes)).toEqual(byHand.map(bytes));
          expect(found.map((t) => t.shape)).toEqual(byHand.map((t) => t.shape));
        });
      }),
      { numRuns: 60 },
    );
  });

  test('is one step of the tape', () => {
    expect(layer.forward(variable(x.value, { requiresGrad: true })).node).toMatchObject({ op: 'linear' });
  });

  test('has the gradients of its weights', () => {
    layer.zeroGrad();
    layer
      .forward(x)
      .mul(tensor([1, 10]))
      .sum()
      .backward();
    // Each row of the weight gets its weight in the sum times the sum of the samples.
    expect(layer.weight.grad!.value.toArray()).toEqual([
      [3, 1, -1],
      [30, 10, -10],
    ]);
    expect(layer.bias!.grad!.value.toArray()).toEqual([2, 20]);
  });

  test('without bias is a product', () => {
    const plain = new nn.Linear(3, 2, { rng: new Rng(0), bias: false, dtype: 'float64' });
    expect(plain.bias).toBeNull();
    plain.weight.assign(tensor(W, { dtype: 'float64' }));
    expect(plain.forward(x).value.toArray()).toEqual([
      [-2, -2],
      [4, 13],
    ]);
  });

  test('refuses what does not fit', () => {
    expect(() => layer.forward(x.transpose())).toThrow(ModuleError);
    expect(() => layer.forward(x.transpose())).toThrow('Linear(3, 2): the input [3,2] must end in 3');
    expect(() => layer.forward(variable(tensor(1)))).toThrow('the input [] must end in 3');
    for (const [inputs, outputs] of [
      [0, 1],
      [1, -1],
      [1.5, 1],
      [1, Number.NaN],
    ] as const) {
      expect(() => new nn.Linear(inputs, outputs, { rng: new Rng(0) })).toThrow(ModuleError);
    }
  });

  test('as every layer that draws, wants a generator', () => {
    const layers: Record<string, (options: never) => nn.Module> = {
      Linear: (options) => new nn.Linear(2, 3, options),
      Conv2d: (options) => new nn.Conv2d(2, 3, 1, options),
      ConvTranspose1d: (options) => new nn.ConvTranspose1d(2, 3, 1, options),
      Embedding: (options) => new nn.Embedding(2, 3, options),
      Dropout: (options) => new nn.Dropout(0.5, options),
      ResidualBlock: (options) => new nn.ResidualBlock(2, 3, options),
      ResNet18: (options) => new nn.ResNet18(2, options),
    };
    for (const [name, make] of Object.entries(layers)) {
      for (const options of [undefined, null, {}, { rng: 0 }]) {
        expect(() => make(options as never)).toThrow(ModuleError);
        expect(() => make(options as never)).toThrow(`${name}: draws by a generator, { rng: new Rng(seed) }; found `);
      }
    }
    expect(() => new nn.MLP([2, 3], undefined as never)).toThrow(ModuleError);
  });
});

describe('initial weights', () => {
  test("of Linear are PyTorch's: weight and bias uniform on +-1/sqrt(in)", () => {
    const { weight, bias } = new nn.Linear(16, 4000, { rng: new Rng(1) });
    expectUniform(weight.value, 1 / 4);
    expectUniform(bias!.value, 1 / 4);
  });

  test("with 'xavier' are the GEM paper's: weight on +-sqrt(6 / (in + out)), bias 0", () => {
    const { weight, bias } = new nn.Linear(100, 200, { rng: new Rng(1), init: 'xavier' });
    expectUniform(weight.value, Math.sqrt(6 / 300));
    expect(bias!.value.abs().max().item()).toBe(0);
  });

  test('of a convolution count its window', () => {
    const shape = [40, 20, 3, 3];
    expectUniform(nn.init.xavierUniform(shape, new Rng(2)), Math.sqrt(6 / (60 * 9)));
    expectUniform(nn.init.kaimingUniform(shape, new Rng(2)), Math.sqrt(6 / (20 * 9)));
    expectUniform(nn.init.kaimingUniform(shape, new Rng(2), { dtype: 'float64', gain: 1 }), Math.sqrt(3 / (20 * 9)));
  });

  test('want a weight', () => {
    expect(() => nn.init.xavierUniform([3], new Rng(0))).toThrow(ModuleError);
    expect(() => nn.init.kaimingUniform([], new Rng(0))).toThrow('a weight has at least two axes [out, in], found []');
  });

  test('are a function of the generator alone, in the dtype asked for', () => {
    const make = (seed: number) => new nn.Linear(2, 3, { rng: new Rng(seed), dtype: 'float64' }).weight.value;
    expect(make(5).toArray()).toEqual(make(5).toArray());
    expect(make(5).toArray()).not.toEqual(make(6).toArray());
    expect(make(5).dtype).toBe('float64');
  });
});

describe('MLP', () => {
  test('alternates Linear and ReLU, and ends in Linear', () => {
    const mlp = new nn.MLP([4, 3, 3, 2], { rng: new Rng(0) });
    expect(mlp.layers.map((layer) => layer.constructor.name)).toEqual(['Linear', 'ReLU', 'Linear', 'ReLU', 'Linear']);
    // All logits of inputs that no hidden unit passes on are the last bias.
    const last = mlp.layers[4] as nn.Linear;
    for (const layer of mlp.layers) if (layer instanceof nn.Linear) layer.weight.assign(layer.weight.value.mul(0));
    expect(mlp.forward(variable(tensor([[1, 2, 3, 4]]))).value.toArray()).toEqual([last.bias!.value.toArray()]);
  });

  test('flattens each sample', () => {
    const mlp = new nn.MLP([6, 2], { rng: new Rng(0) });
    const images = variable(tensor(new Float32Array(24), { shape: [4, 2, 3] }));
    expect(mlp.forward(images).shape).toEqual([4, 2]);
    expect(mlp.forward(images.flatten(1)).shape).toEqual([4, 2]);
    expect(() => mlp.forward(images.flatten(0, 1).unsqueeze(0))).toThrow('the input [1,24] must end in 6');
  });

  test('wants at least two sizes', () => {
    expect(() => new nn.MLP([4], { rng: new Rng(0) })).toThrow(ModuleError);
    expect(() => new nn.MLP([], { rng: new Rng(0) })).toThrow('found []');
    for (const sizes of [undefined, 2])
      expect(() => new nn.MLP(sizes as never, { rng: new Rng(0) })).toThrow(ModuleError);
  });
});

test('Sequential with nothing in it is the identity', () => {
  const x = variable(tensor([1, 2]));
  expect(new nn.Sequential().forward(x)).toBe(x);
});
