// Accuracies at any cadence: measures the model on all tasks of a stream every so many steps, or after each epoch, while it trains.

import { type Json, type SavedState, type State, StateMismatchError } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { Stream } from '../streams/stream.ts';
import { type Measurement, measure } from './measure.ts';
import { wantEvery, wantStream } from './options.ts';

export interface EvaluationOptions {
  /** The tasks to measure on: their test sets. */
  readonly stream: Stream;
  /** So many steps apart, or after each 'epoch'. */
  readonly every: number | 'epoch';
}

/** One measurement. Plain data. */
export interface EvaluationRecord {
  /** Steps made. */
  readonly step: number;
  /** The experience under way. */
  readonly experience: number;
  /** One for each task of the stream. */
  readonly tasks: readonly Measurement[];
}

export class EvaluationPlugin implements StrategyPlugin {
  readonly name = 'evaluation';
  readonly #stream: Stream;
  readonly #every: number | 'epoch';
  #history: readonly EvaluationRecord[] = [];
  /** The measurement after the step just made; null if there was none. */
  lastRecord: EvaluationRecord | null = null;

  /** @throws InvalidOptionError unless `every` is a positive integer or 'epoch', and `stream` a stream. */
  constructor({ stream, every }: EvaluationOptions) {
    wantStream('EvaluationPlugin', stream);
    wantEvery('EvaluationPlugin', every);
    this.#stream = stream;
    this.#every = every;
  }

  /** All measurements so far. */
  get history(): readonly EvaluationRecord[] {
    return this.#history;
  }

  afterTrainingIteration(strategy: Strategy): void {
    const { step, iteration, iterations } = strategy.clock;
    const due = this.#every === 'epoch' ? iteration + 1 === iterations : (step + 1) % this.#every === 0;
    this.lastRecord = due ? this.#measure(strategy) : null;
    if (this.lastRecord !== null) this.#history = [...this.#history, this.lastRecord];
  }

  #measure(strategy: Strategy): EvaluationRecord {
    const { step, experience } = strategy.clock;
    const tasks = this.#stream.map(({ test, taskLabel }) => measure(strategy, test, taskLabel));
    return { step: step + 1, experience, tasks };
  }

  stateDict(): State {
    return { tensors: {}, data: this.#history as unknown as Json };
  }

  /** @throws StateMismatchError if it is not the state of such a plugin. */
  loadStateDict({ data }: SavedState): void {
    if (!Array.isArray(data)) throw new StateMismatchError('EvaluationPlugin.loadStateDict', 'data', data, 'a list');
    this.#history = data as unknown as readonly EvaluationRecord[];
    this.lastRecord = null;
  }
}
