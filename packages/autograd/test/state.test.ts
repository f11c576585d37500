// Buffers, and what is saved of a module: its keys, the way through a file, and every way in which a state can fail to
// fit.

import {
  keep,
  ones,
  Rng,
  randn,
  readSafetensors,
  scope,
  type Tensor,
  tensor,
  writeSafetensors,
  zeros,
} from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModuleError, nn, StateError, type Variable, variable } from '../src/index.ts';

/** The mean of all batches so far is subtracted: a layer with a buffer. */
class Centre extends nn.Module {
  readonly scale: Variable;
  readonly runningMean: nn.Buffer;
  readonly numBatchesTracked = new nn.Buffer(tensor(0, { dtype: 'int32' }));
  constructor(features: number) {
    super();
    this.scale = variable(ones([features]), { requiresGrad: true });
    this.runningMean = new nn.Buffer(zeros([features]));
  }
  override forward(x: Variable): Variable {
    if (this.training) {
      const n = this.numBatchesTracked.value.add(1);
      const step = x.value.mean(0).sub(this.runningMean.value).div(n);
      this.runningMean.assign(this.runningMean.value.add(step));
      this.numBatchesTracked.assign(n);
    }
    return x.sub(this.runningMean).mul(this.scale);
  }
}

/** A module that holds whatever it is given. */
class Holder extends nn.Module {
  readonly held: unknown;
  constructor(held: unknown) {
    super();
    this.held = held;
  }
  override forward(x: Variable): Variable {
    return x;
  }
}

const linear = (inputs: number, outputs: number, seed = 0) => new nn.Linear(inputs, outputs, { rng: new Rng(seed) });
const network = (seed: number) =>
  new nn.Sequential(linear(3, 2, seed), new Centre(2), new nn.ReLU(), linear(2, 1, seed));
const arrays = (state: Record<string, Tensor>) =>
  Object.fromEntries(Object.entries(state).map(([key, value]) => [key, value.toArray()]));

/** The fields and message of the StateError that loading throws, having checked that the module is as it was. */
function refusal(
  module: nn.Module,
  state: Record<string, unknown>,
  options: { strict?: boolean } = {},
): { message: string; [field: string]: unknown } {
  const before = module.stateDict();
  let caught: unknown;
  try {
    module.loadStateDict(state as Record<string, Tensor>, options);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(StateError);
  for (const [key, value] of Object.entries(module.stateDict())) expect(value).toBe(before[key]);
  const { message, fields } = caught as StateError;
  return { message, ...fields };
}

describe('a buffer', () => {
  test('is named, is no parameter, and is a constant in ops', () => {
    const layer = new Centre(2);
    expect([...layer.namedParameters()].map(([path]) => path)).toEqual(['scale']);
    expect([...layer.namedBuffers()].map(([path]) => path)).toEqual(['runningMean', 'numBatchesTracked']);
    const y = layer.forward(
      variable(
        tensor([
          [1, 2],
          [3, 6],
        ]),
      ),
    );
    expect(y.value.toArray()).toEqual([
      [-1, -2],
      [1, 2],
    ]);
    y.sum().backward();
    expect(layer.runningMean.grad).toBeNull();
  });

  test('assigned in a scope outlives it', () => {
    const layer = new Centre(2);
    for (let i = 0; i < 3; i++)
      scope(() =>
        layer.forward(
          variable(
            tensor([
              [1, 2],
              [3, 6],
            ]),
          ),
        ),
      );
    expect(layer.runningMean.value.toArray()).toEqual([2, 4]);
    expect(layer.numBatchesTracked.item()).toBe(3);
    layer.eval();
    scope(() => layer.forward(variable(tensor([[100, 100]]))));
    expect(layer.runningMean.value.toArray()).toEqual([2, 4]);
  });

  test('keeps shape and dtype', () => {
    const { runningMean } = new Centre(2);
    expect(() => runningMean.assign(zeros([3]))).toThrow('the new value is [3], the variable [2]');
    expect(() => runningMean.assign(zeros([2], { dtype: 'float64' }))).toThrow('the new value is float64');
  });

  test('made in a scope is kept with its module', () => {
    const layer = scope(() => new Centre(2));
    expect(layer.runningMean.value.toArray()).toEqual([0, 0]);
  });
});

describe('keys', () => {
  test("are PyTorch's: places in a Sequential, snake_case for camelCase", () => {
    expect(Object.keys(network(0).stateDict())).toEqual([
      '0.weight',
      '0.bias',
      '1.scale',
      '1.running_mean',
      '1.num_batches_tracked',
      '3.weight',
      '3.bias',
    ]);
    const p = variable(ones([1]), { requiresGrad: true });
    expect(Object.keys(new Holder({ W: p }).stateDict())).toEqual(['held.W']);
    for (const [property, key] of [
      ['inProjWeight', 'in_proj_weight'],
      ['weightIH', 'weight_ih'],
      ['conv1Bn', 'conv1_bn'],
      ['already_snake', 'already_snake'],
      ['W', 'W'],
    ] as const) {
      expect(Object.keys(new Holder({ [property]: p }).stateDict())).toEqual([`held.${key}`]);
    }
  });

  test('that two members share are a mistake', () => {
    const p = () => variable(ones([1]), { requiresGrad: true });
    const module = new Holder({ runningMean: p(), running_mean: p() });
    expect(() => module.stateDict()).toThrow(ModuleError);
    expect(() => module.stateDict()).toThrow('two members are spelled held.running_mean');
  });

  test('reach into arrays and plain objects of any depth, and once round a ring', () => {
    const ring: Record<string, unknown> = { inner: [[linear(1, 1)], { deep: new Centre(1) }] };
    ring.self = ring;
    expect(Object.keys(new Holder(ring).stateDict())).toEqual([
      'held.inner.0.0.weight',
      'held.inner.0.0.bias',
      'held.inner.1.deep.scale',
      'held.inner.1.deep.running_mean',
      'held.inner.1.deep.num_batches_tracked',
    ]);
  });
});

describe('a state', () => {
  test('loaded into another module makes it compute the same; it is a snapshot', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (from, to) => {
        const [a, b] = [network(from), network(to)];
        const x = variable(randn([4, 3], new Rng(from)));
        a.forward(x);
        const state = a.stateDict();
        const expected = a.eval().forward(x).value.toArray();
        a.train().forward(variable(randn([4, 3], new Rng(to))));
        for (const p of a.parameters()) p.assign(p.value.add(1));
        expect(b.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
        expect(b.eval().forward(x).value.toArray()).toEqual(expected);
      }),
      { numRuns: 10 },
    );
  });

  test('goes through a safetensors file', () => {
    const [a, b] = [network(1), network(2)];
    a.forward(variable(randn([4, 3], new Rng(0))));
    b.loadStateDict(readSafetensors(writeSafetensors(a.stateDict())).tensors);
    expect(arrays(b.stateDict())).toEqual(arrays(a.stateDict()));
    expect(b.parameters().map((p) => [p.requiresGrad, p.node])).toEqual(b.parameters().map(() => [true, null]));
  });

  test('made or loaded in a scope outlives it', () => {
    const [a, b] = [network(1), network(2)];
    scope(() => b.loadStateDict(Object.fromEntries(Object.entries(a.stateDict()).map(([k, v]) => [k, v.copy()]))));
    expect(arrays(b.stateDict())).toEqual(arrays(a.stateDict()));
  });

  test('of another float dtype is cast; the dtype of the module stays', () => {
    const layer = linear(2, 1);
    layer.loadStateDict({
      weight: tensor([[0.1, 0.2]], { dtype: 'float64' }),
      bias: tensor([1], { dtype: 'float64' }),
    });
    expect(layer.weight.dtype).toBe('float32');
    expect(layer.weight.value.toArray()).toEqual([[Math.fround(0.1), Math.fround(0.2)]]);
  });

  test('stays on the device of the module', () => {
    const layer = linear(2, 1).to('reference');
    layer.loadStateDict(linear(2, 1, 5).stateDict());
    expect([layer.weight.value.device, layer.bias!.value.device]).toEqual(['reference', 'reference']);
    expect(arrays(layer.stateDict())).toEqual(arrays(linear(2, 1, 5).stateDict()));
  });
});

describe('a state that does not fit', () => {
  test('is refused with every key that is missing, left over or misshaped', () => {
    const { '0.weight': _, '3.bias': __, ...rest } = network(1).stateDict();
    const state = {
      ...rest,
      '1.scale': zeros([1, 2]),
      '1.running_mean': zeros([2], { dtype: 'int32' }),
      '1.num_batches_tracked': zeros([]),
      '3.weight': [[1, 2]],
      extra: zeros([1]),
      '9.weight': zeros([1]),
    };
    const { message, missing, unexpected, misfits } = refusal(network(0), state) as Record<string, unknown>;
    expect(missing).toEqual(['0.weight', '3.bias']);
    expect(unexpected).toEqual(['extra', '9.weight']);
    expect(misfits).toEqual([
      '1.scale is float32 [1,2], wanted float32 [2]',
      '1.running_mean is int32 [2], wanted float32 [2]',
      '1.num_batches_tracked is float32 [], wanted int32 []',
      '3.weight is no tensor',
    ]);
    expect(message).toBe(
      'loadStateDict: the state does not fit, so nothing was loaded\n' +
        '  missing: 0.weight, 3.bias\n  unexpected: extra, 9.weight\n' +
        `  misfits: ${(misfits as string[]).join(', ')}`,
    );
  });

  test('is loaded as far as it goes if not strict, and the rest is reported', () => {
    const [a, b] = [network(1), network(2)];
    const { '0.weight': _, ...rest } = a.stateDict();
    expect(b.loadStateDict({ ...rest, extra: zeros([1]) }, { strict: false })).toEqual({
      missing: ['0.weight'],
      unexpected: ['extra'],
    });
    expect(arrays(b.stateDict())).toEqual({
      ...arrays(a.stateDict()),
      '0.weight': network(2).stateDict()['0.weight']!.toArray(),
    });
    expect(refusal(b, { ...rest, '1.scale': zeros([3]) }, { strict: false }).misfits).toHaveLength(1);
  });

  test('is refused if it is none', () => {
    for (const none of [null, 7]) expect(refusal(linear(1, 1), none as never).message).toContain(`found ${none}`);
  });

  test('is refused if a scope has taken its values back', () => {
    let state: Record<string, Tensor> = {};
    scope(() => {
      state = { weight: zeros([1, 1]), bias: keep(zeros([1])) };
    });
    expect(refusal(linear(1, 1), state).misfits).toEqual(['weight was made in a scope that has ended']);
  });
});

describe('what is tied', () => {
  test('appears once, under its first name, and answers to all', () => {
    const shared = linear(2, 2);
    const p = variable(ones([3]), { requiresGrad: true });
    const make = () => new Holder({ a: [shared, new Holder(p)], b: { again: shared, p }, c: new Holder([shared]) });
    const module = make();
    const state = module.stateDict();
    expect(Object.keys(state)).toEqual(['held.b.p', 'held.a.0.weight', 'held.a.0.bias']);
    const renamed = {
      'held.a.1.held': state['held.b.p']!,
      'held.c.held.0.weight': zeros([2, 2]),
      'held.b.again.bias': ones([2]),
    };
    module.loadStateDict(renamed);
    expect(shared.weight.value.toArray()).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(shared.bias!.value.toArray()).toEqual([1, 1]);
  });

  test('may be given twice, as PyTorch does, if both agree', () => {
    const shared = linear(1, 1);
    const module = new nn.Sequential(shared, shared);
    const both = { '0.weight': ones([1, 1]), '0.bias': ones([1]), '1.weight': ones([1, 1]), '1.bias': ones([1]) };
    module.loadStateDict(both);
    expect(shared.weight.item()).toBe(1);
    expect(refusal(module, { ...both, '1.bias': zeros([1]) }).misfits).toEqual(['1.bias differs from 0.bias, its tie']);
    expect(refusal(module, { ...both, '0.bias': zeros([2]) }).misfits).toEqual([
      '0.bias is float32 [2], wanted float32 [1]',
    ]);
    const lost = { ...both, '0.bias': tensor([Number.NaN]), '1.bias': tensor([Number.NaN]) };
    expect(module.loadStateDict(lost)).toEqual({ missing: [], unexpected: [] });
  });

  test('round a ring is found', () => {
    const held: unknown[] = [linear(1, 1)];
    const ring = new Holder(held);
    held.push(ring);
    const { 'held.0.weight': weight, 'held.0.bias': bias } = ring.stateDict();
    ring.loadStateDict({ 'held.1.held.1.held.0.weight': weight!, 'held.1.held.0.bias': bias! });
    expect(Object.keys(ring.stateDict())).toEqual(['held.0.weight', 'held.0.bias']);
  });
});
