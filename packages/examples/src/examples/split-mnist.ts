// Split MNIST: the first task is to tell 0 from 1, the second 2 from 3, and so on to 8 and 9. The network has two outputs, for 'the even
// digit' and 'the odd digit', and is not told which pair it sees (domain-incremental learning, van de Ven & Tolias 2019).

import { losses, nn, optim } from '@gemlab/autograd';
import { type Dataset, GEMPlugin, Strategy, type StrategyPlugin, splitStream } from '@gemlab/gem';
import { Rng, tensor } from '@gemlab/tensor';
import { loadMnist } from '../data/mnist.ts';
import type { Example, Lab, Preset, Settings } from './example.ts';

async function run(settings: Settings, { watch, compare }: Lab): Promise<void> {
  const rng = new Rng(settings.seed);

  // Label 0 is the even digit of each pair and label 1 the odd one.
  const pairs = [
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
    [8, 9],
  ].slice(0, settings.tasks);
  const digits = splitStream({
    train: loadMnist('train'),
    test: loadMnist('test'),
    classGroups: pairs,
    scenario: 'domain',
  });
  const stream = digits.map((task) => ({
    ...task,
    train: draw(task.train, settings.samples, rng.foldIn(0).foldIn(task.index)),
    test: draw(task.test, settings.testSamples, rng.foldIn(4).foldIn(task.index)),
  }));

  // Both learners start from the same weights and see the same samples in the same order; only the plugins and the lr differ.
  const learner = (lr: number, plugins: StrategyPlugin[]) => {
    const model = new nn.MLP([784, 100, 100, 2], { rng: rng.foldIn(1), init: 'xavier' });
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

/** Some of the samples, in random order. */
function draw(dataset: Dataset, count: number, rng: Rng): Dataset {
  return dataset.subset(tensor(rng.choice(dataset.length, count)));
}

const full: Preset = {
  tasks: 5,
  samples: 11_000,
  testSamples: 1800,
  memories: 256,
  memoryStrength: 0.5,
  lr: 0.1,
  finetuneLr: 0.1,
  batchSize: 10,
  epochs: 1,
};

export const splitMnist: Example = {
  name: 'split-mnist',
  summary: 'two digits in each task: is it the even or the odd one?',
  about: [
    'The first task is to tell 0 from 1, the second 2 from 3, and so on. The network answers even or odd and is not told ' +
      'which pair of digits it sees; each new pair tempts it to forget how the old ones looked.',
    "This stream is not in the GEM paper: preset 'paper' takes the paper's network and numbers and nearly all of the training digits.",
  ],
  presets: {
    quick: { ...full, samples: 300, memories: 64, testSamples: 500 },
    default: { ...full, samples: 1000 },
    paper: full,
  },
  limits: { tasks: 5, samples: 11_263, testSamples: 1874 },
  run,
};
