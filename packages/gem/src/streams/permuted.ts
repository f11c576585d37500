// Permuted tasks: every task shows the same images with the pixels in an order of its own.
//
//     x'[i] = x[p_t[i]],   p_t a random permutation of the d inputs
//
// The benchmark of Goodfellow et al. (2013) and Kirkpatrick et al. (2017); here as in Lopez-Paz & Ranzato (2017), whose code
// (data/mnist_permutations.py, main.py) permutes the first task too and draws each task's training samples anew.

import type { Transform } from '@gemlab/autograd';
import type { Rng, Tensor } from '@gemlab/tensor';
import { wantInteger, wantRng } from './errors.ts';
import {
  drawSamples,
  type Experience,
  experience,
  indexTensor,
  openSources,
  type Sources,
  type Stream,
  wantSampleCount,
} from './stream.ts';

/** 'perm' in ASCII: the family's name under the caller's generator. */
const FAMILY = 0x7065726d;

export interface PermutedExperience extends Experience {
  /** int32 [d]: input i of this task is input permutation[i] of the source (row-major over a sample's axes). */
  readonly permutation: Tensor;
}

export interface PermutedStreamOptions extends Sources {
  /** How many tasks. */
  readonly tasks: number;
  /** Decides permutations and samples; the same seed gives the same stream. */
  readonly rng: Rng;
  /** Training samples of each task, its own random draw without replacement; all of them when left out. */
  readonly samplesPerTask?: number | undefined;
  /** Leaves the first task's pixels where they are. False by default, as in the 2018 code and in Avalanche. */
  readonly firstIdentity?: boolean | undefined;
  /** Tells the learner which task it is in: taskLabel = index in place of 0. */
  readonly taskLabels?: boolean | undefined;
}

/**
 * Inputs [n, ...] with the elements of each sample in another order: element i of the result is element order[i] of the sample
 * (row-major); the shape stays. `order` is int32 [d], d the elements of a sample.
 */
export function pixelPermutation(order: Tensor): Transform {
  return (inputs) => inputs.flatten(1).indexSelect(1, order).reshape(inputs.shape);
}

/**
 * A stream of `tasks` permutations of one data set. Task k depends on the seed and on k alone: a stream of 5 tasks is the
 * beginning of the stream of 20.
 * @throws StreamError if tasks is not an integer >= 1, samplesPerTask not one from 1 to the training samples there are, or if
 *   train and test do not fit together.
 */
export function permutedStream(options: PermutedStreamOptions): Stream<PermutedExperience> {
  const { train, test, shape } = openSources('permutedStream', options);
  wantInteger('permutedStream', 'tasks', options.tasks, 1);
  wantSampleCount('permutedStream', options.samplesPerTask, train);
  wantRng('permutedStream', options.rng);
  const family = options.rng.foldIn(FAMILY);
  const pixels = shape.reduce((n, d) => n * d, 1);
  return Array.from({ length: options.tasks }, (_, index) => {
    const [orders, samples] = family.foldIn(index).split(2) as [Rng, Rng];
    const identity = options.firstIdentity === true && index === 0;
    const order = identity ? Array.from({ length: pixels }, (_, i) => i) : orders.permutation(pixels);
    const permutation = indexTensor(order, train.device);
    const permute = pixelPermutation(permutation);
    const parts = {
      train: drawSamples(train, options.samplesPerTask, options.tasks, samples).map(permute),
      test: test.map(permute),
      name: identity ? 'unpermuted' : `permutation ${index}`,
      taskLabel: options.taskLabels ? index : 0,
    };
    return { ...experience(index, parts), permutation };
  });
}
