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
import { breather } from './pause.ts';
import {
  type Clock,
  type EvalResult,
  experiencesOf,
  type Loss,
  type RunOptions,
  resolveStrategyOptions,
  type StrategyOptions,
  type TrainOptions,
} from './strategy-options.ts';
import { readClock, readOrder, readStrategy, writeStrategy } from './strategy-state.ts';

export type { Clock, EvalResult, Loss, RunOptions, StrategyOptions, TrainOptions } from './strategy-options.ts';

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

  /** The experience being trained on or evaluated, and outside the last one; null before the first. */
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
  #training = false;
  /** Settles when the evaluation under way has ended. */
  #evaluation: Promise<unknown> | null = null;
  /** The callback under way. */
  #callback: Callback | null = null;

  /** @throws InvalidOptionError if a size is no positive integer, or there is no loss or generator. */
  constructor(options: StrategyOptions) {
    const resolved = resolveStrategyOptions(options);
    this.model = resolved.model;
    this.optimizer = resolved.optimizer;
    this.criterion = resolved.loss;
    this.plugins = resolved.plugins;
    this.trainBatchSize = resolved.trainBatchSize;
    this.accumulationSteps = resolved.accumulationSteps;
    this.trainEpochs = resolved.trainEpochs;
    this.evalBatchSize = resolved.evalBatchSize;
    this.rng = resolved.rng;
    this.shuffle = resolved.shuffle;
  }

  /**
   * Trains on one experience after another.
   * @returns true if all were finished; false if the signal stopped it, in which case the interrupted experience has had no
   * afterTrainingExp and counts as not trained on.
   * @throws InvalidOptionError if it is training or evaluating already; StateMismatchError if `middle` is no state of this strategy.
   */
  async train(stream: Experience | Stream, options: TrainOptions = {}): Promise<boolean> {
    const experiences = experiencesOf('Strategy.train', stream, 'train');
    this.#wantTurn('Strategy.train', this.#training || this.#evaluation !== null);
    this.#training = true;
    try {
      return await this.#train(experiences, options);
    } finally {
      this.#training = false;
    }
  }

  async #train(experiences: Stream, { signal, afterStep, middle }: TrainOptions): Promise<boolean> {
    const breathe = breather(signal);
    let resumed = middle ?? null;
    this.#fire('beforeTraining');
    for (const experience of experiences) {
      this.#ending = false;
      this.#enter(experience, experience.train, 'beforeTrainDatasetAdaptation', 'afterTrainDatasetAdaptation');
      this.model.train();
      this.#fire('beforeTrainingExp');
      this.clock.epoch = resumed === null ? 0 : readClock(resumed).epoch;
      for (; this.clock.epoch < this.trainEpochs && !this.#ending; this.clock.epoch++) {
        for (const indices of this.#startEpoch(resumed)) {
          if (this.#ending) break;
          if (await breathe()) return false;
          await this.#whileEvaluating();
          this.#step(indices);
          this.clock.iteration++;
          this.clock.step++;
          if (afterStep) await afterStep();
          await this.#whileEvaluating();
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

  /** Waits for an evaluation that was called between two steps, maybe by somebody who does not: a page's button. */
  async #whileEvaluating(): Promise<void> {
    while (this.#evaluation !== null) await this.#evaluation;
  }

  /** A step in its scope. One that throws leaves the gradients that others had accumulated, and none of its own. */
  #step(indices: Tensor): void {
    const parameters = this.startsUpdate ? [] : [...this.optimizer.parameters, ...this.model.parameters()];
    const accumulated = parameters.map((p) => [p, p.grad] as const);
    try {
      scope(() => this.#trainStep(indices));
    } catch (error) {
      this.zeroGrad();
      for (const [p, grad] of accumulated) p.grad = grad;
      throw error;
    }
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
   * Measures the model on the test set of each experience. While training it may be called between two steps (in `afterStep`, or by whoever
   * has the thread then; the next step waits for it), and then all is as it was before; else the model is in evaluation mode then.
   * @returns one result for each experience evaluated; fewer than asked for if the signal stopped it.
   * @throws InvalidOptionError in a callback, which ends before it could; while another evaluation is under way.
   */
  async eval(stream: Experience | Stream, options: RunOptions = {}): Promise<readonly EvalResult[]> {
    const experiences = experiencesOf('Strategy.eval', stream, 'test');
    this.#wantTurn('Strategy.eval', this.#evaluation !== null);
    const restore = this.#training ? this.#snapshot() : () => undefined;
    const evaluation = this.#eval(experiences, options).finally(() => {
      restore();
      this.#evaluation = null;
    });
    // Who waits for its end is not told how it ended.
    this.#evaluation = evaluation.catch(() => undefined);
    return await evaluation;
  }

  /** What puts back the place of the training and the mode of every layer. */
  #snapshot(): () => void {
    const { experience, dataset, indices, batch, outputs, loss } = this;
    const modes = [...this.model.namedModules()].map(([, module]) => [module, module.training] as const);
    return () => {
      Object.assign(this, { experience, dataset, indices, batch, outputs, loss });
      for (const [module, training] of modes) module.training = training;
    };
  }

  async #eval(experiences: Stream, { signal }: RunOptions): Promise<readonly EvalResult[]> {
    const breathe = breather(signal);
    const results: EvalResult[] = [];
    this.results = results;
    this.#fire('beforeEval');
    for (const experience of experiences) {
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

  /** Training and evaluation share the model and all that the strategy says of the batch. @throws InvalidOptionError unless it is free. */
  #wantTurn(operation: string, taken: boolean): void {
    if (this.#callback === null && !taken) return;
    const now = this.#callback ?? (this.#evaluation === null ? 'training' : 'an evaluation');
    throw new InvalidOptionError(operation, 'what is under way', now, 'nothing; await what was called before');
  }

  /** @throws InvalidOptionError if a callback returns a promise: what it does after an await would come too late. */
  #fire(callback: Callback): void {
    this.#callback = callback;
    try {
      for (const plugin of this.plugins) {
        const result: unknown = plugin[callback]?.(this);
        if (result instanceof Promise) {
          throw new InvalidOptionError('Strategy', `${plugin.name}.${callback}`, 'a promise', 'a synchronous function');
        }
      }
    } finally {
      this.#callback = null;
    }
  }
}
