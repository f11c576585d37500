// A plugin that changes nothing: it counts the work done, so that progress can tell how long the rest will take, and keeps one step of
// GEM worth explaining.

import { GEMPlugin, type StepRecord, type Strategy, type StrategyPlugin } from '@gemlab/gem';
import type { Settings } from '../examples/example.ts';
import { costOf, learnerCost, plainStep, type StepCost, testsUpTo } from '../methods/cost.ts';
import type { Method } from '../methods/method.ts';
import type { Progress } from '../report/progress.ts';

/** Samples passed forward through the 784-100-100-10 network per second on two ordinary cores. Measured. */
const SAMPLES_PER_SECOND = 100_000;

/** What the run of some methods will take here, roughly, before anything has been measured. */
export function estimatedSeconds(settings: Settings, methods: readonly Method[]): number {
  return methods.reduce((sum, { cost }) => sum + learnerCost(settings, cost), 0) / SAMPLES_PER_SECOND;
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
  #step: StepCost = plainStep;
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
  plan(methods: readonly Method[]): void {
    this.#begun = 0;
    this.#total = methods.reduce((sum, { cost }) => sum + learnerCost(this.#settings, cost), 0);
  }

  /** Announces the learner whose training follows. */
  begin({ label, cost }: Method, strategy: Strategy): void {
    this.#before = this.#begun;
    this.#begun += learnerCost(this.#settings, cost);
    this.#learner = label;
    this.#step = cost;
    this.#accuracy = null;
    this.projectedSteps = gemOf(strategy) === undefined ? null : 0;
  }

  afterTrainingIteration(strategy: Strategy): void {
    const { experience, epoch, iteration, iterations } = strategy.clock;
    const { tasks, epochs } = this.#settings;
    const gem = gemOf(strategy);
    if (gem?.lastRecord) this.#keep(gem.lastRecord);
    const share = (epoch + (iteration + 1) / iterations) / epochs;
    const where = `task ${experience + 1} of ${tasks}`;
    this.#show(strategy, share, testsUpTo(this.#settings, experience), where, `step ${iteration + 1} of ${iterations}`);
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
    const isNewer = kept === null || kept.projection === null || kept.experience < record.experience;
    // Of one task the first, or the first that tells more.
    if (isNewer || (kept.details === null && record.details !== null)) this.step = record;
  }

  afterEvalIteration(strategy: Strategy): void {
    const { experience } = strategy.clock;
    const where = experience === 0 ? 'before training' : `after task ${experience}`;
    const before = experience === 0 ? 0 : testsUpTo(this.#settings, experience - 1);
    this.#show(strategy, 0, before + strategy.results.length, where, 'testing');
  }

  afterEval(strategy: Strategy): void {
    const seen = strategy.results.filter((r) => r.experience < strategy.clock.experience);
    if (seen.length > 0) this.#accuracy = seen.reduce((sum, r) => sum + r.accuracy, 0) / seen.length;
  }

  /** @param share of the task under way, 0 to 1. @param tests test sets that the learner has been through. */
  #show(strategy: Strategy, share: number, tests: number, where: string, detail: string): void {
    const { experience } = strategy.clock;
    const tested = tests * this.#settings.testSamples;
    const done = this.#before + costOf(this.#settings, this.#step, experience, share, tested);
    this.#progress.update({
      label: `${this.#learner}, ${where}`,
      detail,
      fraction: this.#total === 0 ? 0 : done / this.#total,
      accuracy: this.#accuracy === null ? null : { label: 'accuracy so far', value: this.#accuracy },
    });
  }
}
