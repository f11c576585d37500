// Split MNIST: the first task is to tell 0 from 1, the second 2 from 3, and so on to 8 and 9. The network has two outputs, for 'the even
// digit' and 'the odd digit', and is not told which pair it sees (domain-incremental learning, van de Ven & Tolias 2019).

import { type Dataset, splitStream } from '@gemlab/gem';
import { Rng, tensor } from '@gemlab/tensor';
import { loadMnist, mnistDataset } from '../data/mnist.ts';
import type { Bench, Example, Preset, Settings } from './example.ts';

// Label 0 is the even digit of each pair and label 1 the odd one.
const PAIRS = [
  [0, 1],
  [2, 3],
  [4, 5],
  [6, 7],
  [8, 9],
];

function setUp(settings: Settings): Bench {
  const rng = new Rng(settings.seed);
  const digits = { train: mnistDataset('train'), test: loadMnist('test') };
  const classGroups = PAIRS.slice(0, settings.tasks);
  return {
    name: 'split-mnist',
    settings,
    sizes: [784, 100, 100, 2],
    rng,
    stream: ({ taskLabels } = { taskLabels: false }) =>
      splitStream({ ...digits, classGroups, scenario: taskLabels ? 'task' : 'domain' }).map((task) => ({
        ...task,
        train: draw(task.train, settings.samples, rng.foldIn(0).foldIn(task.index)),
        test: draw(task.test, settings.testSamples, rng.foldIn(4).foldIn(task.index)),
      })),
  };
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
  setUp,
};
