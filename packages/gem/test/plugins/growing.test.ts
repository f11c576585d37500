// Importances where the optimizer gets parameters as the stream goes on: an output layer that is there from the beginning matters to no task
// before its own, so it makes no difference when it came.

import { nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EWCPlugin } from '../../src/plugins/ewc.ts';
import { MASPlugin } from '../../src/plugins/mas.ts';
import { SIPlugin } from '../../src/plugins/si.ts';
import type { Stateful } from '../../src/state.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';
import { watch } from './support.ts';

const TASKS = 3;
const stream = streamOf(toyStream(TASKS, 15).map((e) => ({ ...e, taskLabel: e.index })));
const head = (task: number) => new nn.Linear(6, 2, { rng: new Rng(20 + task) });
const methods: Record<string, () => StrategyPlugin & Stateful> = {
  ewc: () => new EWCPlugin({ lambda: 2 }),
  'ewc, online': () => new EWCPlugin({ lambda: 2, mode: 'online', decay: 0.5 }),
  mas: () => new MASPlugin({ lambda: 0.3 }),
  si: () => new SIPlugin({ c: 1 }),
};

type Moment = 'beforeTrainDatasetAdaptation' | 'beforeTrainingExp' | 'beforeTrainingEpoch';

interface Training {
  /** When the output layer of a task comes; null: all are there from the beginning. */
  readonly moment: Moment | null;
  readonly isLast: boolean;
  /** The task before which the plugin is replaced by one that got its state. */
  readonly cut: number;
}

async function trained(make: () => StrategyPlugin & Stateful, { moment, isLast, cut }: Training): Promise<number[]> {
  const all = Array.from({ length: TASKS }, (_, task) => task);
  const heads = new nn.MultiHead((moment === null ? all : [0]).map(head));
  const model = new nn.Sequential(new nn.MLP([2, 6], { rng: new Rng(1) }), new nn.ReLU(), heads);
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.5 });
  const grow = watch(moment ?? 'beforeTraining', ({ experience }) => {
    if (experience === null || experience.taskLabel in heads.heads) return;
    const own = head(experience.taskLabel);
    heads.add(experience.taskLabel, own);
    optimizer.addGroup({ parameters: own.parameters() });
  });
  const train = async (own: StrategyPlugin, tasks: typeof stream) => {
    const strategy = toyStrategy({ model, optimizer, plugins: isLast ? [own, grow] : [grow, own], shuffle: false });
    await strategy.train(tasks);
    return weights(strategy);
  };
  const [first, second] = [make(), make()];
  await train(first, stream.slice(0, cut));
  second.loadStateDict(first.stateDict());
  return train(second, stream.slice(cut));
}

describe.each(Object.keys(methods))('%s', (name) => {
  test('an output layer may come when its task does: nothing else is another for it', async () => {
    const make = methods[name]!;
    const expected = await trained(make, { moment: null, isLast: true, cut: 1 });
    const moments: Moment[] = ['beforeTrainDatasetAdaptation', 'beforeTrainingExp', 'beforeTrainingEpoch'];
    const training = fc.record({
      moment: fc.constantFrom(...moments),
      isLast: fc.boolean(),
      cut: fc.integer({ min: 1, max: TASKS - 1 }),
    });
    await fc.assert(
      fc.asyncProperty(training, async (how) => {
        expect(await trained(make, how)).toEqual(expected);
      }),
      { numRuns: 10 },
    );
    const plain = await trained(() => new SIPlugin({ c: 0 }), { moment: null, isLast: true, cut: 1 });
    expect(expected).not.toEqual(plain);
  });
});
