// Permuted MNIST: in every task the pixels of all images are shuffled, by a permutation that belongs to the task. The same
// network must classify the digits of all tasks, seeing each task once, one after the other. The setting is that of the GEM paper
// (Lopez-Paz & Ranzato 2017, section 5): each task has 1000 samples, each seen once.

import { permutedStream } from '@gemlab/gem';
import { Rng } from '@gemlab/tensor';
import { loadMnist, mnistDataset } from '../data/mnist.ts';
import type { Bench, Example, Preset, Settings } from './example.ts';

function setUp(settings: Settings): Bench {
  const rng = new Rng(settings.seed);
  const digits = { train: mnistDataset('train'), test: loadMnist('test', { limit: settings.testSamples }) };
  return {
    name: 'permuted-mnist',
    settings,
    sizes: [784, 100, 100, 10],
    rng,
    stream: ({ taskLabels } = { taskLabels: false }) =>
      permutedStream({
        ...digits,
        tasks: settings.tasks,
        samplesPerTask: settings.samples,
        taskLabels,
        rng: rng.foldIn(0),
      }),
  };
}

const paper: Preset = {
  tasks: 20,
  samples: 1000,
  testSamples: 10_000,
  memories: 256,
  memoryStrength: 0.5,
  lr: 0.1,
  finetuneLr: 0.03,
  batchSize: 10,
  epochs: 1,
};

export const permutedMnist: Example = {
  name: 'permuted-mnist',
  summary: 'MNIST with the pixels shuffled anew in each task (the GEM paper)',
  about: [
    'Every task shows the MNIST digits with their pixels in another fixed order. One network learns the tasks one after another, ' +
      'with GEM and with plain fine-tuning, and is tested on all of them after each.',
    "The network and the numbers are the paper's: 784-100-100-10 with ReLU, SGD in batches of 10, one pass. Each method has the " +
      'learning rate that the paper found best for it on this stream (GEM 0.1, fine-tuning 0.03).',
  ],
  presets: {
    quick: { ...paper, tasks: 10, samples: 500, memories: 64, testSamples: 1000 },
    default: { ...paper, tasks: 10, testSamples: 2000 },
    paper,
  },
  limits: { tasks: 100, samples: 60_000, testSamples: 10_000 },
  setUp,
};
