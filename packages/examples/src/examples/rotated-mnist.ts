// Rotated MNIST: in every task all images are turned by an angle that belongs to the task, between 0 and 180 degrees. Neighbouring
// tasks resemble one another, so a learner can gain from what it knows; yet digits that lie on their side look like none that stand
// upright. The setting is that of the GEM paper (Lopez-Paz & Ranzato 2017, section 5): 1000 samples for each task, each seen once.

import { rotatedStream } from '@gemlab/gem';
import { Rng } from '@gemlab/tensor';
import { loadMnist, mnistDataset } from '../data/mnist.ts';
import type { Bench, Example, Preset, Settings } from './example.ts';

function setUp(settings: Settings): Bench {
  const rng = new Rng(settings.seed);
  const digits = { train: mnistDataset('train'), test: loadMnist('test', { limit: settings.testSamples }) };
  return {
    name: 'rotated-mnist',
    settings,
    sizes: [784, 100, 100, 10],
    rng,
    stream: ({ taskLabels } = { taskLabels: false }) =>
      rotatedStream({
        ...digits,
        tasks: settings.tasks,
        samplesPerTask: settings.samples,
        taskLabels,
        rng: rng.foldIn(0),
      }),
  };
}

// In half as many steps the paper's 0.003 learns too little to have anything to forget; 0.01 is fine-tuning's best there.
const SHORT = { tasks: 10, finetuneLr: 0.01 };

const paper: Preset = {
  tasks: 20,
  samples: 1000,
  testSamples: 10_000,
  memories: 256,
  memoryStrength: 0.5,
  lr: 0.1,
  finetuneLr: 0.003,
  batchSize: 10,
  epochs: 1,
};

export const rotatedMnist: Example = {
  name: 'rotated-mnist',
  summary: 'MNIST turned by another angle in each task (the GEM paper)',
  about: [
    'Every task shows the MNIST digits turned by another angle between 0 and 180 degrees, from small angles to large. One network ' +
      'learns the tasks one after another, with GEM and with plain fine-tuning, and is tested on all of them after each.',
  ],
  presets: {
    quick: { ...paper, ...SHORT, samples: 500, memories: 64, testSamples: 1000 },
    default: { ...paper, ...SHORT, testSamples: 2000 },
    paper,
  },
  limits: { tasks: 100, samples: 60_000, testSamples: 10_000 },
  setUp,
};
