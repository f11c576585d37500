// A whole training run against PyTorch: its state_dict goes in, and after 100 steps of AdamW in two groups, with class
// weights, smoothing, clipping, warm-up and cosine, the same state_dict comes out (fixtures/make_torch_model.py).

import { readFileSync } from 'node:fs';
import { Rng, scope, type Tensor, tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { losses, nn, optim, variable } from '../src/index.ts';

type Values = number[] | number[][];
interface Fixture {
  readonly x: number[][][];
  readonly y: number[][];
  readonly weight: number[];
  readonly first: Record<string, Values>;
  readonly last: Record<string, Values>;
  readonly losses: number[];
  readonly norms: number[];
}

const fixture: Fixture = JSON.parse(readFileSync(new URL('fixtures/torch-model.json', import.meta.url), 'utf8'));
const f64 = (data: Values): Tensor => tensor(data, { dtype: 'float64' });

test('100 steps end at the parameters that PyTorch finds, to 1e-10', () => {
  const model = new nn.MLP([5, 8, 6, 4], { rng: new Rng(0), dtype: 'float64' });
  model.loadStateDict(Object.fromEntries(Object.entries(fixture.first).map(([key, value]) => [key, f64(value)])));
  const ending = (suffix: string) =>
    [...model.namedParameters()].flatMap(([path, p]) => (path.endsWith(suffix) ? [p] : []));
  const optimizer = new optim.AdamW(
    [
      { parameters: ending('weight'), weightDecay: 0.1 },
      { parameters: ending('bias'), weightDecay: 0 },
    ],
    { lr: 0.02 },
  );
  const warmup = optim.linearLR({ startFactor: 0.1, totalIters: 10 });
  const scheduler = new optim.LRScheduler(optimizer, optim.sequentialLR([warmup, optim.cosineAnnealingLR(90)], [10]));
  const weight = f64(fixture.weight);
  const batches = fixture.x.map((x, i) => ({ x: variable(f64(x)), y: tensor(fixture.y[i]!, { dtype: 'int32' }) }));

  fixture.losses.forEach((expected, step) => {
    scope(() => {
      const { x, y } = batches[step % batches.length]!;
      const loss = losses.crossEntropy(model.forward(x), y, { weight, labelSmoothing: 0.1 });
      optimizer.zeroGrad();
      loss.backward();
      const norm = optim.clipGradNorm(model.parameters(), 0.5);
      optimizer.step();
      scheduler.step();
      expect(Math.abs((loss.item() as number) - expected)).toBeLessThan(1e-10);
      expect(Math.abs(norm - fixture.norms[step]!)).toBeLessThan(1e-10);
    });
  });

  expect(fixture.losses.at(-1)).toBeLessThan(fixture.losses[0]! / 2);
  const last = model.stateDict();
  expect(Object.keys(last)).toEqual(Object.keys(fixture.last));
  for (const [key, value] of Object.entries(fixture.last)) {
    expect(last[key]!.sub(f64(value)).abs().max().item()).toBeLessThan(1e-10);
  }
});
