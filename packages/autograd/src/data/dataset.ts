// A dataset is samples and their targets that are never copied: which rows of a tensor, in which order, seen through
// which transform.
//
//     input i  =  transform(inputs[rows[i]]),   target i  =  targets[i]
//
// T permuted or rotated versions of the same images are then T index tensors over one copy of them (20 copies of
// MNIST's 10,000 test images would be 600 MB). Rows and transforms apply when a batch is asked for, to that batch
// alone. The rows need not be a tensor before that either: images may stay bytes, a quarter of what they are as numbers.

import { arange, type Device, errors, keep, type Rng, type Shape, scope, Tensor, tensor, where } from '@gemlab/tensor';
import { kindOf } from '../checks.ts';
import { DatasetError } from '../errors.ts';

/**
 * Inputs [n, ...] and what a model should make of them, [n, ...]: class labels are int32 [n]. Where they come from several tasks,
 * the task of each too, int32 [n], as models that tell tasks apart want it.
 */
export interface Samples {
  readonly inputs: Tensor;
  readonly targets: Tensor;
  readonly tasks?: Tensor | undefined;
}

/** A function of a batch of inputs [n, ...] to another, [n, ...]; it treats each sample the same wherever it stands. */
export interface Transform {
  (inputs: Tensor): Tensor;
  /** What it draws from, for `sampleShape` to put back where it stood. */
  readonly generators?: readonly Rng[];
}

/** Inputs that become tensors when they are asked for: images kept as bytes, rows of a file. */
export interface InputRows {
  /** [n, ...] */
  readonly shape: Shape;
  /** Where the tensors will be. */
  readonly device: Device;
  /** A new tensor of these rows, [k, ...]. They are counted out by an int32 tensor [k] of numbers from 0 to n - 1. */
  take(rows: Tensor): Tensor;
}

export interface DatasetOptions extends Omit<Samples, 'inputs'> {
  readonly inputs: Tensor | InputRows;
  /** Which row of `inputs` sample i is: int32 [n], one for each target. Row i when left out. */
  readonly rows?: Tensor | undefined;
  /** Applied to the inputs of every batch when it is asked for. */
  readonly transform?: Transform | undefined;
}

export interface BatchOptions {
  /** Shuffles: one permutation is drawn for each call. Without it the samples come in order. */
  readonly rng?: Rng | undefined;
  /** Leaves out a last batch that is smaller than the others. Default false. */
  readonly dropLast?: boolean | undefined;
}

const { shapeText } = errors;

export class Dataset {
  /** How many samples. */
  readonly length: number;
  /** What belongs to the samples, [length, ...]. */
  readonly targets: Tensor;
  /** The task of each sample, int32 [length], where it was given. */
  readonly tasks: Tensor | undefined;
  readonly #inputs: Tensor | InputRows;
  readonly #rows: Tensor | undefined;
  readonly #transform: Transform | undefined;

  /**
   * The dataset keeps its tensors: they outlive the scopes that are open now.
   * @throws DatasetError if there are no samples, or if lengths, dtypes or devices do not fit.
   */
  constructor({ inputs, targets, tasks, rows, transform }: DatasetOptions) {
    for (const [name, x] of Object.entries({ inputs, targets })) {
      if (x instanceof Tensor ? x.rank > 0 : name === 'inputs' && isInputRows(x)) continue;
      const found = x instanceof Tensor ? 'a scalar' : String(x);
      throw new DatasetError('Dataset', name, x, `${name} must be a tensor [n, ...], found ${found}`);
    }
    if (transform !== undefined) wantTransform(transform);
    if (rows !== undefined) wantVector('rows', rows);
    if (tasks !== undefined) wantVector('tasks', tasks);
    const length = rows?.size ?? inputs.shape[0]!;
    if (targets.shape[0] !== length) {
      const counted = rows === undefined ? `inputs ${shapeText(inputs.shape)}` : `rows ${shapeText(rows.shape)}`;
      const message = `${counted} and targets ${shapeText(targets.shape)} must have one length (${length} != ${targets.shape[0]})`;
      throw new DatasetError('Dataset', 'targets', targets.shape, message);
    }
    if (tasks !== undefined && tasks.size !== length) {
      const message = `there are ${length} samples and ${tasks.size} tasks; each sample has one`;
      throw new DatasetError('Dataset', 'tasks', tasks.size, message);
    }
    if (length === 0) throw new DatasetError('Dataset', 'inputs', 0, 'a dataset needs at least one sample, found none');
    for (const [name, x] of Object.entries({ targets, tasks, rows })) {
      if (x === undefined || x.device === inputs.device) continue;
      const message = `inputs live on '${inputs.device}' and ${name} on '${x.device}'; move one with .to('${inputs.device}')`;
      throw new DatasetError('Dataset', name, x.device, message);
    }
    if (tasks !== undefined) wantRange('tasks', tasks, Infinity, 'tasks are counted from 0');
    if (rows !== undefined) wantRange('rows', rows, inputs.shape[0]!, `inputs has ${inputs.shape[0]} rows`);
    this.length = length;
    this.targets = keep(targets);
    this.tasks = tasks && keep(tasks);
    this.#inputs = inputs instanceof Tensor ? keep(inputs) : inputs;
    // Those who make rows get the numbers of rows that there are.
    const all = inputs instanceof Tensor ? undefined : arange(length).to(inputs.device);
    const own = rows ?? all;
    this.#rows = own && keep(own);
    this.#transform = transform;
  }

  /** A dataset as it is; samples and labels as a dataset. @throws DatasetError as the constructor. */
  static from(source: Dataset | Samples): Dataset {
    if (source instanceof Dataset) return source;
    return new Dataset({ inputs: source.inputs, targets: source.targets, tasks: source.tasks });
  }

  /** The shape of one transformed sample: that of a batch's inputs without the first axis. Nothing is drawn for it (see Transform). */
  get sampleShape(): Shape {
    const generators = this.#transform?.generators ?? [];
    const before = generators.map((rng) => rng.state);
    try {
      return scope(() => this.range(0, 1).inputs.shape.slice(1));
    } finally {
      generators.forEach((rng, i) => {
        rng.restore(before[i]!);
      });
    }
  }

  /**
   * The class labels that occur, each once, in ascending order.
   * @throws DatasetError unless targets are int32 [n], each at least 0.
   */
  get classes(): readonly number[] {
    wantVector('targets', this.targets);
    wantRange('targets', this.targets, Infinity, 'labels are class indices, counted from 0');
    return [...new Set(this.targets.toArray() as number[])].sort((a, b) => a - b);
  }

  /** The name of the device that holds the samples. */
  get device(): Tensor['device'] {
    return this.#inputs.device;
  }

  /**
   * The samples that a 1-d int32 tensor counts out, in its order and with its repeats: inputs [k, ...], targets [k].
   * @throws errors.IndexError, errors.DTypeError, errors.ShapeError (of @gemlab/tensor) if they are no such indices;
   *   DatasetError if the transform changes the number of samples.
   */
  batch(indices: Tensor): Samples {
    const rows = this.#rows === undefined ? indices : this.#rows.indexSelect(0, indices);
    const inputs = this.#transformed(this.#take(rows));
    return { inputs, ...this.#beside((x) => x.indexSelect(0, indices)) };
  }

  /**
   * Samples start to stop - 1 in order, without copying them where rows and transform allow it.
   * @throws DatasetError unless 0 <= start < stop <= length; or if the transform changes the number of samples.
   */
  range(start: number, stop: number): Samples {
    wantInteger('Dataset.range', 'start', start, 0, this.length - 1);
    wantInteger('Dataset.range', 'stop', stop, start + 1, this.length);
    const rows = this.#rows?.slice([start, stop]);
    const inputs = rows === undefined ? (this.#inputs as Tensor).slice([start, stop]) : this.#take(rows);
    return { inputs: this.#transformed(inputs), ...this.#beside((x) => x.slice([start, stop])) };
  }

  /**
   * Every sample once, as 1-d int32 tensors of `batchSize` indices for `batch`; the last may be shorter. In a training
   * loop, call `batch` inside the step's scope, so that the scope returns the batch's memory.
   * @throws DatasetError unless batchSize is an integer >= 1.
   */
  indexBatches(batchSize: number, { rng, dropLast = false }: BatchOptions = {}): Generator<Tensor, void, undefined> {
    wantInteger('Dataset.indexBatches', 'batchSize', batchSize, 1);
    const order = rng ? tensor(rng.permutation(this.length)) : arange(this.length);
    return pieces(keep(order.to(this.device)), batchSize, dropLast);
  }

  /**
   * Every sample once, `batchSize` at a time; the last batch may be smaller.
   * @throws DatasetError unless batchSize is an integer >= 1.
   */
  batches(batchSize: number, options: BatchOptions = {}): Generator<Samples, void, undefined> {
    wantInteger('Dataset.batches', 'batchSize', batchSize, 1);
    if (options.rng) return this.#each(this.indexBatches(batchSize, options));
    return this.#inOrder(batchSize, options.dropLast ? this.length - (this.length % batchSize) : this.length);
  }

  /**
   * The samples that a 1-d int32 tensor counts out, as a dataset that shares this one's inputs (4 or 8 bytes a sample).
   * @throws DatasetError if there are none; errors.IndexError, errors.DTypeError, errors.ShapeError as `batch`.
   */
  subset(indices: Tensor): Dataset {
    const beside = this.#beside((x) => x.indexSelect(0, indices));
    // An index may count from the end, which a row does not.
    const rows = this.#rows?.indexSelect(0, indices) ?? where(indices.lt(0), indices.add(this.length), indices);
    return new Dataset({ inputs: this.#inputs, ...beside, rows, transform: this.#transform });
  }

  /** The same samples in tensors of their own: where they are few of many, the others need not be kept for them. */
  copy(): Dataset {
    const rows = this.#rows;
    const inputs = rows === undefined ? (this.#inputs as Tensor).copy() : this.#take(rows);
    return new Dataset({ inputs, ...this.#beside((x) => x.copy()), transform: this.#transform });
  }

  /** The same samples seen through one more transform, applied after those there are. @throws DatasetError if it is no function. */
  map(transform: Transform): Dataset {
    wantTransform(transform);
    const first = this.#transform;
    const generators = [...(first?.generators ?? []), ...(transform.generators ?? [])];
    const composed =
      first === undefined ? transform : Object.assign((x: Tensor) => transform(first(x)), { generators });
    return new Dataset({ inputs: this.#inputs, ...this.#beside((x) => x), rows: this.#rows, transform: composed });
  }

  /** The same samples with other targets, [length, ...]. @throws DatasetError as the constructor. */
  withTargets(targets: Tensor): Dataset {
    const rows = this.#rows;
    return new Dataset({ inputs: this.#inputs, targets, tasks: this.tasks, rows, transform: this.#transform });
  }

  /** What stands beside the inputs, of some samples. */
  #beside(choose: (x: Tensor) => Tensor): Omit<Samples, 'inputs'> {
    return { targets: choose(this.targets), ...(this.tasks && { tasks: choose(this.tasks) }) };
  }

  *#inOrder(batchSize: number, stop: number): Generator<Samples, void, undefined> {
    for (let i = 0; i < stop; i += batchSize) yield this.range(i, Math.min(i + batchSize, stop));
  }

  *#each(indices: Iterable<Tensor>): Generator<Samples, void, undefined> {
    for (const index of indices) yield this.batch(index);
  }

  /**
   * Parts of the given numbers of samples, drawn at random with a generator, else in order; what is left over is in
   * none.
   * @throws DatasetError unless the sizes are integers >= 1 that add up to no more than there are.
   */
  split(sizes: readonly number[], { rng }: { readonly rng?: Rng | undefined } = {}): Dataset[] {
    for (const size of sizes) wantInteger('Dataset.split', 'a size', size, 1);
    const total = sizes.reduce((a, b) => a + b, 0);
    wantInteger('Dataset.split', 'the sum of the sizes', total, 0, this.length);
    const order = (rng ? tensor(rng.permutation(this.length)) : arange(this.length)).to(this.device);
    return order
      .slice([0, total])
      .split(sizes)
      .map((part) => this.subset(part));
  }

  #take(rows: Tensor): Tensor {
    const inputs = this.#inputs;
    if (inputs instanceof Tensor) return inputs.indexSelect(0, rows);
    const made = inputs.take(rows);
    const shape = [rows.size, ...inputs.shape.slice(1)];
    if (made.device === inputs.device && made.shape.join() === shape.join()) return made;
    const found = `${shapeText(made.shape)} on '${made.device}'`;
    const message = `inputs.take made ${found} of ${rows.size} rows; expected ${shapeText(shape)} on '${inputs.device}'`;
    throw new DatasetError('Dataset', 'inputs', made.shape, message);
  }

  #transformed(inputs: Tensor): Tensor {
    if (this.#transform === undefined) return inputs;
    const out: unknown = this.#transform(inputs);
    if (!(out instanceof Tensor)) {
      const message = `the transform returned ${kindOf(out)}; it makes a tensor [n, ...] of a batch`;
      throw new DatasetError('Dataset', 'transform', out, message);
    }
    if (out.shape[0] === inputs.shape[0]) return out;
    const message = `the transform made ${shapeText(out.shape)} of ${shapeText(inputs.shape)}; the first axis counts the samples`;
    throw new DatasetError('Dataset', 'transform', out.shape, `${message} and must stay as it is`);
  }
}

function* pieces(order: Tensor, size: number, dropLast: boolean): Generator<Tensor, void, undefined> {
  const stop = dropLast ? order.size - size + 1 : order.size;
  for (let i = 0; i < stop; i += size) yield order.slice([i, i + size]);
}

const isInputRows = (x: unknown): boolean => {
  const { shape, take } = (x ?? {}) as Partial<InputRows>;
  return Array.isArray(shape) && shape.length > 0 && typeof take === 'function';
};

function wantTransform(x: unknown): void {
  if (typeof x === 'function') return;
  throw new DatasetError('Dataset', 'transform', x, `a transform is a function of a batch, found ${kindOf(x)}`);
}

function wantVector(argument: string, x: Tensor): void {
  if (x instanceof Tensor && x.dtype === 'int32' && x.rank === 1) return;
  const found = x instanceof Tensor ? `${x.dtype} ${shapeText(x.shape)}` : String(x);
  const fix = x instanceof Tensor && x.dtype !== 'int32' ? "; did you mean .cast('int32')?" : '';
  throw new DatasetError('Dataset', argument, x, `${argument} must be an int32 tensor [n], found ${found}${fix}`);
}

/** @throws DatasetError unless every element is at least 0 and less than `end`. */
function wantRange(argument: string, x: Tensor, end: number, why: string): void {
  const [low, high] = scope(() => [x.min().item() as number, x.max().item() as number] as const);
  if (low >= 0 && high < end) return;
  const found = low < 0 ? low : high;
  throw new DatasetError('Dataset', argument, found, `${argument} holds ${found}; ${why}`);
}

/** @throws DatasetError unless `value` is an integer of [low, high]. */
function wantInteger(operation: string, argument: string, value: number, low: number, high = Infinity): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const range = high === Infinity ? `an integer >= ${low}` : `an integer from ${low} to ${high}`;
  throw new DatasetError(operation, argument, value, `${argument} is ${String(value)}; expected ${range}`);
}
