// ReduceLROnPlateau: multiply the learning rate by `factor` once a watched number has not improved for more than
// `patience` steps. Names, defaults and counting are PyTorch's.

import { kindOf } from '../checks.ts';
import { OptimizerError, StateError } from '../errors.ts';
import type { Optimizer } from './optimizer.ts';

export interface PlateauOptions {
  /** Whether less or more is better. Default 'min'. */
  readonly mode?: 'min' | 'max';
  /** Below 1. Default 0.1. */
  readonly factor?: number;
  /** Steps without improvement that are borne. Default 10. */
  readonly patience?: number;
  /** What an improvement must exceed, as a part of the best value or ('abs') as it is. Default 1e-4. */
  readonly threshold?: number;
  /** Default 'rel'. */
  readonly thresholdMode?: 'rel' | 'abs';
  /** Steps after a reduction in which nothing counts as bad. Default 0. */
  readonly cooldown?: number;
  /** Default 0. */
  readonly minLr?: number;
  /** A reduction by no more than this is not made. Default 1e-8. */
  readonly eps?: number;
}

/** What is saved of a ReduceLROnPlateau: plain data for JSON. */
export interface PlateauState {
  /** The best number seen; null before the first. */
  readonly best: number | null;
  /** Steps in a row that did not improve on it. */
  readonly bad: number;
  /** Steps of the cooldown that are left. */
  readonly cooling: number;
}

export class ReduceLROnPlateau {
  readonly optimizer: Pick<Optimizer, 'groups'>;
  readonly options: Required<PlateauOptions>;
  #state: PlateauState = { best: null, bad: 0, cooling: 0 };

  /** @throws OptimizerError for an option that is out of range. */
  constructor(optimizer: Pick<Optimizer, 'groups'>, options: PlateauOptions = {}) {
    const { mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4 } = options;
    const { thresholdMode = 'rel', cooldown = 0, minLr = 0, eps = 1e-8 } = options;
    const want = (name: string, value: unknown, fits: boolean, rule: string) => {
      if (!fits)
        throw new OptimizerError(`ReduceLROnPlateau: ${name} must be ${rule}, found ${value}`, { [name]: value });
    };
    want('mode', mode, mode === 'min' || mode === 'max', "'min' or 'max'");
    want('factor', factor, factor >= 0 && factor < 1, 'below 1, and no less than 0');
    want('thresholdMode', thresholdMode, thresholdMode === 'rel' || thresholdMode === 'abs', "'rel' or 'abs'");
    for (const [name, steps] of Object.entries({ patience, cooldown })) {
      want(name, steps, steps >= 0, 'a number of steps >= 0');
    }
    for (const [name, value] of Object.entries({ threshold, minLr, eps })) {
      want(name, value, Number.isFinite(value), 'a finite number');
    }
    this.optimizer = optimizer;
    this.options = { mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps };
  }

  /** Takes note of the watched number, and reduces the learning rates if its time has come. @throws OptimizerError unless it is a number. */
  step(metric: number): void {
    if (typeof metric !== 'number') {
      const found = `found ${kindOf(metric)}; did you mean loss.item()?`;
      throw new OptimizerError(`ReduceLROnPlateau: step wants the watched number, ${found}`, { metric });
    }
    const { patience, cooldown } = this.options;
    const better = this.#improves(metric);
    const best = better ? metric : this.#state.best;
    const cooling = Math.max(0, this.#state.cooling - 1);
    const bad = better || this.#state.cooling > 0 ? 0 : this.#state.bad + 1;
    this.#state = { best, bad, cooling };
    if (bad <= patience) return;
    this.#reduce();
    this.#state = { best, bad: 0, cooling: cooldown };
  }

  #improves(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.options;
    const { best } = this.#state;
    if (best === null) return Number.isFinite(metric);
    const sign = mode === 'min' ? -1 : 1;
    const bar = thresholdMode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold;
    return mode === 'min' ? metric < bar : metric > bar;
  }

  #reduce(): void {
    const { factor, minLr, eps } = this.options;
    for (const group of this.optimizer.groups) {
      const lr = Math.max(group.lr * factor, minLr);
      if (group.lr - lr > eps) group.lr = lr;
    }
  }

  stateDict(): PlateauState {
    return { ...this.#state };
  }

  /** Goes on where a state was saved; the rates are the optimizer's to restore. @throws StateError unless it is one. */
  loadStateDict(state: PlateauState): void {
    const { best, bad, cooling } = Object(state) as PlateauState;
    const counts = [bad, cooling].every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!counts || !(best === null || Number.isFinite(best))) {
      throw new StateError('ReduceLROnPlateau: wants { best, bad, cooling } as stateDict gives them', {
        best,
        bad,
        cooling,
      });
    }
    this.#state = { best, bad, cooling };
  }
}
