// A dataset is samples and labels that are never copied: which rows of a tensor, in which order, seen through which
// transform.
//
//     sample i  =  transform(inputs[rows[i]]),   label i  =  targets[i]
//
// A stream of T permuted or rotated tasks is then T index tensors over one copy of the images (20 copies of MNIST's
// 10,000 test images would be 600 MB). Rows and transforms apply when a batch is asked for, to that batch alone.

import { keep, type Rng, type Shape, scope, Tensor, tensor } from '@gemlab/tensor';
import { StreamError, wantInteger } from './errors.ts';

/** Samples [n, ...] and their class labels, int32 [n]. */
export interface Samples {
  readonly inputs: Tensor;
  readonly targets: Tensor;
}

/** A function of a batch of inputs [n, ...] to another, [n, ...]; it treats each sample the same wherever it stands. */
export type Transform = (inputs: Tensor) => Tensor;

export interface DatasetOptions extends Samples {
  /** Which row of `inputs` sample i is: int32 [n], one for each target. Row i when left out. */
  readonly rows?: Tensor | undefined;
  /** Applied to the inputs of every batch when it is asked for. */
  readonly transform?: Transform | undefined;
}

export interface BatchOptions {
  /** Shuffles: one permutation is drawn for each call. Without it the samples come in order. */
  readonly rng?: Rng | undefined;
}

const shapeText = (shape: Shape) => `[${shape.join(',')}]`;

export class Dataset {
  /** How many samples. */
  readonly length: number;
  /** The labels, int32 [length], each >= 0. */
  readonly targets: Tensor;
  readonly #inputs: Tensor;
  readonly #rows: Tensor | undefined;
  readonly #transform: Transform | undefined;

  /**
   * The dataset keeps its tensors: they outlive the scopes that are open now.
   * @throws StreamError if there are no samples, if lengths, dtypes or devices do not fit, or if a label is negative.
   */
  constructor({ inputs, targets, rows, transform }: DatasetOptions) {
    wantVector('targets', targets);
    if (!(inputs instanceof Tensor) || inputs.rank === 0) {
      const found = inputs instanceof Tensor ? 'a scalar' : String(inputs);
      throw new StreamError('Dataset', 'inputs', inputs, `inputs must be a tensor [n, ...], found ${found}`);
    }
    if (rows !== undefined) wantVector('rows', rows);
    const length = rows?.size ?? inputs.shape[0]!;
    if (targets.size !== length) {
      const counted = rows === undefined ? `inputs ${shapeText(inputs.shape)}` : `rows ${shapeText(rows.shape)}`;
      const message = `${counted} and targets ${shapeText(targets.shape)} must have one length (${length} != ${targets.size})`;
      throw new StreamError('Dataset', 'targets', targets.size, message);
    }
    if (length === 0) throw new StreamError('Dataset', 'inputs', 0, 'a dataset needs at least one sample, found none');
    for (const [name, x] of [['targets', targets] as const, ['rows', rows] as const]) {
      if (x === undefined || x.device === inputs.device) continue;
      const message = `inputs live on '${inputs.device}' and ${name} on '${x.device}'; move one with .to('${inputs.device}')`;
      throw new StreamError('Dataset', name, x.device, message);
    }
    wantRange('targets', targets, Infinity, 'labels are class indices, counted from 0');
    if (rows !== undefined) wantRange('rows', rows, inputs.shape[0]!, `inputs has ${inputs.shape[0]} rows`);
    this.length = length;
    this.targets = keep(targets);
    this.#inputs = keep(inputs);
    this.#rows = rows && keep(rows);
    this.#transform = transform;
  }

  /** A dataset as it is; samples and labels as a dataset. @throws StreamError as the constructor. */
  static from(source: Dataset | Samples): Dataset {
    return source instanceof Dataset ? source : new Dataset({ inputs: source.inputs, targets: source.targets });
  }

  /** The shape of one transformed sample: that of a batch's inputs without the first axis. */
  get sampleShape(): Shape {
    return scope(() => this.range(0, 1).inputs.shape.slice(1));
  }

  /** The labels that occur, each once, in ascending order. */
  get classes(): readonly number[] {
    return [...new Set(this.targets.toArray() as number[])].sort((a, b) => a - b);
  }

  /** The name of the device that holds the samples. */
  get device(): Tensor['device'] {
    return this.#inputs.device;
  }

  /**
   * The samples that a 1-d int32 tensor counts out, in its order and with its repeats: inputs [k, ...], targets [k].
   * @throws errors.IndexError, errors.DTypeError, errors.ShapeError (of @gemlab/tensor) if they are no such indices;
   *   StreamError if the transform changes the number of samples.
   */
  batch(indices: Tensor): Samples {
    const targets = this.targets.indexSelect(0, indices);
    const rows = this.#rows === undefined ? indices : this.#rows.indexSelect(0, indices);
    return { inputs: this.#transformed(this.#inputs.indexSelect(0, rows)), targets };
  }

  /**
   * Samples start to stop - 1 in order, without copying them where rows and transform allow it.
   * @throws StreamError unless 0 <= start < stop <= length; or if the transform changes the number of samples.
   */
  range(start: number, stop: number): Samples {
    wantInteger('Dataset.range', 'start', start, 0, this.length - 1);
    wantInteger('Dataset.range', 'stop', stop, start + 1, this.length);
    const rows = this.#rows?.slice([start, stop]);
    const inputs = rows === undefined ? this.#inputs.slice([start, stop]) : this.#inputs.indexSelect(0, rows);
    return { inputs: this.#transformed(inputs), targets: this.targets.slice([start, stop]) };
  }

  /**
   * Every sample once, as 1-d int32 tensors of `batchSize` indices for `batch`; the last may be shorter. In a training loop,
   * call `batch` inside the step's scope, so that the scope returns the batch's memory.
   * @throws StreamError unless batchSize is an integer >= 1.
   */
  indexBatches(batchSize: number, { rng }: BatchOptions = {}): Generator<Tensor, void, undefined> {
    wantInteger('Dataset.indexBatches', 'batchSize', batchSize, 1);
    const order = rng?.permutation(this.length) ?? Int32Array.from({ length: this.length }, (_, i) => i);
    return pieces(keep(tensor(order, { device: this.device })), batchSize);
  }

  /**
   * Every sample once, `batchSize` at a time; the last batch may be smaller.
   * @throws StreamError unless batchSize is an integer >= 1.
   */
  batches(batchSize: number, { rng }: BatchOptions = {}): Generator<Samples, void, undefined> {
    wantInteger('Dataset.batches', 'batchSize', batchSize, 1);
    return rng === undefined ? this.#inOrder(batchSize) : this.#each(this.indexBatches(batchSize, { rng }));
  }

  /**
   * The samples that a 1-d int32 tensor counts out, as a dataset that shares this one's inputs (4 or 8 bytes a sample).
   * @throws StreamError if there are none; errors.IndexError, errors.DTypeError, errors.ShapeError as `batch`.
   */
  subset(indices: Tensor): Dataset {
    const targets = this.targets.indexSelect(0, indices);
    const rows = this.#rows === undefined ? indices : this.#rows.indexSelect(0, indices);
    return new Dataset({ inputs: this.#inputs, targets, rows, transform: this.#transform });
  }

  /** The same samples seen through one more transform, applied after those there are. */
  map(transform: Transform): Dataset {
    const first = this.#transform;
    const composed: Transform = first === undefined ? transform : (inputs) => transform(first(inputs));
    return new Dataset({ inputs: this.#inputs, targets: this.targets, rows: this.#rows, transform: composed });
  }

  /** The same samples with other labels, int32 [length]. @throws StreamError as the constructor. */
  withTargets(targets: Tensor): Dataset {
    const rows = this.#rows;
    return new Dataset({ inputs: this.#inputs, targets, rows, transform: this.#transform });
  }

  *#inOrder(batchSize: number): Generator<Samples, void, undefined> {
    for (let i = 0; i < this.length; i += batchSize) yield this.range(i, Math.min(i + batchSize, this.length));
  }

  *#each(indices: Iterable<Tensor>): Generator<Samples, void, undefined> {
    for (const index of indices) yield this.batch(index);
  }

  #transformed(inputs: Tensor): Tensor {
    if (this.#transform === undefined) return inputs;
    const out = this.#transform(inputs);
    if (out.shape[0] === inputs.shape[0]) return out;
    const message = `the transform made ${shapeText(out.shape)} of ${shapeText(inputs.shape)}; the first axis counts the samples`;
    throw new StreamError('Dataset', 'transform', out.shape, `${message} and must stay as it is`);
  }
}

function* pieces(order: Tensor, size: number): Generator<Tensor, void, undefined> {
  for (let i = 0; i < order.size; i += size) yield order.slice([i, i + size]);
}

function wantVector(argument: string, x: Tensor): void {
  if (x instanceof Tensor && x.dtype === 'int32' && x.rank === 1) return;
  const found = x instanceof Tensor ? `${x.dtype} ${shapeText(x.shape)}` : String(x);
  const fix = x instanceof Tensor && x.dtype !== 'int32' ? "; did you mean .cast('int32')?" : '';
  throw new StreamError('Dataset', argument, x, `${argument} must be an int32 tensor [n], found ${found}${fix}`);
}

/** @throws StreamError unless every element is at least 0 and less than `end`. */
function wantRange(argument: string, x: Tensor, end: number, why: string): void {
  const [low, high] = scope(() => [x.min().item() as number, x.max().item() as number] as const);
  if (low >= 0 && high < end) return;
  const found = low < 0 ? low : high;
  throw new StreamError('Dataset', argument, found, `${argument} holds ${found}; ${why}`);
}
