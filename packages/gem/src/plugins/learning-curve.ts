// The learning curve, measured: the test accuracy on each task before its first batch and after each of its first beta batches.
// metrics/learning-curve.ts makes Z_b and LCA of it.

import { learningCurveArea } from '../metrics/learning-curve.ts';
import { type SavedState, type State, StateMismatchError } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { measure } from './measure.ts';
import { wantCount } from './options.ts';

export interface LearningCurveOptions {
  /** How many batches of each task are watched. Default 10, the A-GEM paper's. */
  readonly beta?: number | undefined;
}

/** One look. Plain data. */
export interface LearningCurveRecord {
  /** Batches of the experience that the model has been trained on. */
  readonly batches: number;
  readonly accuracy: number;
}

export class LearningCurvePlugin implements StrategyPlugin {
  readonly name = 'learning-curve';
  readonly beta: number;
  #curves: readonly (readonly number[])[] = [];
  /** The look after the step just made; null if there was none. */
  lastRecord: LearningCurveRecord | null = null;

  /** @throws InvalidOptionError unless beta is a positive integer. */
  constructor({ beta = 10 }: LearningCurveOptions = {}) {
    wantCount('LearningCurvePlugin', 'beta', beta);
    this.beta = beta;
  }

  /** For each experience begun, the accuracies on its test set after 0, 1, ..., beta batches of it. */
  get curves(): readonly (readonly number[])[] {
    return this.#curves;
  }

  /** LCA of the experiences begun. @throws MetricError while one of them has been trained on for fewer than beta batches. */
  lca(beta: number = this.beta): number {
    return learningCurveArea(this.#curves, beta);
  }

  beforeTrainingExp(strategy: Strategy): void {
    this.#curves = [...this.#curves.slice(0, strategy.clock.experience), [look(strategy)]];
    this.lastRecord = null;
  }

  afterTrainingIteration(strategy: Strategy): void {
    const curve = this.#curves.at(-1)!;
    this.lastRecord = null;
    if (curve.length > this.beta) return;
    const accuracy = look(strategy);
    this.#curves = [...this.#curves.slice(0, -1), [...curve, accuracy]];
    this.lastRecord = { batches: curve.length, accuracy };
  }

  stateDict(): State {
    return { tensors: {}, data: this.#curves };
  }

  /** @throws StateMismatchError if it is not the state of such a plugin. */
  loadStateDict({ data }: SavedState): void {
    const isCurve = (curve: unknown) => Array.isArray(curve) && curve.every((value) => typeof value === 'number');
    if (!Array.isArray(data) || !data.every(isCurve)) {
      throw new StateMismatchError('LearningCurvePlugin.loadStateDict', 'data', data, 'a list of lists of accuracies');
    }
    this.#curves = data as readonly (readonly number[])[];
    this.lastRecord = null;
  }
}

const look = (strategy: Strategy): number => {
  const { test, taskLabel } = strategy.experience!;
  return measure(strategy, test, taskLabel).accuracy;
};
