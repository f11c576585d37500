// Methods without a memory of samples: a penalty holds weights, or answers, to what they were.

import { EWCPlugin, LwFPlugin, MASPlugin, SIPlugin } from '@gemlab/gem';
import type { ExampleName } from '../examples/example.ts';
import type { StepCost } from './cost.ts';
import { plainStep, stepWith } from './cost.ts';
import { type Method, method, type Numbers } from './method.ts';

type By<N extends Numbers> = { readonly [E in ExampleName]: N };

/** A penalty on every weight costs about as much as so many samples. */
const PENALTY = 100;
/** The gradient of a single sample, beside that of a sample in a batch. */
const ALONE = 100;

/** A penalty for each of `anchors`, and gradients of single samples (`measured` of each task) spread over the task's steps. */
const penalised =
  (anchors: (past: number) => number, measured: (samples: number) => number): StepCost =>
  (settings, past) =>
    plainStep(settings, past) +
    PENALTY * anchors(past) +
    (ALONE * measured(settings.samples) * settings.batchSize) / (settings.samples * settings.epochs);

// The GEM paper's, but for lambda on rotations: its 1000 weighs the square of the mean gradient of 1000 samples, and here, where the Fisher
// information is the mean of their squares, such a penalty is too stiff for the steps (the weights diverge). With 10, which the A-GEM
// paper took for EWC, the result is the paper's.
const EWC: By<{ lr: number; lambda: number; samples: number }> = {
  'permuted-mnist': { lr: 0.1, lambda: 3, samples: 10 },
  'rotated-mnist': { lr: 0.01, lambda: 10, samples: 1000 },
  'split-mnist': { lr: 0.1, lambda: 3, samples: 10 },
};

export const ewc: Method = method({
  name: 'ewc',
  label: 'EWC',
  summary: 'holds weights where the Fisher information of past tasks is large (Kirkpatrick et al. 2017)',
  numbers: (example) => EWC[example],
  learner: ({ rng }, { lambda, samples }) => ({ plugins: [new EWCPlugin({ lambda, samples, rng: rng.foldIn(3) })] }),
  cost: penalised(
    (past) => past,
    (samples) => Math.min(samples, 1000),
  ),
});

export const onlineEwc: Method = method({
  name: 'online-ewc',
  label: 'online EWC',
  summary: 'EWC with one running sum of the information and one anchor (Schwarz et al. 2018)',
  numbers: (example) => ({ ...EWC[example], decay: 0.95 }),
  learner: ({ rng }, { lambda, samples, decay }) => ({
    plugins: [new EWCPlugin({ mode: 'online', lambda, decay, samples, rng: rng.foldIn(3) })],
  }),
  cost: penalised(
    (past) => Math.min(1, past),
    (samples) => Math.min(samples, 1000),
  ),
});

// SI and MAS: the numbers with which the A-GEM paper ran them on permutations, in batches of 10.
export const si: Method = method({
  name: 'si',
  label: 'SI',
  summary: 'holds weights whose moves lowered the loss (synaptic intelligence, Zenke et al. 2017)',
  numbers: () => ({ lr: 0.1, c: 0.1 }),
  learner: (_, { c }) => ({ plugins: [new SIPlugin({ c })] }),
  cost: penalised(
    (past) => 1 + Math.min(1, past),
    () => 0,
  ),
});

export const mas: Method = method({
  name: 'mas',
  label: 'MAS',
  summary: 'holds weights that the outputs are sensitive to (memory aware synapses, Aljundi et al. 2018)',
  numbers: () => ({ lr: 0.1, lambda: 0.1 }),
  learner: (_, { lambda }) => ({ plugins: [new MASPlugin({ lambda })] }),
  cost: penalised(
    (past) => Math.min(1, past),
    (samples) => samples,
  ),
});

export const lwf: Method = method({
  name: 'lwf',
  label: 'LwF',
  summary: 'holds the answers to new samples to what they were before (learning without forgetting, Li & Hoiem 2016)',
  numbers: () => ({ lr: 0.1, lambda: 1, temperature: 2 }),
  learner: (_, { lambda, temperature }) => ({ plugins: [new LwFPlugin({ lambda, temperature })] }),
  cost: stepWith(({ batchSize }) => batchSize),
});
