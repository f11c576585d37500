// Time, measured: wall seconds of each experience, of its steps, and of each evaluation. The clock is an argument. What is measured depends
// on the machine, so it is neither in the records of a saved run nor in its checkpoints; loggers write it (`machineRecord`).
//
// The plugin goes first: a step then lasts from before the other plugins prepare it (GEM's memory gradients) until the parameters have moved,
// and an experience until all plugins have finished with it (EWC's Fisher information).

import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** Milliseconds from a clock that never goes back. */
export type NowMilliseconds = () => number;

// Every JavaScript host has it, though the language does not.
declare const performance: { now(): number };

/** How long training on an experience took. Plain data. */
export interface ExperienceTime {
  readonly experience: number;
  /** From the adaptation of its dataset to the end of the last plugin's afterTrainingExp. */
  readonly seconds: number;
  readonly steps: number;
  /** All its steps together: the rest was spent on pauses, on saving and on what plugins do before and after. */
  readonly stepSeconds: number;
  /** The fastest step and the slowest; null without steps. */
  readonly fastestStep: number | null;
  readonly slowestStep: number | null;
}

/** How long an evaluation took. Plain data. */
export interface EvaluationTime {
  /** Experiences trained on. */
  readonly trained: number;
  readonly seconds: number;
  /** Test samples that it went through. */
  readonly samples: number;
}

/** Totals. Plain data. */
export interface TimeSummary {
  readonly trainingSeconds: number;
  readonly steps: number;
  /** null before the first step. */
  readonly meanStepSeconds: number | null;
  readonly evaluationSeconds: number;
}

export class TimePlugin implements StrategyPlugin {
  readonly name = 'time';
  readonly #now: NowMilliseconds;
  #experiences: readonly ExperienceTime[] = [];
  #evaluations: readonly EvaluationTime[] = [];
  /** The experience under way: when it began, and its steps so far. */
  #underway: (Omit<ExperienceTime, 'seconds'> & { readonly begun: number }) | null = null;
  #stepBegun = 0;
  #evalBegun = 0;
  /** Of the step or evaluation just made. */
  machineRecord: { readonly seconds: number } | null = null;

  /** @param now the clock; the host's `performance.now` by default. */
  constructor(now: NowMilliseconds = () => performance.now()) {
    this.#now = now;
  }

  /** Of the experiences that this program has trained on, in order; one that a resumed run had begun counts from there. */
  get experiences(): readonly ExperienceTime[] {
    return this.#experiences;
  }

  get evaluations(): readonly EvaluationTime[] {
    return this.#evaluations;
  }

  get summary(): TimeSummary {
    const total = <T>(list: readonly T[], of: (item: T) => number) => list.reduce((sum, item) => sum + of(item), 0);
    const steps = total(this.#experiences, (e) => e.steps);
    return {
      trainingSeconds: total(this.#experiences, (e) => e.seconds),
      steps,
      meanStepSeconds: steps === 0 ? null : total(this.#experiences, (e) => e.stepSeconds) / steps,
      evaluationSeconds: total(this.#evaluations, (e) => e.seconds),
    };
  }

  /** Forgets an experience that was interrupted. */
  beforeTraining(): void {
    this.#underway = null;
  }

  beforeTrainDatasetAdaptation({ clock }: Strategy): void {
    this.#close();
    const none = { steps: 0, stepSeconds: 0, fastestStep: null, slowestStep: null };
    this.#underway = { experience: clock.experience, begun: this.#now(), ...none };
  }

  beforeTrainingIteration(): void {
    this.#stepBegun = this.#now();
  }

  afterTrainingIteration(): void {
    const seconds = (this.#now() - this.#stepBegun) / 1000;
    this.machineRecord = { seconds };
    if (this.#underway === null) return;
    const { steps, stepSeconds, fastestStep, slowestStep } = this.#underway;
    this.#underway = {
      ...this.#underway,
      steps: steps + 1,
      stepSeconds: stepSeconds + seconds,
      fastestStep: Math.min(fastestStep ?? seconds, seconds),
      slowestStep: Math.max(slowestStep ?? seconds, seconds),
    };
  }

  afterTraining(): void {
    this.#close();
  }

  /** Ends the experience under way: what comes next in the order of callbacks has come. */
  #close(): void {
    if (this.#underway === null) return;
    const { begun, ...time } = this.#underway;
    this.#underway = null;
    this.#experiences = [...this.#experiences, { ...time, seconds: (this.#now() - begun) / 1000 }];
  }

  beforeEval(): void {
    this.#evalBegun = this.#now();
  }

  afterEval({ clock, results }: Strategy): void {
    const seconds = (this.#now() - this.#evalBegun) / 1000;
    const samples = results.reduce((sum, result) => sum + result.samples, 0);
    this.#evaluations = [...this.#evaluations, { trained: clock.experience, seconds, samples }];
    this.machineRecord = { seconds };
  }
}
