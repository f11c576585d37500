// Methods that change the gradient so that it harms no past task: GEM, and the two that make it cheaper by keeping one constraint only.

import { AGEMPlugin, EpisodicMemory, GEMPlugin, SGEMPlugin, type TaskSamples } from '@gemlab/gem';
import type { Settings } from '../examples/example.ts';
import { remembered, stepWith } from './cost.ts';
import { type Method, method } from './method.ts';

const rate = (_: unknown, { lr }: Settings) => ({ lr });

export const gem: Method = method({
  name: 'gem',
  label: 'GEM',
  summary: 'no step harms any past task (Lopez-Paz & Ranzato 2017); --profile says in which details',
  numbers: rate,
  learner: ({ settings: { memories, memoryStrength, profile }, rng }) => {
    // A step in twenty is recorded in detail, for the one that is explained.
    const detail = { record: { every: 20 }, actualChange: true };
    const options = { patternsPerExperience: memories, memoryStrength, profile, rng: rng.foldIn(3) };
    return { plugins: [new GEMPlugin({ ...options, ...detail })] };
  },
  cost: stepWith((settings, past) => past * remembered(settings)),
});

/** The samples that A-GEM's constraint is measured on, in the authors' experiments on MNIST. */
const AGEM_SAMPLES = 256;

export const agem: Method = method({
  name: 'a-gem',
  label: 'A-GEM',
  summary: `no step harms the past tasks on average, as ${AGEM_SAMPLES} samples of all memories tell (Chaudhry et al. 2019)`,
  numbers: rate,
  learner: ({ settings: { memories }, rng }) => {
    const memory = new EpisodicMemory<TaskSamples>(memories);
    return { plugins: [new AGEMPlugin({ memory, sampleSize: AGEM_SAMPLES, rng: rng.foldIn(3) })] };
  },
  cost: stepWith((settings, past) => Math.min(AGEM_SAMPLES, past * remembered(settings))),
});

export const sgem: Method = method({
  name: 's-gem',
  label: 'S-GEM',
  summary: 'no step harms one past task, drawn anew in each step (Chaudhry et al. 2019)',
  numbers: rate,
  learner: ({ settings: { memories }, rng }) => {
    const memory = new EpisodicMemory<TaskSamples>(memories);
    return { plugins: [new SGEMPlugin({ memory, rng: rng.foldIn(3) })] };
  },
  cost: stepWith(remembered),
});
