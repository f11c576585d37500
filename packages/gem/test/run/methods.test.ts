// Every method in a saved run: resumed from any of its checkpoints, it ends with the same bytes.

import { type Dataset, losses, nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import {
  AGEMPlugin,
  CumulativePlugin,
  DERPlugin,
  EWCPlugin,
  ICaRLPlugin,
  LwFPlugin,
  MASPlugin,
  ReplayPlugin,
  SGEMPlugin,
  SIPlugin,
  type TaskSamples,
} from '../../src/plugins/index.ts';
import { memoryStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { type Stream, streamOf } from '../../src/streams/index.ts';
import { toyStream } from '../toy.ts';
import { contents } from './experiment.ts';

const rng = () => new Rng(3);
const ring = () => new EpisodicMemory<TaskSamples>(6, 'reservoir', { rng: rng() });
const methods: Record<string, (stream: Stream) => StrategyPlugin> = {
  'a-gem': () => new AGEMPlugin({ memory: ring(), sampleSize: 4, rng: rng() }),
  's-gem': () => new SGEMPlugin({ memory: ring(), rng: rng() }),
  replay: () => new ReplayPlugin({ memory: ring(), batchSize: 3, rng: rng() }),
  der: () => new DERPlugin({ total: 9, batchSize: 3, alpha: 0.5, beta: 0.5, rng: rng() }),
  ewc: () => new EWCPlugin({ lambda: 1, samples: 4, rng: rng() }),
  'ewc, online': () => new EWCPlugin({ lambda: 1, mode: 'online', decay: 0.5 }),
  si: () => new SIPlugin({ c: 1 }),
  mas: () => new MASPlugin({ lambda: 0.1, samples: 4, rng: rng() }),
  lwf: () => new LwFPlugin(),
  icarl: () => new ICaRLPlugin({ total: 5, features: (x) => x }),
  cumulative: (stream) => new CumulativePlugin(stream),
};

/** Every task has a label and two classes of its own. */
function build({ method }: { readonly method: string }) {
  const own = (d: Dataset, index: number) => d.withTargets(d.targets.add(2 * index));
  const tasks = toyStream(3, 10).map(({ index, train, test: held }) => {
    return { train: own(train, index), test: own(held, index), taskLabel: index };
  });
  const stream = streamOf(tasks);
  const model = new nn.MLP([2, 6, 6], { rng: new Rng(5) });
  const strategy = new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.5 }),
    loss: losses.crossEntropy,
    plugins: [methods[method]!(stream)],
    trainBatchSize: 4,
    trainEpochs: 2,
    rng: new Rng(6),
  });
  return { strategy, stream };
}

describe.each(Object.keys(methods))('%s', (method) => {
  test('resumed from any checkpoint, it is the same run', async () => {
    const whole = memoryStore();
    await startRun(whole, { config: { method }, build, checkpointEvery: 1, keep: 'all' });
    const expected = await contents(whole);
    const { checkpoints } = await readRun(whole);
    for (let left = 1; left < checkpoints.length; left += 3) {
      const store = memoryStore();
      for (const name of await whole.list()) await store.write(name, (await whole.read(name))!);
      for (const { file } of checkpoints.slice(left)) await store.remove(file);
      await resumeRun(store, { build, useOlder: true });
      expect(await contents(store)).toEqual(expected);
    }
  });
});
