// A whole training run against an independent one: the same network, batches and optimizer written out in NumPy
// (fixtures/make_training.py), from the same first parameters to the same last ones.

import { readFileSync } from 'node:fs';
import { Rng, scope, tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { losses, nn, optim, variable } from '../src/index.ts';

interface Fixture {
  readonly sizes: number[];
  readonly steps: number;
  readonly options: optim.SGDOptions;
  readonly x: number[][][];
  readonly y: number[][];
  readonly first: (number[] | number[][])[];
  readonly last: (number[] | number[][])[];
  readonly firstLoss: number;
  readonly lastLoss: number;
}

const fixture: Fixture = JSON.parse(readFileSync(new URL('fixtures/training.json', import.meta.url), 'utf8'));

test('100 steps of momentum SGD on an MLP end at the parameters that NumPy finds, to 1e-10', () => {
  const model = new nn.MLP(fixture.sizes, { rng: new Rng(0), dtype: 'float64' });
  const parameters = model.parameters();
  parameters.forEach((p, k) => {
    p.assign(tensor(fixture.first[k]!, { dtype: 'float64' }));
  });
  const optimizer = new optim.SGD(parameters, fixture.options);
  const batches = fixture.x.map((x, i) => ({
    x: variable(tensor(x, { dtype: 'float64' })),
    y: tensor(fixture.y[i]!, { dtype: 'int32' }),
  }));

  const history = Array.from({ length: fixture.steps }, (_, step) =>
    scope(() => {
      const { x, y } = batches[step % batches.length]!;
      const loss = losses.crossEntropy(model.forward(x), y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss.item() as number;
    }),
  );

  expect(Math.abs(history[0]! - fixture.firstLoss)).toBeLessThan(1e-14);
  expect(Math.abs(history.at(-1)! - fixture.lastLoss)).toBeLessThan(1e-10);
  expect(fixture.lastLoss).toBeLessThan(fixture.firstLoss / 2);
  parameters.forEach((p, k) => {
    const difference = p.value.sub(tensor(fixture.last[k]!, { dtype: 'float64' }));
    expect(difference.abs().max().item()).toBeLessThan(1e-10);
  });
});
