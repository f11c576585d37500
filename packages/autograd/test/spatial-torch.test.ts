// Layers against PyTorch (fixtures/make_spatial.py): outputs, gradients, what batch norms remember, and the GEM paper's ResNet in
// training. Inputs and parameters are sines that both sides compute.

import { readFileSync } from 'node:fs';
import { Rng, scope, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { losses, nn, optim, variable } from '../src/index.ts';

type Values = number | readonly Values[];
interface Layer {
  readonly name: string;
  readonly arguments: readonly unknown[];
  /** What follows the arguments: null if nothing does. */
  readonly options: object | null;
  readonly shape: readonly number[];
  readonly y: Values;
  readonly dx: Values;
  readonly parameters: Record<string, Values>;
}
interface Norm {
  readonly name: string;
  readonly shape: readonly number[];
  readonly options: object;
  readonly steps: readonly { readonly y: Values; readonly state: Record<string, Values> }[];
  readonly evaluated: Values;
}
interface Fixture {
  readonly layers: readonly Layer[];
  readonly norms: readonly Norm[];
  readonly embedding: { readonly index: readonly number[][]; readonly y: Values; readonly gradient: Values };
  readonly resnet: {
    readonly labels: number[];
    readonly losses: readonly number[];
    /** The sum of each tensor of the state, and the sum weighted by wave 3. */
    readonly state: Record<string, readonly [number, number]>;
    readonly evaluated: Values;
  };
}
const fixture: Fixture = JSON.parse(readFileSync(new URL('fixtures/spatial.json', import.meta.url), 'utf8'));

const f64 = (data: Values): Tensor => tensor(data as number[], { dtype: 'float64' });
const wave = (shape: readonly number[], k: number): Tensor => {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, (_, i) => Math.round(Math.sin(1 + 7 * k + 3 * i) * 1024) / 1024);
  return tensor(values, { dtype: 'float64', shape });
};
function fill<M extends nn.Module>(module: M): M {
  for (const [k, p] of module.parameters().entries()) p.assign(wave(p.shape, k + 1));
  return module;
}
/** A layer by its name, with an Rng for those that draw their weights. */
function make(name: string, args: readonly unknown[], options: object | null): nn.Module {
  const more = options === null ? [] : [{ ...options, rng: new Rng(0), dtype: 'float64' as const }];
  const Constructor = nn[name as 'Conv2d'] as unknown as new (...args: unknown[]) => nn.Module;
  return new Constructor(...args, ...more);
}
function expectClose(found: Tensor, expected: Values, what: string, tolerance = 1e-12): void {
  const there = f64(expected);
  expect([...found.shape], what).toEqual([...there.shape]);
  if (found.size > 0) expect(found.sub(there).abs().max().item(), what).toBeLessThan(tolerance);
}

describe('layers', () => {
  const title = ({ name, arguments: args, options }: Layer) =>
    `${name}(${[...args, ...(options === null ? [] : [options])].map((a) => JSON.stringify(a)).join(', ')})`;
  test.each(fixture.layers.map((one) => [title(one), one] as const))('%s', (_, one) => {
    const layer = fill(make(one.name, one.arguments, one.options));
    const x = variable(wave(one.shape, 0), { requiresGrad: true });
    const y = layer.forward(x);
    expectClose(y.value, one.y, 'output');
    y.backward(wave(y.shape, 9));
    expectClose(x.grad!.value, one.dx, 'gradient of the input');
    const gradients = Object.fromEntries([...layer.namedParameters()].map(([key, p]) => [key, p.grad!.value]));
    expect(Object.keys(gradients)).toEqual(Object.keys(one.parameters));
    for (const [key, value] of Object.entries(one.parameters))
      expectClose(gradients[key]!, value, `gradient of ${key}`);
  });
});

describe('batch norms over five batches, and then in evaluation', () => {
  test.each(fixture.norms.map((one) => [`${one.name} ${JSON.stringify(one.options)}`, one] as const))(
    '%s',
    (_, one) => {
      const layer = fill(make(one.name, [one.shape[1]], one.options));
      for (const [k, step] of one.steps.entries()) {
        const x = variable(
          wave(one.shape, k)
            .mul(k + 1)
            .add(k),
        );
        expectClose(scope(() => layer.forward(x)).value, step.y, `output ${k}`);
        const state = layer.stateDict();
        expect(Object.keys(state)).toEqual(Object.keys(step.state));
        for (const [key, value] of Object.entries(step.state)) expectClose(state[key]!, value, `${key} after ${k}`);
      }
      expectClose(layer.eval().forward(variable(wave(one.shape, 5))).value, one.evaluated, 'in evaluation');
    },
  );
});

test('Embedding, with an index that is padding', () => {
  const { index, y: expected, gradient } = fixture.embedding;
  const table = fill(new nn.Embedding(4, 3, { rng: new Rng(0), paddingIndex: 2, dtype: 'float64' }));
  const y = table.forward(variable(tensor(index, { dtype: 'int32' })));
  expectClose(y.value, expected, 'vectors');
  y.backward(wave(y.shape, 9));
  expectClose(table.weight.grad!.value, gradient, 'gradient');
});

test('ResNet18 with two base filters, three steps of SGD', () => {
  const { labels, losses: expected, state, evaluated } = fixture.resnet;
  const model = fill(new nn.ResNet18(5, { rng: new Rng(0), filters: 2, dtype: 'float64' }));
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
  const images = variable(wave([4, 3, 32, 32], 50));
  const y = tensor(labels, { dtype: 'int32' });
  for (const value of expected) {
    scope(() => {
      const loss = losses.crossEntropy(model.forward(images), y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      expect(Math.abs((loss.item() as number) - value)).toBeLessThan(1e-9);
    });
  }
  const found = model.stateDict();
  expect(Object.keys(found)).toEqual(Object.keys(state));
  for (const [key, [sum, weighted]] of Object.entries(state)) {
    const value = found[key]!.cast('float64');
    expectClose(value.sum(), sum, key, 1e-8);
    expectClose(value.mul(wave(value.shape, 3)).sum(), weighted, key, 1e-8);
  }
  // Up to 318 here: relative to that. (Three steps through batch statistics of four numbers amplify the order of sums: 1e-9 of it.)
  const largest = f64(evaluated).abs().max();
  expectClose(
    model.eval().forward(images).value.div(largest),
    f64(evaluated).div(largest).toArray() as Values,
    'in evaluation',
    1e-8,
  );
});
