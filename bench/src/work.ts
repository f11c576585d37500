// The pieces of work that are timed: what each is, on which numbers, and how nearly two libraries must agree on it before anyone's
// time counts. How a library does it stands in that library's file (libraries/gemlab.ts, rivals/*.ts, torch/child.py), once.

import { nn } from '@gemlab/autograd';
import { loadMnist } from '@gemlab/examples';
import { Rng, randint, randn, type Tensor } from '@gemlab/tensor';
import { gemOrder, gemStream } from './gem-stream.ts';
import type { HostArray } from './host-array.ts';

/** How a library knows a piece of work. */
export const KINDS = ['gemm', 'add', 'sgd', 'sum', 'cross-entropy', 'gram', 'step', 'memory', 'gem'] as const;
export type Kind = (typeof KINDS)[number];

export type Params = Readonly<Record<string, number>>;

export interface Work {
  readonly kind: Kind;
  /** For people, with the sizes in it. */
  readonly name: string;
  readonly params: Params;
  /** The same numbers for everybody. */
  inputs(): Readonly<Record<string, HostArray>>;
  /** Relative to the largest magnitude of a result, float32 being what it is. */
  readonly tolerance: number;
  /** Floating-point operations of one call, where it makes sense to count them. */
  readonly flops?: number;
  /** A run of so many parts, each done once and in order, instead of a call that is repeated. */
  readonly parts?: number;
}

/** The paper's network. */
export const SIZES = [784, 100, 100, 10] as const;

export interface Scale {
  /** 1 for people; less for the test that this still works. */
  readonly scale: number;
  /** Tasks of the GEM run. */
  readonly tasks: number;
}

/** Everything, in the order in which it is measured. */
export function works({ scale, tasks }: Scale): Work[] {
  const n = (size: number) => Math.max(2, Math.round(size * scale));
  const many = n(1_000_000);
  return [
    ...[256, 1024, 4864].map((m) => gemm(n(m), n(784), n(100))),
    elementwise('add', `add, ${count(many)}`, many),
    elementwise('sgd', `SGD update, ${count(many)}`, many),
    elementwise('sum', `sum, ${count(many)}`, many),
    crossEntropy(n(4864), 10),
    gram(20, n(89_610)),
    step(10),
    memory(n(19), n(256)),
    gem(tasks, n(1000), n(256), n(10_000)),
  ];
}

const count = (n: number) => (n === 1_000_000 ? '1e6' : String(n));

const host = (x: Tensor): HostArray => ({ shape: x.shape, data: x.dataSync() as HostArray['data'] });
const normal = (shape: readonly number[], seed: number) => host(randn(shape, new Rng(seed)));
const labels = (shape: readonly number[], seed: number) => host(randint(shape, new Rng(seed), { high: 10 }));

function gemm(m: number, k: number, n: number): Work {
  return {
    kind: 'gemm',
    name: `GEMM ${m} x ${k} x ${n}`,
    params: { m, k, n },
    inputs: () => ({ a: normal([m, k], 1), b: normal([k, n], 2) }),
    tolerance: 1e-5,
    flops: 2 * m * k * n,
  };
}

function elementwise(kind: 'add' | 'sgd' | 'sum', name: string, n: number): Work {
  return {
    kind,
    name,
    params: { n, lr: 0.01 },
    inputs: () => ({ a: normal([n], 1), b: normal([n], 2) }),
    // A sum of numbers around 0 is small beside them.
    tolerance: kind === 'sum' ? 1e-2 : 1e-6,
  };
}

function crossEntropy(n: number, classes: number): Work {
  return {
    kind: 'cross-entropy',
    name: `cross-entropy ${n} x ${classes}`,
    params: { n, classes },
    inputs: () => ({ scores: normal([n, classes], 1), targets: labels([n], 2) }),
    tolerance: 1e-5,
  };
}

function gram(rows: number, p: number): Work {
  return {
    kind: 'gram',
    name: `Gram ${rows} x ${p}`,
    params: { rows, p },
    inputs: () => ({ g: normal([rows, p], 1) }),
    // Some libraries sum in float32.
    tolerance: 1e-4,
    flops: 2 * rows * rows * p,
  };
}

/** The parameters of the paper's network, as PyTorch and gemlab lay them out: [out, in], then [out]. */
function weights(): Record<string, HostArray> {
  const parameters = new nn.MLP(SIZES, { rng: new Rng(0), init: 'xavier' }).parameters();
  return Object.fromEntries(parameters.map((p, i) => [`w${i}`, host(p.value)]));
}

function step(batch: number): Work {
  return {
    kind: 'step',
    name: `training step, batch ${batch}`,
    params: { batch, lr: 0.01 },
    inputs: () => ({ ...weights(), x: normal([batch, SIZES[0]], 1), y: labels([batch], 2) }),
    tolerance: 1e-4,
  };
}

function memory(tasks: number, n: number): Work {
  return {
    kind: 'memory',
    name: `memories, ${tasks} tasks x ${n}`,
    params: { tasks, n },
    inputs: () => {
      const { images, digits } = mnist(tasks, n);
      return { ...weights(), x: images, y: digits };
    },
    tolerance: 1e-4,
  };
}

/** So many sets of n digits, [tasks, n, 784] and [tasks, n]: four fifths of the pixels are 0, as in any memory of MNIST. */
function mnist(tasks: number, n: number): { images: HostArray; digits: HostArray } {
  const { inputs, targets } = loadMnist('train', { limit: tasks * n });
  return { images: host(inputs.reshape([tasks, n, SIZES[0]])), digits: host(targets.reshape([tasks, n])) };
}

/** The paper's permuted stream: one pass over `samples` of each task, batches of 10, lr 0.1, memory strength 0.5. */
function gem(tasks: number, samples: number, memories: number, testSamples: number): Work {
  const params = { tasks, samples, memories, testSamples, batch: 10, lr: 0.1, memoryStrength: 0.5 };
  return {
    kind: 'gem',
    name: `GEM run, ${tasks} tasks`,
    params,
    parts: tasks,
    // The data as arrays, for those who cannot make the stream: batches in the order in which gemlab's strategy draws them.
    inputs: () => {
      const stream = gemStream(params);
      const rng = gemOrder();
      const [d] = SIZES;
      const train = new Float32Array(tasks * samples * d);
      const targets = new Int32Array(tasks * samples);
      const permutations = new Int32Array(tasks * d);
      for (const [t, experience] of stream.entries()) {
        let at = t * samples;
        for (const batch of experience.train.batches(params.batch, { rng })) {
          train.set(batch.inputs.dataSync() as Float32Array, at * d);
          targets.set(batch.targets.dataSync() as Int32Array, at);
          at += batch.targets.size;
        }
        permutations.set(experience.permutation.dataSync() as Int32Array, t * d);
      }
      const test = loadMnist('test', { limit: testSamples });
      return {
        ...weights(),
        x: { shape: [tasks, samples, d], data: train },
        y: { shape: [tasks, samples], data: targets },
        permutations: { shape: [tasks, d], data: permutations },
        testX: host(test.inputs),
        testY: host(test.targets),
      };
    },
    // Accuracies: one rounding turns one decision near zero, and from there on trajectories part.
    tolerance: 0.03,
  };
}
