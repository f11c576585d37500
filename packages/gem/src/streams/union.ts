// Experiences together. Joint training sees all tasks at once, and is what continual learning is measured against; the "shuffled
// oracle" of Lopez-Paz & Ranzato (2017, section 5.3) meets the same samples one by one, but in random order.
//
// A union copies no sample: its inputs are numbers, and its transform fetches the samples that they count out.

import { Dataset } from '@gemlab/autograd';
import { arange, concat, full, type Rng, scope, type Tensor, tensor } from '@gemlab/tensor';
import { wantInteger, wantRng } from './errors.ts';
import { type Experience, experience, indexTensor, type Stream } from './stream.ts';

/** 'orac' in ASCII. */
const FAMILY = 0x6f726163;

/**
 * The samples of datasets one after another, each with its task label: the one its dataset gives it, or else that of its dataset.
 * @throws StreamError unless there are datasets, and as many task labels (0 where they are left out).
 */
export function unionOf(parts: readonly Dataset[], taskLabels: readonly number[] = parts.map(() => 0)): Dataset {
  wantInteger('unionOf', 'parts.length', parts.length, 1);
  wantInteger('unionOf', 'taskLabels.length', taskLabels.length, parts.length, parts.length);
  const { device } = parts[0]!;
  const starts: number[] = [];
  let length = 0;
  for (const part of parts) {
    starts.push(length);
    length += part.length;
  }
  const numbersOf = (list: readonly number[]) => tensor(Int32Array.from(list), { device });
  const fetch = (numbers: Tensor): Tensor => {
    const wanted = numbers.toArray() as number[];
    const order: number[] = [];
    const batches = parts.flatMap((part, p) => {
      const start = starts[p]!;
      const at = wanted.flatMap((n, i) => (n >= start && n < start + part.length ? [i] : []));
      order.push(...at);
      return at.length === 0
        ? []
        : [
            part.batch(
              indexTensor(
                at.map((i) => wanted[i]! - start),
                device,
              ),
            ).inputs,
          ];
    });
    const back = new Array<number>(wanted.length);
    order.forEach((i, place) => {
      back[i] = place;
    });
    return concat(batches).indexSelect(0, numbersOf(back));
  };
  return scope(
    () =>
      new Dataset({
        inputs: arange(0, length, 1, { dtype: 'int32', device }),
        targets: concat(parts.map((part) => part.targets)),
        tasks: concat(
          parts.map((part, p) => part.tasks ?? full([part.length], taskLabels[p]!, { dtype: 'int32', device })),
        ),
        transform: fetch,
      }),
  );
}

/** All of a stream as one experience: train on it for the joint ("offline") upper bound, and evaluate on the stream. */
export function jointExperience(stream: Stream): Experience {
  const union = (side: 'train' | 'test') =>
    unionOf(
      stream.map((e) => e[side]),
      stream.map((e) => e.taskLabel),
    );
  return experience(0, { train: union('train'), test: union('test'), name: 'joint' });
}

/**
 * The paper's shuffled oracle as a stream of the same length: the training samples of all tasks, shuffled, are dealt out to the
 * experiences; each keeps its test set. Training on it in order is one shuffled pass, and the accuracy matrix reads as ever.
 */
export function shuffledStream(stream: Stream, rng: Rng): Stream {
  const { train } = jointExperience(stream);
  wantRng('shuffledStream', rng);
  const order = rng.foldIn(FAMILY).permutation(train.length);
  const cut = (t: number) => Math.round((t * train.length) / stream.length);
  return stream.map(({ test, name, taskLabel }, t) =>
    experience(t, {
      train: train.subset(indexTensor(order.slice(cut(t), cut(t + 1)), train.device)),
      test,
      name,
      taskLabel,
    }),
  );
}
