// Learning-rate schedules. A schedule is a function of the step t = 0, 1, ... and of the rate that the optimizer was
// made with: pure, so that a run resumed at step t goes on as if it had never stopped. PyTorch's LambdaLR is any such
// function; the others are its schedulers of the same names, in closed form.

import { kindOf } from '../checks.ts';
import { OptimizerError, StateError } from '../errors.ts';
import type { Optimizer } from './optimizer.ts';

/** The learning rate at step t. */
export type Schedule = (t: number, base: number) => number;

/** Times gamma after every `stepSize` steps. */
export function stepLR(stepSize: number, gamma = 0.1): Schedule {
  want('stepLR', 'stepSize', stepSize, Number.isInteger(stepSize) && stepSize > 0);
  want('stepLR', 'gamma', gamma, Number.isFinite(gamma));
  return (t, base) => base * gamma ** Math.floor(t / stepSize);
}

/** Times gamma at each milestone. */
export function multiStepLR(milestones: readonly number[], gamma = 0.1): Schedule {
  want('multiStepLR', 'milestones', milestones, areNumbers(milestones));
  want('multiStepLR', 'gamma', gamma, Number.isFinite(gamma));
  return (t, base) => base * gamma ** milestones.filter((m) => m <= t).length;
}

/** Times gamma at every step. */
export function exponentialLR(gamma: number): Schedule {
  want('exponentialLR', 'gamma', gamma, Number.isFinite(gamma));
  return (t, base) => base * gamma ** t;
}

/**
 * A straight line from startFactor (1/3) to endFactor (1) times the rate in `totalIters` (5) steps, then level: a warm-
 * up.
 */
export function linearLR({ startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = {}): Schedule {
  want('linearLR', 'totalIters', totalIters, totalIters > 0);
  return (t, base) => base * (startFactor + ((endFactor - startFactor) * Math.min(t, totalIters)) / totalIters);
}

/** base (1 - t / totalIters)^power, 0 from there. */
export function polynomialLR(totalIters: number, power = 1): Schedule {
  want('polynomialLR', 'totalIters', totalIters, totalIters > 0);
  want('polynomialLR', 'power', power, Number.isFinite(power));
  return (t, base) => base * (1 - Math.min(t, totalIters) / totalIters) ** power;
}

/** From a to b along half a cosine, as `part` goes from 0 to 1. */
const cosine = (a: number, b: number, part: number): number => b + ((a - b) * (1 + Math.cos(Math.PI * part))) / 2;

/**
 * Half a cosine from the rate to etaMin in tMax steps, and back in as many (Loshchilov & Hutter 2017, without
 * restarts).
 */
export function cosineAnnealingLR(tMax: number, etaMin = 0): Schedule {
  want('cosineAnnealingLR', 'tMax', tMax, tMax > 0);
  return (t, base) => cosine(base, etaMin, t / tMax);
}

/** Half a cosine from the rate to etaMin, again and again: t0 steps long, then each tMult times as long as the last. */
export function cosineAnnealingWarmRestarts(t0: number, tMult = 1, etaMin = 0): Schedule {
  want('cosineAnnealingWarmRestarts', 't0', t0, Number.isInteger(t0) && t0 > 0);
  want('cosineAnnealingWarmRestarts', 'tMult', tMult, Number.isInteger(tMult) && tMult > 0);
  return (t, base) => {
    let [rest, length] = [t, t0];
    if (tMult === 1) rest %= t0;
    for (; rest >= length; length *= tMult) rest -= length;
    return cosine(base, etaMin, rest / length);
  };
}

export interface OneCycleOptions {
  readonly maxLr: number;
  readonly totalSteps: number;
  /** The part of the steps that go up. Default 0.3. */
  readonly pctStart?: number;
  /** Default 'cos'. */
  readonly annealStrategy?: 'cos' | 'linear';
  /** The first rate is maxLr / divFactor. Default 25. */
  readonly divFactor?: number;
  /** The last rate is the first / finalDivFactor. Default 1e4. */
  readonly finalDivFactor?: number;
}

/**
 * Up to maxLr, and down to nearly nothing (Smith & Topin 2019); the optimizer's own rate is not used, nor its momentum
 * changed.
 */
export function oneCycleLR(options: OneCycleOptions): Schedule {
  const { maxLr, totalSteps, pctStart = 0.3, annealStrategy = 'cos', divFactor = 25, finalDivFactor = 1e4 } = options;
  want('oneCycleLR', 'maxLr', maxLr, Number.isFinite(maxLr) && maxLr >= 0);
  want('oneCycleLR', 'totalSteps', totalSteps, Number.isInteger(totalSteps) && totalSteps > 0);
  want('oneCycleLR', 'pctStart', pctStart, pctStart >= 0 && pctStart <= 1);
  const anneal = annealStrategy === 'cos' ? cosine : (a: number, b: number, part: number) => a + (b - a) * part;
  const first = maxLr / divFactor;
  const [top, end] = [pctStart * totalSteps - 1, totalSteps - 1];
  return (t) => {
    if (t < top) return anneal(first, maxLr, t / top);
    return anneal(maxLr, first / finalDivFactor, end > top ? Math.min(1, (t - top) / (end - top)) : 0);
  };
}

/** One schedule after another: schedules[i + 1] takes over at milestones[i], and counts its steps from there. */
export function sequentialLR(schedules: readonly Schedule[], milestones: readonly number[]): Schedule {
  want(
    'sequentialLR',
    'milestones',
    milestones,
    areNumbers(milestones) && schedules.length > 0 && milestones.length === schedules.length - 1,
  );
  return (t, base) => {
    const i = milestones.filter((m) => m <= t).length;
    return schedules[i]!(t - (milestones[i - 1] ?? 0), base);
  };
}

const areNumbers = (list: unknown): boolean => Array.isArray(list) && list.every((x) => typeof x === 'number');

function want(name: string, argument: string, value: unknown, rule: boolean): void {
  if (rule) return;
  const found = Array.isArray(value) ? `[${value}]` : value;
  throw new OptimizerError(`${name}: ${argument} is out of range, found ${found}`, { [argument]: value });
}

/** What is saved of an LRScheduler. */
export interface SchedulerState {
  readonly t: number;
  /** The rate that each group came with; null for one added since the last step, whose rate is not the schedule's yet. */
  readonly bases: readonly (number | null)[];
}

/**
 * Sets the learning rate of every group by a schedule: at once for step 0, then with each `step()`, after the
 * optimizer's.
 */
export class LRScheduler {
  readonly optimizer: Pick<Optimizer, 'groups'>;
  readonly schedule: Schedule;
  /** Steps made. */
  t = 0;
  #bases: readonly (number | null)[] = [];

  /** @throws OptimizerError as step. */
  constructor(optimizer: Pick<Optimizer, 'groups'>, schedule: Schedule) {
    if (typeof schedule !== 'function') {
      throw new OptimizerError(`LRScheduler: a schedule is a function (t, base) => rate, found ${kindOf(schedule)}`, {
        schedule,
      });
    }
    this.optimizer = optimizer;
    this.schedule = schedule;
    this.#set(0, this.#ownRates());
  }

  /** @throws OptimizerError for a rate that is no finite number. What throws changes nothing, a schedule too. */
  step(): void {
    // A group that was added since has the rate that it came with as its base.
    const rates = this.#ownRates();
    this.#set(
      this.t + 1,
      rates.map((rate, i) => this.#bases[i] ?? rate),
    );
  }

  #ownRates(): number[] {
    return this.optimizer.groups.map(({ lr }) => lr);
  }

  /** Sets the rates of step t, of the groups that have a base. */
  #set(t: number, bases: readonly (number | null)[]): void {
    const { groups } = this.optimizer;
    const rates = groups.map(({ lr }, i) => (bases[i] === null ? lr : this.schedule(t, bases[i]!)));
    const wrong = rates.findIndex((rate) => !Number.isFinite(rate));
    if (wrong >= 0) {
      const found = `the schedule gave ${rates[wrong]} at step ${t} for the rate ${bases[wrong]}`;
      throw new OptimizerError(`LRScheduler: ${found}; a rate is a finite number`, { t, rate: rates[wrong] });
    }
    for (const [i, group] of groups.entries()) group.lr = rates[i]!;
    this.t = t;
    this.#bases = bases;
  }

  stateDict(): SchedulerState {
    return { t: this.t, bases: this.optimizer.groups.map((_, i) => this.#bases[i] ?? null) };
  }

  /**
   * Goes on where a state was saved, and sets the rates.
   * @throws StateError unless it is one, of as many groups; OptimizerError as step.
   */
  loadStateDict(state: SchedulerState): void {
    const { t, bases } = Object(state) as SchedulerState;
    const counts = Number.isSafeInteger(t) && t >= 0;
    const fits = Array.isArray(bases) && bases.every((base) => base === null || Number.isFinite(base));
    if (!counts || !fits || bases.length !== this.optimizer.groups.length) {
      throw new StateError(
        `LRScheduler: wants { t, bases } as stateDict gives them, with ${this.optimizer.groups.length} bases`,
        { t, bases },
      );
    }
    this.#set(t, [...bases]);
  }
}
