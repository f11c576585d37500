// What PyTorch's numbers (spatial-torch.test.ts) do not say of the layers: how their weights start, training and evaluation,
// chance, scopes, and what they refuse.

import { errors, ones, Rng, randn, scope, type Tensor, tensor, zeros } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { losses, ModuleError, nn, optim, variable } from '../src/index.ts';

const rng = () => new Rng(0);
const draw = (shape: readonly number[], seed = 1) => variable(randn(shape, new Rng(seed), { dtype: 'float64' }));
const largest = (t: Tensor) => t.abs().max().item() as number;

describe('initial weights', () => {
  test("of convolutions are PyTorch's: uniform on +-1/sqrt(fan_in), the bias too", () => {
    const starts: [layer: nn.Conv2d | nn.ConvTranspose2d, shape: readonly number[], fanIn: number, outputs: number][] =
      [
        [new nn.Conv2d(8, 100, 3, { rng: rng() }), [100, 8, 3, 3], 72, 100],
        [new nn.Conv2d(8, 100, [3, 2], { rng: rng(), groups: 2 }), [100, 4, 3, 2], 24, 100],
        // As in PyTorch, what counts is the second axis of the weight, whichever way the layer goes.
        [new nn.ConvTranspose2d(100, 8, 3, { rng: rng(), groups: 2 }), [100, 4, 3, 3], 36, 8],
      ];
    for (const [{ weight, bias }, shape, fanIn, outputs] of starts) {
      const bound = 1 / Math.sqrt(fanIn);
      expect(weight.shape).toEqual(shape);
      const w = weight.value.cast('float64');
      expect(largest(w)).toBeLessThanOrEqual(Math.fround(bound));
      expect(largest(w)).toBeGreaterThan(bound * 0.99);
      // Within 5 standard errors of a uniform's moments.
      expect(Math.abs(w.mean().item() as number)).toBeLessThan(5 * bound * Math.sqrt(1 / 3 / w.size));
      expect(Math.abs((w.var().item() as number) / (bound ** 2 / 3) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / w.size));
      expect(largest(bias!.value)).toBeLessThanOrEqual(Math.fround(bound));
      expect(bias!.shape).toEqual([outputs]);
    }
  });

  test('are a function of the generator alone, in the dtype asked for', () => {
    const make = (seed: number) => new nn.Conv1d(2, 3, 2, { rng: new Rng(seed), dtype: 'float64' }).weight.value;
    expect(make(5).toArray()).toEqual(make(5).toArray());
    expect(make(5).toArray()).not.toEqual(make(6).toArray());
    expect(make(5).dtype).toBe('float64');
    expect(new nn.Embedding(3, 2, { rng: rng(), dtype: 'float64' }).weight.dtype).toBe('float64');
    expect(new nn.LayerNorm(3, { dtype: 'float64' }).weight!.dtype).toBe('float64');
  });

  test('of normalisations are 1 and 0, of embeddings standard normal, with 0 for padding', () => {
    const norm = new nn.BatchNorm2d(3);
    const values = Object.entries(norm.stateDict()).map(([key, t]) => [key, t.toArray()]);
    expect(values).toEqual([
      ['weight', [1, 1, 1]],
      ['bias', [0, 0, 0]],
      ['running_mean', [0, 0, 0]],
      ['running_var', [1, 1, 1]],
      ['num_batches_tracked', 0],
    ]);
    const { weight } = new nn.Embedding(500, 4, { rng: rng(), paddingIndex: 7 });
    expect(weight.value.slice(7).toArray()).toEqual([0, 0, 0, 0]);
    expect(Math.abs((weight.value.var().item() as number) - 1)).toBeLessThan(0.2);
  });
});

describe('batch norm', () => {
  const x = draw([4, 3, 2, 2]);

  test('moves its averages in training only, and normalises by them in evaluation only', () => {
    const layer = new nn.BatchNorm2d(3, { dtype: 'float64' });
    const before = layer.stateDict();
    layer.eval().forward(x);
    expect(layer.stateDict()).toEqual(before);
    const { mean, variance } = x.value.batchStatistics();
    const y = layer.train().forward(x);
    expect(largest(y.value.batchStatistics().mean)).toBeLessThan(1e-14);
    expect(largest(layer.runningMean!.value.sub(mean.mul(0.1)))).toBeLessThan(1e-15);
    expect(largest(layer.runningVar!.value.sub(variance.mul((0.1 * 16) / 15).add(0.9)))).toBeLessThan(1e-14);
    expect(layer.numBatchesTracked!.item()).toBe(1);
    const running = x.batchNorm(layer.runningMean!, layer.runningVar!).value;
    expect(layer.eval().forward(x).value.toArray()).toEqual(running.toArray());
  });

  test('its averages outlive the scope of a step, and take no part in a gradient', () => {
    const layer = new nn.BatchNorm2d(3, { dtype: 'float64' });
    for (let i = 0; i < 3; i++) {
      scope(() => {
        layer.zeroGrad();
        layer.forward(x).square().sum().backward();
      });
    }
    expect(layer.runningMean!.value.isFinite().all().item()).toBe(true);
    expect([layer.runningMean!.node, layer.runningMean!.requiresGrad]).toEqual([null, false]);
    expect(layer.parameters()).toHaveLength(2);
  });

  test('a state goes from one to another', () => {
    const [a, b] = [new nn.BatchNorm1d(3), new nn.BatchNorm1d(3)];
    a.forward(draw([5, 3]).cast('float32'));
    b.loadStateDict(a.stateDict());
    const probe = draw([2, 3], 9).cast('float32');
    expect(b.eval().forward(probe).value.toArray()).toEqual(a.eval().forward(probe).value.toArray());
    expect(b.numBatchesTracked!.item()).toBe(1);
  });

  test('what it refuses, it refuses unchanged', () => {
    const layer = new nn.BatchNorm1d(3);
    const refuse = (shape: readonly number[], message: string) => {
      expect(() => layer.forward(variable(zeros(shape)))).toThrow(ModuleError);
      expect(() => layer.forward(variable(zeros(shape)))).toThrow(message);
    };
    refuse([2, 4], 'BatchNorm1d(3): wants 2 or 3 axes, of which the second has 3; found [2,4]');
    refuse([2, 3, 4, 4], 'found [2,3,4,4]');
    refuse(
      [1, 3],
      'BatchNorm1d: training needs more than one value for each channel, found [1,3]; did you mean eval()?',
    );
    refuse([0, 3], 'found [0,3]');
    expect(layer.numBatchesTracked!.item()).toBe(0);
    // Statistics that cannot be averaged with those that are there, and numbers that the weight does not scale.
    const plain = new nn.BatchNorm1d(3, { affine: false });
    expect(() => plain.forward(variable(ones([4, 3]).to('reference')))).toThrow(errors.DeviceError);
    layer.weight!.assign(ones([3]).to('reference'));
    expect(() => layer.forward(variable(ones([4, 3])))).toThrow(errors.DeviceError);
    layer.weight!.assign(ones([3]));
    for (const { runningMean, runningVar, numBatchesTracked } of [plain, layer]) {
      const now = [runningMean, runningVar, numBatchesTracked].map((buffer) => buffer!.value.toArray());
      expect(now).toEqual([[0, 0, 0], [1, 1, 1], 0]);
    }
    expect(layer.eval().forward(variable(zeros([1, 3]))).shape).toEqual([1, 3]);
    for (const features of [0, 1.5, -1]) expect(() => new nn.BatchNorm2d(features)).toThrow(ModuleError);
  });
});

describe('dropout', () => {
  const x = variable(ones([100, 200]), { requiresGrad: true });

  test('drops with probability p, and keeps the expectation', () => {
    for (const p of [0.1, 0.5, 0.9]) {
      const y = new nn.Dropout(p, { rng: rng() }).forward(x).value;
      const kept = y.ne(0).cast('float64').mean().item() as number;
      expect(Math.abs(kept - (1 - p))).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / x.size));
      expect(y.max().item()).toBe(Math.fround(1 / (1 - p)));
    }
  });

  test('is drawn anew at each call, the same for the same generator, and nothing in evaluation', () => {
    const [a, b] = [new nn.Dropout(0.5, { rng: rng() }), new nn.Dropout(0.5, { rng: rng() })];
    const [first, second] = [a.forward(x).value.toArray(), a.forward(x).value.toArray()];
    expect(first).not.toEqual(second);
    expect([b.forward(x).value.toArray(), b.forward(x).value.toArray()]).toEqual([first, second]);
    expect(a.eval().forward(x)).toBe(x);
    expect(new nn.Dropout(0, { rng: rng() }).forward(x)).toBe(x);
  });

  test('its gradient is its mask; all may go', () => {
    const layer = new nn.Dropout(0.5, { rng: rng() });
    x.grad = null;
    const y = layer.forward(x);
    y.sum().backward();
    expect(x.grad!.value.toArray()).toEqual(y.value.toArray());
    x.grad = null;
    const none = new nn.Dropout(1, { rng: rng() }).forward(x);
    none.sum().backward();
    expect([largest(none.value), largest(x.grad!.value)]).toEqual([0, 0]);
    const unbounded = variable(tensor([Infinity, Number.NaN]));
    expect(new nn.Dropout(1, { rng: rng() }).forward(unbounded).value.toArray()).toEqual([0, 0]);
  });

  test('of channels drops them whole', () => {
    const y = new nn.ChannelDropout(0.5, { rng: rng() }).forward(variable(ones([20, 10, 3, 3]))).value;
    const counts = new Set(y.ne(0).sum([2, 3]).dataSync());
    expect([...counts].sort()).toEqual([0, 9]);
    expect(() => new nn.ChannelDropout(0.5, { rng: rng() }).forward(variable(ones([3])))).toThrow(
      'ChannelDropout: wants [N, C, ...], found [3]',
    );
  });

  test('wants a probability', () => {
    for (const p of [-0.1, 1.1, Number.NaN]) expect(() => new nn.Dropout(p, { rng: rng() })).toThrow(ModuleError);
  });
});

describe('embedding', () => {
  test('looks rows up, and their gradients add up', () => {
    const table = new nn.Embedding(3, 2, { rng: rng(), dtype: 'float64' });
    table.weight.assign(
      tensor(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        { dtype: 'float64' },
      ),
    );
    const index = variable(
      tensor(
        [
          [2, 0],
          [2, 2],
        ],
        { dtype: 'int32' },
      ),
    );
    const y = table.forward(index);
    expect(y.value.toArray()).toEqual([
      [
        [5, 6],
        [1, 2],
      ],
      [
        [5, 6],
        [5, 6],
      ],
    ]);
    y.sum().backward();
    expect(table.weight.grad!.value.toArray()).toEqual([
      [1, 1],
      [0, 0],
      [3, 3],
    ]);
    expect(table.forward(variable(tensor(1, { dtype: 'int32' }))).value.toArray()).toEqual([3, 4]);
    expect(table.forward(variable(tensor(-1, { dtype: 'int32' }))).value.toArray()).toEqual([5, 6]);
    expect(table.forward(variable(zeros([0, 5], { dtype: 'int32' }))).shape).toEqual([0, 5, 2]);
  });

  test('padding gets no gradient, whichever way its index is written', () => {
    const table = new nn.Embedding(3, 2, { rng: rng(), paddingIndex: 2 });
    table
      .forward(variable(tensor([2, -1, 0], { dtype: 'int32' })))
      .sum()
      .backward();
    expect(table.weight.grad!.value.toArray()).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
  });

  test('refuses what does not fit', () => {
    const table = new nn.Embedding(3, 2, { rng: rng() });
    expect(() => table.forward(variable(tensor([1])))).toThrow('Embedding: indices are int32, found float32 [1]');
    expect(() => table.forward(variable(tensor([3], { dtype: 'int32' })))).toThrow('out of range for axis 0 of [3,2]');
    expect(() => new nn.Embedding(0, 2, { rng: rng() })).toThrow(ModuleError);
    expect(() => new nn.Embedding(3, 2, { rng: rng(), paddingIndex: 3 })).toThrow('found 3, 2, paddingIndex 3');
  });
});

test('constructors refuse what cannot be', () => {
  const conv = (channels: [number, number], kernel: number | number[], groups = 1) =>
    new nn.Conv2d(...channels, kernel, { rng: rng(), groups });
  expect(() => conv([3, 4], 3, 2)).toThrow(
    'Conv2d: wants positive integers, groups that divide the channels, and a kernel of 2 sizes; found channels 4 and 3, ' +
      'groups 2, kernel [3,3]',
  );
  for (const make of [
    () => conv([0, 4], 3),
    () => conv([3, 4], [3]),
    () => conv([3, 4], 0),
    () => conv([3, 4], 3, 0),
  ]) {
    expect(make).toThrow(ModuleError);
  }
  expect(() => new nn.GroupNorm(2, 3)).toThrow('GroupNorm: 2 groups do not divide 3 channels');
  expect(() => new nn.LayerNorm([3, 0])).toThrow('LayerNorm: sizes must be positive integers, found [3,0]');
});

test('RMSNorm has a weight and no bias', () => {
  const layer = new nn.RMSNorm(4, { dtype: 'float64' });
  const x = draw([3, 4]);
  expect(layer.forward(x).value.toArray()).toEqual(x.rmsNorm(4).value.toArray());
  expect([...layer.namedParameters()].map(([path]) => path)).toEqual(['weight']);
});

describe('ResNet18', () => {
  test('of the paper: 20 base filters, 1,109,240 weights for 100 classes, in PyTorch names', () => {
    const model = new nn.ResNet18(100, { rng: rng() });
    // GEM's ResNet18(100): counted in PyTorch.
    expect(model.parameters().reduce((n, p) => n + p.size, 0)).toBe(1_109_240);
    const keys = Object.keys(model.stateDict());
    for (const key of [
      'conv1.weight',
      'layer1.0.bn2.running_var',
      'layer2.0.shortcut.1.num_batches_tracked',
      'linear.bias',
    ]) {
      expect(keys).toContain(key);
    }
  });

  test('halves the image three times; a block without a shortcut adds its input', () => {
    const model = new nn.ResNet18(4, { rng: rng(), filters: 1, channels: 1 });
    const y = model.layer4.forward(model.layer3.forward(model.layer2.forward(variable(randn([2, 1, 16, 12], rng())))));
    expect(y.shape).toEqual([2, 8, 2, 2]);
    expect(model.forward(variable(randn([2, 1, 16, 12], rng()))).shape).toEqual([2, 4]);
    const block = new nn.ResidualBlock(2, 2, { rng: rng(), dtype: 'float64' });
    block.bn2.weight!.assign(zeros([2], { dtype: 'float64' }));
    const x = draw([1, 2, 3, 3]);
    expect(block.forward(x).value.toArray()).toEqual(x.relu().value.toArray());
  });
});

test('a small network of them learns six images by heart', () => {
  const random = rng();
  const model = new nn.Sequential(
    new nn.Conv2d(1, 8, 3, { rng: random, padding: 'same', bias: false }),
    new nn.BatchNorm2d(8),
    new nn.GELU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Dropout(0.1, { rng: random }),
    new nn.Linear(32, 3, { rng: random }),
  );
  const images = variable(randn([6, 1, 4, 4], random));
  const labels = tensor([0, 1, 2, 2, 1, 0], { dtype: 'int32' });
  const optimizer = new optim.Adam(model.parameters(), { lr: 0.02 });
  for (let i = 0; i < 60; i++) {
    scope(() => {
      optimizer.zeroGrad();
      losses.crossEntropy(model.forward(images), labels).backward();
      optimizer.step();
    });
  }
  expect(model.eval().forward(images).value.argmax(1).toArray()).toEqual([0, 1, 2, 2, 1, 0]);
});
