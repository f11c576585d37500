// Online streams: each experience is cut into small ones of k samples, which a learner meets one after another, often in batches of one
// or a few and once each (Avalanche's split_online_stream; "online continual learning", Mai et al. 2022). With m samples in order p,
//
//     part i of an experience  =  samples p[i k], ..., p[min(i k + k, m) - 1],      i = 0, ..., ceil(m / k) - 1
//
// The parts are made when they are asked for, and hold row numbers only: cutting up a large stream costs nothing.

import { arange, type Rng, scope } from '@gemlab/tensor';
import { StreamError, wantInteger } from './errors.ts';
import { type Experience, indexTensor, type Stream } from './stream.ts';

/** 'onli' in ASCII: the family's name under the caller's generator. */
const FAMILY = 0x6f6e6c69;

export interface OnlineExperience<E extends Experience = Experience> extends Experience {
  /** The experience that this is a part of; its index and everything else that is known of it. */
  readonly origin: E;
  /** Which part of it, from 0. */
  readonly part: number;
  /** How many parts it has. After the last of them, parts - 1, the next experience begins. */
  readonly parts: number;
}

export interface OnlineStreamOptions {
  /** k: samples of each part. */
  readonly experienceSize: number;
  /** Shuffles the samples of each experience before they are dealt out; left out, they come in order. */
  readonly rng?: Rng | undefined;
  /** Leaves out a last part with fewer than k samples. Default false. */
  readonly dropLast?: boolean | undefined;
}

/**
 * The parts of a stream's experiences, in order and lazily: `for (const part of onlineStream(...)) await strategy.train(part)`. They are
 * counted through (`index`); task label and test set are the origin's, `classes` the labels of the part and of that test set. In which
 * order the samples of an experience come depends on the seed and on its index alone.
 * @throws StreamError at once, unless experienceSize is an integer >= 1; if dropLast would leave nothing of an experience.
 */
export function onlineStream<E extends Experience>(
  stream: Stream<E> | E,
  { experienceSize, rng, dropLast = false }: OnlineStreamOptions,
): Generator<OnlineExperience<E>, void, undefined> {
  const origins = Array.isArray(stream) ? (stream as Stream<E>) : [stream as E];
  wantInteger('onlineStream', 'experienceSize', experienceSize, 1);
  for (const { name, train } of origins) {
    if (!dropLast || train.length >= experienceSize) continue;
    const message = `'${name}' has ${train.length} samples, fewer than experienceSize ${experienceSize}; dropLast would leave nothing of it`;
    throw new StreamError('onlineStream', 'dropLast', train.length, message);
  }
  return partsOf(origins, experienceSize, rng?.foldIn(FAMILY), dropLast);
}

function* partsOf<E extends Experience>(
  origins: readonly E[],
  size: number,
  family: Rng | undefined,
  dropLast: boolean,
): Generator<OnlineExperience<E>, void, undefined> {
  let index = 0;
  for (const origin of origins) {
    const { train, test, name, taskLabel } = origin;
    const { device } = train;
    const held = test.classes;
    const order = family && indexTensor(family.foldIn(origin.index).permutation(train.length), device);
    const parts = dropLast ? Math.floor(train.length / size) : Math.ceil(train.length / size);
    for (let part = 0; part < parts; part++) {
      const range = [part * size, Math.min((part + 1) * size, train.length)] as const;
      // What a part keeps outlives the scope: its own row numbers, labels and tasks.
      const own = scope(() => train.subset(order?.slice(range) ?? arange(...range).to(device)));
      const classes = [...new Set([...own.classes, ...held])].sort((a, b) => a - b);
      const place = { origin, part, parts };
      yield {
        index: index++,
        name: `${name}, part ${part + 1} of ${parts}`,
        taskLabel,
        train: own,
        test,
        classes,
        ...place,
      };
    }
  }
}
