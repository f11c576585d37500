// Methods that train on remembered samples along with new ones. Their memory is as large as GEM's in the end, and shared by all tasks.

import { DERPlugin, EpisodicMemory, ReplayPlugin, type TaskSamples } from '@gemlab/gem';
import type { ExampleName, Settings } from '../examples/example.ts';
import { stepWith } from './cost.ts';
import { type Method, method } from './method.ts';

const total = ({ tasks, memories }: Settings) => tasks * memories;

export const replay: Method = method({
  name: 'replay',
  label: 'replay',
  summary: 'a batch from the memory, a reservoir, along with each new one (experience replay, Chaudhry et al. 2019)',
  numbers: () => ({ lr: 0.1 }),
  learner: ({ settings, rng }) => {
    const policy = { by: 'all', rng: rng.foldIn(6) } as const;
    const memory = new EpisodicMemory<TaskSamples>({ total: total(settings) }, 'reservoir', policy);
    return { plugins: [new ReplayPlugin({ memory, batchSize: settings.batchSize, rng: rng.foldIn(3) })] };
  },
  cost: stepWith(({ batchSize }) => batchSize),
});

// The authors' for 5120 samples; their learning rate, 0.2, is for batches of 128.
const DER: { readonly [E in ExampleName]: { readonly lr: number; readonly alpha: number; readonly beta: number } } = {
  'permuted-mnist': { lr: 0.1, alpha: 0.5, beta: 1 },
  'rotated-mnist': { lr: 0.1, alpha: 0.5, beta: 0.5 },
  'split-mnist': { lr: 0.1, alpha: 0.5, beta: 0.5 },
};

export const der: Method = method({
  name: 'der++',
  label: 'DER++',
  summary: 'replay that also holds the outputs to those remembered (dark experience replay, Buzzega et al. 2020)',
  numbers: (example) => DER[example],
  learner: ({ settings, rng }, { alpha, beta }) => {
    const { batchSize } = settings;
    return { plugins: [new DERPlugin({ total: total(settings), batchSize, alpha, beta, rng: rng.foldIn(3) })] };
  },
  cost: stepWith(({ batchSize }) => 2 * batchSize),
});
