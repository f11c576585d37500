// A small experiment in which everything that can be forgotten on the way is at work: momentum or Adam, dropout, batch norm, a memory, several epochs.

import { createHash } from 'node:crypto';
import { losses, nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import type { ProfileName } from '../../src/profiles.ts';
import type { Experiment } from '../../src/run/index.ts';
import type { RunStore } from '../../src/run/store.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { toyStream } from '../toy.ts';

export interface Config {
  readonly seed: number;
  readonly tasks: number;
  readonly samples: number;
  readonly epochs: number;
  readonly profile: ProfileName | 'none';
  readonly memories: number;
  readonly memoryStrength: number;
  readonly optimizer: 'sgd' | 'adam';
  readonly lr: number;
}

export const config: Config = {
  seed: 1,
  tasks: 3,
  samples: 23,
  epochs: 2,
  profile: 'exact',
  memories: 6,
  memoryStrength: 0.5,
  optimizer: 'sgd',
  lr: 0.1,
};

export function build(c: Config): Experiment {
  const rng = new Rng(c.seed);
  const model = new nn.Sequential(
    new nn.Linear(2, 8, { rng }),
    new nn.BatchNorm1d(8),
    new nn.ReLU(),
    new nn.Dropout(0.2, { rng: rng.foldIn(1) }),
    new nn.Linear(8, 2, { rng }),
  );
  const optimizer =
    c.optimizer === 'sgd'
      ? new optim.SGD(model.parameters(), { lr: c.lr, momentum: 0.9 })
      : new optim.Adam(model.parameters(), { lr: c.lr });
  const { profile, memories: patternsPerExperience, memoryStrength } = c;
  // One generator for the plugin and the strategy, as it may be.
  const shared = rng.foldIn(2);
  const plugins =
    profile === 'none' ? [] : [new GEMPlugin({ patternsPerExperience, memoryStrength, profile, rng: shared })];
  return {
    stream: toyStream(c.tasks, c.samples, c.seed),
    strategy: new Strategy({
      model,
      optimizer,
      loss: losses.crossEntropy,
      plugins,
      trainBatchSize: 5,
      trainEpochs: c.epochs,
      rng: shared,
    }),
  };
}

/** All files but run.json, which tells the time: their checksums. */
export async function contents(store: RunStore): Promise<Record<string, string>> {
  const names = [...(await store.list())].filter((name) => name !== 'run.json').sort();
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, digest((await store.read(name))!)])));
}
