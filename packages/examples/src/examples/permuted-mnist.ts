// Permuted MNIST: in every task the pixels of all images are shuffled, by a permutation that belongs to the task. The same
// network must classify the digits of all tasks, seeing each task once, one after the other. The setting is that of the GEM paper
// (Lopez-Paz & Ranzato 2017, section 5): each task has 1000 samples, each seen once.

import { losses, nn, optim } from '@gemlab/autograd';
import { GEMPlugin, permutedStream, Strategy, type StrategyPlugin } from '@gemlab/gem';
import { Rng } from '@gemlab/tensor';
import { loadMnist } from '../data/mnist.ts';
import type { Example, Lab, Preset, Settings } from './example.ts';

async function run(settings: Settings, { watch, compare }: Lab): Promise<void> {
  const rng = new Rng(settings.seed);

  const stream = permutedStream({
    train: loadMnist('train'),
    test: loadMnist('test', { limit: settings.testSamples }),
    tasks: settings.tasks,
    samplesPerTask: settings.samples,
    rng: rng.foldIn(0),
  });

  // Both learners start from the same weights and see the same samples in the same order; only the plugins and the lr differ.
  const learner = (lr: number, plugins: StrategyPlugin[]) => {
    const model = new nn.MLP([784, 100, 100, 10], { rng: rng.foldIn(1), init: 'xavier' });
    return new Strategy({
      model,
      optimizer: new optim.SGD(model.parameters(), { lr }),
      loss: losses.crossEntropy,
      plugins: [...plugins, watch],
      trainBatchSize: settings.batchSize,
      trainEpochs: settings.epochs,
      rng: rng.foldIn(2),
    });
  };

  const gem = new GEMPlugin({
    patternsPerExperience: settings.memories,
    memoryStrength: settings.memoryStrength,
    profile: settings.profile,
    rng: rng.foldIn(3),
  });

  await compare(stream, {
    'fine-tuning': learner(settings.finetuneLr, []),
    GEM: learner(settings.lr, [gem]),
  });
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
  run,
};
