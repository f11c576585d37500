// A stream is a sequence of experiences: the tasks in the order in which a learner meets them, each with samples to
// learn from and samples to be tested on.
//
// All randomness of a stream comes from children of the caller's generator that carry the name of the stream's
// family and of the task (rng.foldIn(family).foldIn(task)). So a stream is a function of the generator's seed, whatever has
// been drawn from it; task k is the same however many tasks follow it; and a caller who names children 0, 1, 2, ... of
// the same generator for purposes of their own gets others.

import { Dataset, type Samples } from '@gemlab/autograd';
import { keep, type Rng, type Shape, type Tensor, tensor } from '@gemlab/tensor';
import { datasetOf, StreamError, wantInteger } from './errors.ts';

/** One task of a stream. */
export interface Experience {
  /** Its place in the stream, from 0. */
  readonly index: number;
  readonly name: string;
  /** Which task a learner that may be told is told this is; 0 throughout where a stream does not tell. */
  readonly taskLabel: number;
  readonly train: Dataset;
  readonly test: Dataset;
  /** The labels that occur in train or test, ascending: as they stand in `targets`, after any relabelling. */
  readonly classes: readonly number[];
}

/** Experiences in the order in which they are met. */
export type Stream<E extends Experience = Experience> = readonly E[];

/** What a task is made of; the rest of an `Experience` follows from it and from its place. */
export interface TaskParts {
  readonly train: Dataset | Samples;
  readonly test: Dataset | Samples;
  /** 'task i' when left out. */
  readonly name?: string | undefined;
  /** An integer >= 0; 0 when left out. */
  readonly taskLabel?: number | undefined;
}

/**
 * A stream of tasks from any arrays.
 * @throws StreamError if there are no tasks, or a task label is not an integer >= 0; DatasetError if a task's data make no
 *   dataset, or its targets are no class labels.
 */
export function streamOf(tasks: readonly TaskParts[]): Stream {
  wantInteger('streamOf', 'tasks.length', tasks.length, 1);
  return tasks.map((parts, index) => {
    wantInteger('streamOf', `tasks[${index}].taskLabel`, parts.taskLabel ?? 0, 0);
    const [train, test] = (['train', 'test'] as const).map((part) =>
      datasetOf('streamOf', `tasks[${index}].${part}`, parts[part]),
    ) as [Dataset, Dataset];
    return experience(index, { ...parts, train, test });
  });
}

/** One experience of the stream that a builder puts together. */
export function experience(index: number, parts: TaskParts): Experience {
  const train = Dataset.from(parts.train);
  const test = Dataset.from(parts.test);
  const classes = [...new Set([...train.classes, ...test.classes])].sort((a, b) => a - b);
  return { index, name: parts.name ?? `task ${index}`, taskLabel: parts.taskLabel ?? 0, train, test, classes };
}

/** Where a builder takes its samples from. */
export interface Sources {
  readonly train: Dataset | Samples;
  readonly test: Dataset | Samples;
}

/** The two sources as datasets. @throws StreamError unless their samples have one shape and live on one device. */
export function openSources(operation: string, sources: Sources): { train: Dataset; test: Dataset; shape: Shape } {
  const train = datasetOf(operation, 'train', sources.train);
  const test = datasetOf(operation, 'test', sources.test);
  const [shape, other] = [train.sampleShape, test.sampleShape];
  if (shape.join() !== other.join()) {
    const message = `samples differ in shape: [${shape.join(',')}] in train, [${other.join(',')}] in test`;
    throw new StreamError(operation, 'test', other, message);
  }
  if (train.device !== test.device) {
    const message = `samples live on two devices: '${train.device}' in train, '${test.device}' in test`;
    throw new StreamError(operation, 'test', test.device, message);
  }
  return { train, test, shape };
}

/**
 * The training samples of one of `tasks` tasks: `count` of them drawn without replacement (in random order), or all. The draw is held as
 * row numbers, 4 bytes a sample, and the samples stay where they are; unless all tasks together draw only a few of them. Then each has copies,
 * and who has no more use for the others can let them go (20 tasks of 1000 digits are 63 MB, all 60,000 are 188).
 */
export function drawSamples(train: Dataset, count: number | undefined, tasks: number, rng: Rng): Dataset {
  if (count === undefined) return train;
  const drawn = train.subset(indexTensor(rng.choice(train.length, count), train.device));
  return tasks * count <= train.length / 2 ? drawn.copy() : drawn;
}

/** @throws StreamError unless `samplesPerTask` is left out or from 1 to the number of training samples. */
export function wantSampleCount(operation: string, count: number | undefined, train: Dataset): void {
  if (count !== undefined) wantInteger(operation, 'samplesPerTask', count, 1, train.length);
}

/** Indices as an int32 tensor [n] that outlives the open scopes. */
export function indexTensor(indices: ArrayLike<number>, device: Tensor['device']): Tensor {
  return keep(tensor(Int32Array.from(indices), { device }));
}
