// What methods are held against. Fine-tuning does nothing about forgetting; joint and cumulative training may see everything again;
// independent and multimodal networks are told the task and keep weights for it alone.

import { nn } from '@gemlab/autograd';
import { CloneLastPlugin, CumulativePlugin, independentNets, multimodalMLP, shuffledStream } from '@gemlab/gem';
import type { ExampleName } from '../examples/example.ts';
import { plainStep } from './cost.ts';
import { type Method, method } from './method.ts';

const TOLD = { taskLabels: true };

export const fineTuning: Method = method({
  name: 'fine-tuning',
  label: 'fine-tuning',
  summary: "learns on, whatever becomes of the past (the paper's 'single')",
  numbers: (_, { finetuneLr }) => ({ lr: finetuneLr }),
});

export const joint: Method = method({
  name: 'joint',
  label: 'joint',
  summary: "the samples of all tasks, shuffled, in one pass (the paper's shuffled oracle): nothing to forget",
  numbers: () => ({ lr: 0.1 }),
  learner: (bench) => ({ stream: shuffledStream(bench.stream(), bench.rng.foldIn(5)) }),
});

export const cumulative: Method = method({
  name: 'cumulative',
  label: 'cumulative',
  summary: 'each task together with all samples of all tasks before: forgets nothing, keeps everything',
  numbers: () => ({ lr: 0.1 }),
  learner: (bench) => {
    const stream = bench.stream();
    return { stream, plugins: [new CumulativePlugin(stream)] };
  },
  cost: (settings, past) => (past + 1) * plainStep(settings, past),
});

const INDEPENDENT: { readonly [E in ExampleName]: number } = {
  'permuted-mnist': 0.03,
  'rotated-mnist': 0.1,
  'split-mnist': 0.1,
};

export const independent: Method = method({
  name: 'independent',
  label: 'independent',
  summary:
    'a network for each task, which is told; hidden layers T times smaller, each begun as a copy of the last (the GEM paper)',
  numbers: (example) => ({ lr: INDEPENDENT[example] }),
  learner: (bench) => {
    const { settings, sizes, rng } = bench;
    const hidden = (size: number) => Math.max(1, Math.round(size / settings.tasks));
    const own = sizes.map((size, i) => (i === 0 || i === sizes.length - 1 ? size : hidden(size)));
    const model = independentNets(settings.tasks, (task) => {
      return new nn.MLP(own, { rng: rng.foldIn(1).foldIn(task), init: 'xavier' });
    });
    return { model, stream: bench.stream(TOLD), plugins: [new CloneLastPlugin(model)] };
  },
});

export const multimodal: Method = method({
  name: 'multimodal',
  label: 'multimodal',
  summary: 'one network with an input layer for each task, which is told (the GEM paper)',
  numbers: () => ({ lr: 0.1 }),
  learner: (bench) => {
    const { settings, sizes, rng } = bench;
    const model = multimodalMLP(sizes, { tasks: settings.tasks, rng: rng.foldIn(1), init: 'xavier' });
    return { model, stream: bench.stream(TOLD) };
  },
});
