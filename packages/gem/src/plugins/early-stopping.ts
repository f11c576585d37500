// Early stopping: the training on an experience ends once a watched value has not improved for so many looks at it.
//
//     new EarlyStopping({ value: (s) => measure(s, validation).accuracy, patience: 3 })

import type { Tensor } from '@gemlab/tensor';
import { type SavedState, type State, StateMismatchError, tensorsOf } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { want } from '../want.ts';
import { wantCount, wantEvery, wantFunction } from './options.ts';

export interface EarlyStoppingOptions {
  /** What is watched. */
  readonly value: (strategy: Strategy) => number;
  /** Looks without improvement that end the training: at least 1. */
  readonly patience: number;
  /** Looks so many steps apart, or (default) after each 'epoch'. */
  readonly every?: number | 'epoch' | undefined;
  /** Whether more or less is better. Default 'max'. */
  readonly mode?: 'max' | 'min' | undefined;
  /** What an improvement must exceed. Default 0. */
  readonly minDelta?: number | undefined;
  /** Gives the model the weights of its best look back when the experience ends. Default false. */
  readonly restoreBest?: boolean | undefined;
}

/** The best look at this experience (null before the first), and the looks since. */
interface Looks {
  readonly best: number | null;
  readonly since: number;
}

export class EarlyStopping implements StrategyPlugin {
  readonly name = 'early-stopping';
  readonly #options: Required<{ [K in keyof EarlyStoppingOptions]: Exclude<EarlyStoppingOptions[K], undefined> }>;
  #looks: Looks = { best: null, since: 0 };
  #weights: Readonly<Record<string, Tensor>> = {};

  /** @throws InvalidOptionError for an option out of range. */
  constructor({ every = 'epoch', mode = 'max', minDelta = 0, restoreBest = false, ...rest }: EarlyStoppingOptions) {
    const plugin = 'EarlyStopping';
    wantFunction(plugin, 'value', rest.value, 'says what is watched');
    wantCount(plugin, 'patience', rest.patience);
    wantEvery(plugin, every);
    want(mode === 'max' || mode === 'min', plugin, 'mode', mode, "'max' or 'min'");
    want(minDelta >= 0, plugin, 'minDelta', minDelta, 'a number >= 0');
    this.#options = { every, mode, minDelta, restoreBest, ...rest };
  }

  beforeTrainingExp(): void {
    this.#looks = { best: null, since: 0 };
    this.#weights = {};
  }

  afterTrainingIteration(strategy: Strategy): void {
    const { every } = this.#options;
    const { step, iteration, iterations } = strategy.clock;
    if (every === 'epoch' ? iteration + 1 === iterations : (step + 1) % every === 0) this.#look(strategy);
  }

  #look(strategy: Strategy): void {
    const { mode, minDelta, patience, restoreBest } = this.#options;
    const { best, since } = this.#looks;
    const value = this.#options.value(strategy);
    const gain = best === null ? Infinity : mode === 'max' ? value - best : best - value;
    // NaN improves on nothing.
    if (gain > minDelta && !Number.isNaN(value)) {
      this.#looks = { best: value, since: 0 };
      if (restoreBest) this.#weights = strategy.model.stateDict();
      return;
    }
    this.#looks = { best, since: since + 1 };
    if (since + 1 >= patience) strategy.endExperience();
  }

  afterTrainingExp(strategy: Strategy): void {
    if (Object.keys(this.#weights).length > 0) strategy.model.loadStateDict(this.#weights);
    this.#weights = {};
  }

  stateDict(): State {
    const { best, since } = this.#looks;
    return { tensors: this.#weights, data: { best: best === null ? null : String(best), since } };
  }

  /** @throws StateMismatchError if it is not the state of such a plugin. */
  loadStateDict(state: SavedState): void {
    const { data } = state;
    const { best, since } = (data ?? {}) as { readonly best?: string | null; readonly since?: number };
    if (best === undefined || !Number.isSafeInteger(since)) {
      throw new StateMismatchError('EarlyStopping.loadStateDict', 'data', data, '{ best, since }');
    }
    this.#looks = { best: best === null ? null : Number(best), since: since! };
    this.#weights = Object.fromEntries(tensorsOf(state));
  }
}
