// A plugin that changes nothing: it counts the work done, so that progress can tell how long the rest will take, and keeps one step of
// GEM worth explaining.

import { GEMPlugin, type StepRecord, type Strategy, type StrategyPlugin, type Stream } from '@gemlab/gem';
import type { Settings } from '../examples/example.ts';
import type { Progress } from '../report/progress.ts';

/** What one training step costs beyond its arithmetic, in samples passed forward. Measured, like SAMPLES_PER_SECOND. */
const STEP_OVERHEAD = 100;

/** A backward pass costs about as much as two forward passes. */
const PASSES = 3;

/** Samples passed forward through the 784-100-100-10 network per second on two ordinary cores. */
const SAMPLES_PER_SECOND = 100_000;

const stepCost = (batch: number, remembered: number) => PASSES * (batch + remembered) + STEP_OVERHEAD;

/** What a learner has done after so many tasks, steps of the next one, and test samples: its cost in samples passed forward. */
function costOf(settings: Settings, hasMemory: boolean, tasks: number, steps: number, tested: number): number {
  const { samples, batchSize, epochs } = settings;
  const memories = hasMemory ? Math.min(settings.memories, samples) : 0;
  const stepsOfTask = Math.ceil(samples / batchSize) * epochs;
  const pastTasks = (tasks * (tasks - 1)) / 2;
  const finished = stepsOfTask * (tasks * stepCost(batchSize, 0) + pastTasks * PASSES * memories);
  return finished + steps * stepCost(batchSize, tasks * memories) + tested;
}

/** The cost of a whole learner. */
function learnerCost(settings: Settings, hasMemory: boolean): number {
  const { tasks, testSamples } = settings;
  return costOf(settings, hasMemory, tasks, 0, (tasks + 1) * tasks * testSamples);
}

/** What a run with and without GEM will take here, roughly, before anything has been measured. */
export function estimatedSeconds(settings: Settings): number {
  return (learnerCost(settings, true) + learnerCost(settings, false)) / SAMPLES_PER_SECOND;
}

const gemOf = (strategy: Strategy) => strategy.plugins.find((plugin) => plugin instanceof GEMPlugin);

export class Watch implements StrategyPlugin {
  readonly name = 'watch';
  /** The step to explain. */
  step: StepRecord | null = null;
  /** Steps of the current learner that GEM changed; null for a learner without GEM. */
  projectedSteps: number | null = null;
  readonly #progress: Progress;
  readonly #settings: Settings;
  #learner = '';
  #tasks = 0;
  /** The cost of the learners before this one, of all those begun, and of all. */
  #before = 0;
  #begun = 0;
  #total = 0;
  #accuracy: number | null = null;

  constructor(progress: Progress, settings: Settings) {
    this.#progress = progress;
    this.#settings = settings;
  }

  /** Announces all the learners of a run. */
  plan(stream: Stream, learners: readonly Strategy[]): void {
    this.#tasks = stream.length;
    this.#begun = 0;
    this.#total = learners.reduce((sum, s) => sum + learnerCost(this.#settings, gemOf(s) !== undefined), 0);
  }

  /** Announces the learner whose training follows. */
  begin(name: string, strategy: Strategy): void {
    this.#before = this.#begun;
    this.#begun += learnerCost(this.#settings, gemOf(strategy) !== undefined);
    this.#learner = name;
    this.#accuracy = null;
    this.projectedSteps = gemOf(strategy) === undefined ? null : 0;
  }

  afterTrainingIteration(strategy: Strategy): void {
    const { experience, epoch, iteration, iterations } = strategy.clock;
    const gem = gemOf(strategy);
    if (gem?.lastRecord) this.#keep(gem.lastRecord);
    const [steps, rounds] = [epoch * iterations + iteration + 1, experience + 1];
    const where = `task ${experience + 1} of ${this.#tasks}`;
    this.#show(strategy, steps, rounds * this.#tasks, where, `step ${iteration + 1} of ${iterations}`);
  }

  /** Looks at all the steps of the current learner again: some may have been made by a program before this one. */
  review(records: readonly StepRecord[]): void {
    if (this.projectedSteps !== null) this.projectedSteps = 0;
    for (const record of records) this.#keep(record);
  }

  #keep(record: StepRecord): void {
    const kept = this.step;
    if (record.projection === null) {
      this.step ??= record;
      return;
    }
    this.projectedSteps = (this.projectedSteps ?? 0) + 1;
    if (kept === null || kept.projection === null || kept.experience < record.experience) this.step = record;
  }

  afterEvalIteration(strategy: Strategy): void {
    const { experience } = strategy.clock;
    const where = experience === 0 ? 'before training' : `after task ${experience}`;
    this.#show(strategy, 0, experience * this.#tasks + strategy.results.length, where, 'testing');
  }

  afterEval(strategy: Strategy): void {
    const seen = strategy.results.slice(0, strategy.clock.experience);
    if (seen.length > 0) this.#accuracy = seen.reduce((sum, r) => sum + r.accuracy, 0) / seen.length;
  }

  /** @param tests test sets that the learner has been through. */
  #show(strategy: Strategy, steps: number, tests: number, where: string, detail: string): void {
    const { experience } = strategy.clock;
    const tested = tests * this.#settings.testSamples;
    const done = this.#before + costOf(this.#settings, gemOf(strategy) !== undefined, experience, steps, tested);
    this.#progress.update({
      label: `${this.#learner}, ${where}`,
      detail,
      fraction: this.#total === 0 ? 0 : done / this.#total,
      accuracy: this.#accuracy === null ? null : { label: 'accuracy so far', value: this.#accuracy },
    });
  }
}
