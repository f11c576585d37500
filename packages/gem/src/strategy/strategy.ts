// Strategy: the training loop. Data flows one way: a stream of experiences gives batches, the model turns them into a loss, the
// loss into gradients, plugins may change those, the optimizer moves the parameters. (Avalanche's SupervisedTemplate.)
//
// Each step runs in a scope: tensors made in it are returned when it ends, except parameters and what a plugin keep()s.

import { type Dataset, type nn, noGrad, type optim, type Samples, type Variable, variable } from '@gemlab/autograd';
import { keep, Rng, type RngState, scope, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import { countCorrect } from '../metrics/accuracy.ts';
import { type State, type Stateful, StateMismatchError } from '../state.ts';
import type { Experience, Stream } from '../streams/stream.ts';
import type { Callback, StrategyPlugin } from './callbacks.ts';
import { breather, type StopSignal } from './pause.ts';
import { readClock, readOrder, readStrategy, writeStrategy } from './strategy-state.ts';

/** Outputs and targets to a scalar loss. */
export type Loss = (outputs: Variable, targets: Tensor) => Variable;

export interface StrategyOptions {
  readonly model: nn.Module;
  readonly optimizer: optim.Optimizer;
  readonly loss: Loss;
  /** Called in this order at every callback. */
  readonly plugins?: readonly StrategyPlugin[];
  readonly trainBatchSize: number;
  /**
   * How many batches make one update of the optimizer: that by the gradient of the mean loss over all their samples, as if they were one
   * batch (fewer at the end of an epoch). Default 1.
   */
  readonly accumulationSteps?: number;
  /** Passes over each experience. Default 1: GEM's setting sees each sample once. */
  readonly trainEpochs?: number;
  /** Default 1000. */
  readonly evalBatchSize?: number;
  /** Shuffles each epoch. */
  readonly rng: Rng;
  /** false: every epoch takes the samples in the order in which the dataset has them. Default true. */
  readonly shuffle?: boolean;
}

export interface RunOptions {
  /** Stops between two steps once aborted (an AbortSignal fits). */
  readonly signal?: StopSignal | undefined;
}

export interface TrainOptions extends RunOptions {
  /** Awaited after each step, when all callbacks have run and its scope has ended. */
  readonly afterStep?: (() => Promise<void> | void) | undefined;
  /**
   * Goes on in the middle of the first experience, where this was the strategy's state. The callbacks that precede are called again, so
   * the strategy is to be as it was when training began on that experience.
   */
  readonly middle?: State | null | undefined;
}

/** Where training is: all counts start at 0 and count what has been completed. Between experiences all but two are 0. */
export interface Clock {
  /** Experiences trained on. */
  experience: number;
  /** Epochs of this experience. */
  epoch: number;
  /** Steps of this epoch, and how many it has. */
  iteration: number;
  iterations: number;
  /** Steps since the strategy was made. */
  step: number;
}

/** How the model does on one experience's test set. */
export interface EvalResult {
  readonly experience: number;
  readonly name: string;
  /** Fraction of samples classified right. */
  readonly accuracy: number;
  /** Mean loss. */
  readonly loss: number;
  readonly samples: number;
}

export class Strategy implements Stateful {
  readonly model: nn.Module;
  readonly optimizer: optim.Optimizer;
  readonly criterion: Loss;
  readonly plugins: readonly StrategyPlugin[];
  readonly trainBatchSize: number;
  readonly accumulationSteps: number;
  readonly trainEpochs: number;
  readonly evalBatchSize: number;
  readonly rng: Rng;
  readonly shuffle: boolean;
  readonly clock: Clock = { experience: 0, epoch: 0, iteration: 0, iterations: 0, step: 0 };

  /** The experience being trained on or evaluated; null outside. */
  experience: Experience | null = null;
  /** Its data; a plugin may replace it between the two dataset-adaptation callbacks. */
  dataset: Dataset | null = null;
  /** Where the samples of the training batch stand in the dataset, int32 [n]. */
  indices: Tensor | null = null;
  /**
   * The current batch, the model's outputs for it and their loss: valid until the step's last callback has run. A plugin may replace
   * the batch up to beforeForward, the loss in beforeBackward, and the outputs that are counted in afterEvalForward.
   */
  batch: Samples | null = null;
  outputs: Variable | null = null;
  loss: Variable | null = null;
  /** The loss of the last training step as a number. */
  lastLoss = Number.NaN;
  /** The evaluation results so far of the running (or else the last) eval call. */
  results: readonly EvalResult[] = [];
  /** The state of `rng` from which the order of the epoch was drawn. */
  #order: RngState | null = null;
  #ending = false;

  /** @throws InvalidOptionError if a size is not a positive integer. */
  constructor(options: StrategyOptions) {
    const { trainEpochs = 1, evalBatchSize = 1000, accumulationSteps = 1, trainBatchSize } = options;
    for (const [name, value] of Object.entries({ trainBatchSize, accumulationSteps, trainEpochs, evalBatchSize })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new InvalidOptionError('Strategy', name, value, 'a positive integer');
      }
    }
    this.model = options.model;
    this.optimizer = options.optimizer;
    this.criterion = options.loss;
    this.plugins = options.plugins ?? [];
    this.trainBatchSize = trainBatchSize;
    this.accumulationSteps = accumulationSteps;
    this.trainEpochs = trainEpochs;
    this.evalBatchSize = evalBatchSize;
    this.rng = options.rng;
    this.shuffle = options.shuffle ?? true;
  }

  /**
   * Trains on one experience after another.
   * @returns true if all were finished; false if the signal stopped it, in which case the interrupted experience has had no
   * afterTrainingExp and counts as not trained on.
   * @throws StateMismatchError if `middle` is no state of this strategy.
   */
  async train(stream: Experience | Stream, { signal, afterStep, middle }: TrainOptions = {}): Promise<boolean> {
    const breathe = breather(signal);
    let resumed = middle ?? null;
    this.#fire('beforeTraining');
    for (const experience of Array.isArray(stream) ? (stream as Stream) : [stream as Experience]) {
      this.#enter(experience, experience.train, 'beforeTrainDatasetAdaptation', 'afterTrainDatasetAdaptation');
      this.model.train();
      this.#fire('beforeTrainingExp');
      this.#ending = false;
      this.clock.epoch = resumed === null ? 0 : readClock(resumed).epoch;
      for (; this.clock.epoch < this.trainEpochs && !this.#ending; this.clock.epoch++) {
        for (const indices of this.#startEpoch(resumed)) {
          if (this.#ending) break;
          if (await breathe()) return false;
          scope(() => this.#trainStep(indices));
          this.clock.iteration++;
          this.clock.step++;
          if (afterStep) await afterStep();
        }
        resumed = null;
        // What had been accumulated where the experience was ended.
        this.zeroGrad();
        this.#fire('afterTrainingEpoch');
      }
      this.#fire('afterTrainingExp');
      Object.assign(this.clock, { experience: this.clock.experience + 1, epoch: 0, iteration: 0, iterations: 0 });
    }
    this.#fire('afterTraining');
    return true;
  }

  #trainStep(indices: Tensor): void {
    this.indices = indices;
    this.batch = this.dataset!.batch(indices);
    this.#fire('beforeTrainingIteration');
    if (this.startsUpdate) this.zeroGrad();
    this.#fire('beforeForward');
    this.outputs = this.forward(this.batch);
    this.#fire('afterForward');
    this.loss = this.criterion(this.outputs, this.batch.targets);
    this.#fire('beforeBackward');
    const share = this.#shareOfUpdate(indices.size);
    (share === 1 ? this.loss : this.loss.mul(share)).backward();
    this.#fire('afterBackward');
    if (this.endsUpdate) {
      this.#fire('beforeUpdate');
      this.optimizer.step();
      this.#fire('afterUpdate');
    }
    this.lastLoss = this.loss.item() as number;
    this.#fire('afterTrainingIteration');
    // Gradients belong to the step's scope, which ends here, save those that wait for more.
    if (this.endsUpdate) this.zeroGrad();
    else for (const p of [...this.optimizer.parameters, ...this.model.parameters()]) keep(p.grad?.value);
  }

  /** Whether the batch under way is the first of those that make an update together: gradients begin at zero. */
  get startsUpdate(): boolean {
    return this.clock.iteration % this.accumulationSteps === 0;
  }

  /** Whether it is the last of them: the optimizer moves the parameters after it. */
  get endsUpdate(): boolean {
    const done = this.clock.iteration + 1;
    return done % this.accumulationSteps === 0 || done === this.clock.iterations;
  }

  /** The batch's share of the samples that make an update together. */
  #shareOfUpdate(samples: number): number {
    if (this.startsUpdate && this.endsUpdate) return 1;
    const first = this.clock.iteration - (this.clock.iteration % this.accumulationSteps);
    const end = (first + this.accumulationSteps) * this.trainBatchSize;
    return samples / (Math.min(this.dataset!.length, end) - first * this.trainBatchSize);
  }

  /** The model's outputs for samples, which are of the experience's task where they do not say their own. */
  forward({ inputs, tasks }: Samples): Variable {
    return this.model.forward(variable(inputs), tasks ?? this.experience?.taskLabel);
  }

  /** Forgets every gradient: also of parameters that the optimizer does not move, where they would pile up from step to step. */
  zeroGrad(): void {
    this.model.zeroGrad();
    this.optimizer.zeroGrad();
  }

  /**
   * Measures the model on the test set of each experience.
   * @returns one result for each experience evaluated; fewer than asked for if the signal stopped it.
   */
  async eval(stream: Experience | Stream, { signal }: RunOptions = {}): Promise<readonly EvalResult[]> {
    const breathe = breather(signal);
    const results: EvalResult[] = [];
    this.results = results;
    this.#fire('beforeEval');
    for (const experience of Array.isArray(stream) ? (stream as Stream) : [stream as Experience]) {
      this.#enter(experience, experience.test, 'beforeEvalDatasetAdaptation', 'afterEvalDatasetAdaptation');
      this.model.eval();
      this.#fire('beforeEvalExp');
      const samples = this.dataset!.length;
      let correct = 0;
      let loss = 0;
      for (let start = 0; start < samples; start += this.evalBatchSize) {
        if (await breathe()) return results;
        scope(() => {
          this.#evalStep(this.dataset!.range(start, Math.min(samples, start + this.evalBatchSize)));
          const { targets } = this.batch!;
          correct += countCorrect(this.outputs!.value, targets);
          loss += (this.loss!.item() as number) * targets.size;
        });
      }
      results.push({
        experience: experience.index,
        name: experience.name,
        accuracy: correct / samples,
        loss: loss / samples,
        samples,
      });
      this.#fire('afterEvalExp');
    }
    this.#fire('afterEval');
    return results;
  }

  #evalStep(batch: Samples): void {
    this.batch = batch;
    this.#fire('beforeEvalIteration');
    this.#fire('beforeEvalForward');
    noGrad(() => {
      this.outputs = this.forward(batch);
      this.loss = this.criterion(this.outputs, batch.targets);
    });
    this.#fire('afterEvalForward');
    this.#fire('afterEvalIteration');
  }

  #enter(experience: Experience, dataset: Dataset, before: Callback, after: Callback): void {
    this.experience = experience;
    this.dataset = dataset;
    this.#fire(before);
    this.#fire(after);
  }

  /** Ends the training on this experience: after the step under way, or instead of its next epoch. */
  endExperience(): void {
    this.#ending = true;
  }

  /**
   * All that the next step depends on, save the stream, the options that the strategy was made with, and what plugins that are not
   * `Stateful` remember. To be called between steps.
   */
  stateDict(): State {
    return writeStrategy(this, { order: this.#order, ending: this.#ending });
  }

  /**
   * Goes on where a state was saved, bit for bit. The strategy must have been made in the same way.
   * @throws StateMismatchError, or StateError of autograd, if it is the state of another; the strategy is then as it was.
   */
  loadStateDict(state: State): void {
    const { order, ending } = readStrategy(this, state);
    this.#order = order;
    this.#ending = ending;
  }

  /** The batches of the epoch that are left: all, or those after `resumed`. */
  #startEpoch(resumed: State | null): Iterable<Tensor> {
    this.clock.iteration = 0;
    this.clock.iterations = Math.ceil(this.dataset!.length / this.trainBatchSize);
    this.#fire('beforeTrainingEpoch');
    const rng = resumed === null ? this.rng : Rng.fromState(readOrder(resumed));
    this.#order = rng.state;
    const batches = this.dataset!.indexBatches(this.trainBatchSize, this.shuffle ? { rng } : {});
    if (resumed === null) return batches;
    const { iterations } = this.clock;
    this.loadStateDict(resumed);
    if (this.clock.iterations === iterations) return [...batches].slice(this.clock.iteration);
    const expected = `${iterations}, the batches of '${this.experience!.name}' as it is now`;
    throw new StateMismatchError('Strategy.train', 'clock.iterations', this.clock.iterations, expected);
  }

  /** @throws InvalidOptionError if a callback returns a promise: what it does after an await would come too late. */
  #fire(callback: Callback): void {
    for (const plugin of this.plugins) {
      const result: unknown = plugin[callback]?.(this);
      if (result instanceof Promise) {
        throw new InvalidOptionError('Strategy', `${plugin.name}.${callback}`, 'a promise', 'a synchronous function');
      }
    }
  }
}
