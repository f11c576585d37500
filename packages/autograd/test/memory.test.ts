// Training holds on to nothing: 2,000 steps leave memory where it was, and no tape outlives its step.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Rng, randn, scope, tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import {
  checkpoint,
  detectAnomaly,
  graphOf,
  groupGradients,
  hvp,
  layerFactors,
  losses,
  nn,
  optim,
  perSampleGradients,
  type Variable,
  variable,
} from '../src/index.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Memory in use once all garbage is gone. */
async function settled(): Promise<{ arrayBuffers: number; heapUsed: number }> {
  // A WeakRef that was read keeps its target until the job ends.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  return process.memoryUsage();
}

const rng = new Rng(0);
const model = new nn.MLP([8, 16, 4], { rng });
const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9, weightDecay: 1e-4 });
const x = variable(randn([4, 8], rng));
const y = tensor([0, 1, 2, 3], { dtype: 'int32' });

/** One step; the loss is returned only to be watched. */
function step(): Variable {
  const loss = losses.crossEntropy(model.forward(x), y);
  optimizer.zeroGrad();
  loss.backward();
  optimizer.step();
  return loss;
}

/** Bytes that `steps` steps leave behind. */
async function growth(steps: number, train: () => void): Promise<{ arrayBuffers: number; heap: number }> {
  for (let i = 0; i < 200; i++) train();
  const before = await settled();
  for (let i = 0; i < steps; i++) train();
  const after = await settled();
  return { arrayBuffers: after.arrayBuffers - before.arrayBuffers, heap: after.heapUsed - before.heapUsed };
}

// Array buffers come back to the byte; the heap also holds what the compiler learns, a few 100 kB. The limits are
// less than what 100 tapes leave, as the first test shows.
const LIMIT = { arrayBuffers: 20_000, heap: 1_000_000 };

test('100 tapes that are held are seen', async () => {
  const held: Variable[] = [];
  const found = await growth(100, () => held.push(step()));
  expect(held).toHaveLength(300);
  expect(found.arrayBuffers).toBeGreaterThan(LIMIT.arrayBuffers);
  expect(found.heap).toBeGreaterThan(LIMIT.heap);
});

test.each([
  [2000, 'in a scope', scope],
  [500, 'without one', (fn: () => void) => fn()],
])('%i steps %s leave memory flat', async (steps, _, around) => {
  const found = await growth(steps, () => around(() => void step()));
  expect(found.arrayBuffers).toBeLessThan(LIMIT.arrayBuffers);
  expect(found.heap).toBeLessThan(LIMIT.heap);
});

/** What else can be done with a tape in a step. */
function everything(): void {
  const remove = model.parameters()[0]!.registerHook((g) => g.mul(2));
  const run = (v: Variable) => checkpoint((u: Variable) => model.forward(u), v);
  const each = losses.crossEntropy(run(x), y, { reduction: 'none' });
  each.retainGrad().sum().backward();
  remove();
  const plain = losses.crossEntropy(model.forward(x), y, { reduction: 'none' });
  perSampleGradients(plain, model.parameters());
  groupGradients(layerFactors(plain, model).factors, [3, 1]);
  graphOf(plain, { model }).toString();
  hvp((v) => model.forward(v).square().sum(), [x], [x]);
  detectAnomaly(() => model.forward(x).sum().backward());
  optimizer.zeroGrad();
}

test('100 steps that do everything else leave memory flat', async () => {
  const found = await growth(100, () => scope(everything));
  expect(found.arrayBuffers).toBeLessThan(LIMIT.arrayBuffers);
  expect(found.heap).toBeLessThan(LIMIT.heap);
});

test('the tape of a step is garbage as soon as its loss is', async () => {
  const loss = new WeakRef(step());
  const hidden = new WeakRef(loss.deref()!.node!.inputs[0]!);
  expect(hidden.deref()).toBeDefined();
  await settled();
  expect([loss.deref(), hidden.deref()]).toEqual([undefined, undefined]);
});
