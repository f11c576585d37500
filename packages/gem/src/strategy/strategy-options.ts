// What a strategy is made with, what its calls can be asked for, and what they say.

import type { nn, optim, Variable } from '@gemlab/autograd';
import { Rng, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import type { State } from '../state.ts';
import type { Experience, Stream } from '../streams/stream.ts';
import { want } from '../want.ts';
import type { StrategyPlugin } from './callbacks.ts';
import type { StopSignal } from './pause.ts';

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

/** The options with their defaults. @throws InvalidOptionError if a size is no positive integer, or there is no loss or generator. */
export function resolveStrategyOptions(options: StrategyOptions): Required<StrategyOptions> {
  const { accumulationSteps = 1, trainEpochs = 1, evalBatchSize = 1000 } = options;
  const [plugins, shuffle] = [options.plugins ?? [], options.shuffle ?? true];
  const { trainBatchSize, loss, rng } = options;
  for (const [name, value] of Object.entries({ trainBatchSize, accumulationSteps, trainEpochs, evalBatchSize })) {
    want(Number.isInteger(value) && value >= 1, 'Strategy', name, value, 'a positive integer');
  }
  want(typeof loss === 'function', 'Strategy', 'loss', loss, 'a function (outputs, targets) => loss');
  want(rng instanceof Rng, 'Strategy', 'rng', rng, 'a generator: new Rng(seed)');
  return { ...options, plugins, accumulationSteps, trainEpochs, evalBatchSize, shuffle };
}

/** The experiences of a call, one or several, which have what it needs. @throws InvalidOptionError for anything else. */
export function experiencesOf(operation: string, stream: Experience | Stream, part: 'train' | 'test'): Stream {
  const list = Array.isArray(stream) ? (stream as Stream) : [stream as Experience];
  const other = list.findIndex((experience) => !experience?.[part]);
  if (other < 0) return list;
  const loop = 'for (const part of parts) await strategy.train(part)';
  throw new InvalidOptionError(
    operation,
    'stream',
    list[other],
    `experiences; those of a generator one by one: ${loop}`,
  );
}
