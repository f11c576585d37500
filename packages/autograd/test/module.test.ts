// How modules find their parameters: names, order, sharing, mistakes.

import { ones, Rng, tensor, zeros } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { ModuleError, nn, type Variable, variable } from '../src/index.ts';

const parameter = () => variable(ones([1]), { requiresGrad: true });

class Block extends nn.Module {
  readonly first = parameter();
  readonly inner: nn.Module;
  readonly last = parameter();
  constructor(inner: nn.Module) {
    super();
    this.inner = inner;
  }
  override forward(x: Variable): Variable {
    return this.inner.forward(x).mul(this.first).mul(this.last);
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

const linear = (inputs: number, outputs: number) => new nn.Linear(inputs, outputs, { rng: new Rng(0) });
/** The names of the parameters. Without them they come in the same order. */
const names = (module: nn.Module) => {
  const named = [...module.namedParameters()];
  const unnamed = module.parameters();
  expect(unnamed.length).toBe(named.length);
  named.forEach(([, p], i) => {
    expect(unnamed[i]).toBe(p);
  });
  return named.map(([name]) => name);
};

describe('parameters', () => {
  test('of a model are named by their path, own ones first, then depth first', () => {
    const model = new nn.Sequential(new Block(linear(2, 3)), new nn.ReLU(), linear(3, 1));
    expect(names(model)).toEqual(['0.first', '0.last', '0.inner.weight', '0.inner.bias', '2.weight', '2.bias']);
    expect(model.parameters()).toEqual([...model.namedParameters()].map(([, p]) => p));
  });

  test('of an MLP', () => {
    const mlp = new nn.MLP([4, 3, 2], { rng: new Rng(0) });
    expect([...mlp.namedParameters()].map(([name, p]) => [name, ...p.shape])).toEqual([
      ['0.weight', 3, 4],
      ['0.bias', 3],
      ['2.weight', 2, 3],
      ['2.bias', 2],
    ]);
  });

  test('in an array are found', () => {
    expect(names(new Holder([parameter(), 'other', linear(1, 1), parameter()]))).toEqual([
      'held.0',
      'held.3',
      'held.2.weight',
      'held.2.bias',
    ]);
  });

  test('used in two places are named once', () => {
    const shared = linear(2, 2);
    expect(names(new nn.Sequential(shared, new nn.ReLU(), shared))).toEqual(['0.weight', '0.bias']);
    const p = parameter();
    expect(names(new Holder([p, p]))).toEqual(['held.0']);
  });

  test('of a module that holds itself are found once', () => {
    const ring: unknown[] = [parameter()];
    const module = new Holder(ring);
    ring.push(module);
    expect(names(module)).toEqual(['held.0']);
  });

  test('are not constants, tensors or a missing bias', () => {
    expect(names(new Holder([variable(zeros([1])), zeros([1]), null, undefined, 3]))).toEqual([]);
    expect(names(new nn.Linear(2, 2, { rng: new Rng(0), bias: false }))).toEqual(['weight']);
  });

  test('that were computed are a mistake, which the error names', () => {
    const model = new nn.Sequential(new Holder(parameter().mul(0.1)));
    expect(() => model.parameters()).toThrow(ModuleError);
    expect(() => model.parameters()).toThrow('0.held was computed by mul, so it cannot be trained');
  });
});

test('train and eval reach every module below', () => {
  const inner = linear(1, 1);
  const model = new nn.Sequential(new Block(inner));
  expect(inner.training).toBe(true);
  expect(model.eval()).toBe(model);
  expect([...model.namedModules()].map(([path, m]) => [path, m.training])).toEqual([
    ['', false],
    ['0', false],
    ['0.inner', false],
  ]);
  model.train();
  expect([model.training, inner.training]).toEqual([true, true]);
});

test('zeroGrad forgets every gradient', () => {
  const model = new Block(linear(1, 1));
  model
    .forward(variable(tensor([[2]])))
    .sum()
    .backward();
  expect(model.parameters().every((p) => p.grad !== null)).toBe(true);
  model.zeroGrad();
  expect(model.parameters().every((p) => p.grad === null)).toBe(true);
});
