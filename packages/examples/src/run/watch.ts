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

/** The cost of a whole learner, in samples passed forward. */
function learnerCost(settings: Settings, hasMemory: boolean): number {
  const { tasks, samples, testSamples, batchSize, epochs } = settings;
  const steps = Math.ceil(samples / batchSize) * epochs;
  const memories = hasMemory ? Math.min(settings.memories, samples) : 0;
  const pastTasks = (tasks * (tasks - 1)) / 2;
  const training = tasks * stepCost(batchSize, 0) + pastTasks * PASSES * memories;
  return steps * training + (tasks + 1) * tasks * testSamples;
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
  #done = 0;
  #total = 0;
  #accuracy: number | null = null;

  constructor(progress: Progress, settings: Settings) {
    this.#progress = progress;
    this.#settings = settings;
  }

  /** Announces all the learners of a run. */
  plan(stream: Stream, learners: readonly Strategy[]): void {
    this.#tasks = stream.length;
    this.#total = learners.reduce((sum, s) => sum + learnerCost(this.#settings, gemOf(s) !== undefined), 0);
  }

  /** Announces the learner whose training follows. */
  begin(name: string, strategy: Strategy): void {
    this.#learner = name;
    this.#accuracy = null;
    this.projectedSteps = gemOf(strategy) === undefined ? null : 0;
  }

  afterTrainingIteration(strategy: Strategy): void {
    const { experience, iteration, iterations } = strategy.clock;
    const gem = gemOf(strategy);
    const remembered = gem === undefined ? 0 : experience * Math.min(this.#settings.memories, this.#settings.samples);
    this.#done += stepCost(this.#settings.batchSize, remembered);
    if (gem?.lastRecord) this.#keep(gem.lastRecord);
    this.#show(`task ${experience + 1} of ${this.#tasks}`, `step ${iteration + 1} of ${iterations}`);
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
    this.#done += strategy.batch!.targets.size;
    const { experience } = strategy.clock;
    this.#show(experience === 0 ? 'before training' : `after task ${experience}`, 'testing');
  }

  afterEval(strategy: Strategy): void {
    const seen = strategy.results.slice(0, strategy.clock.experience);
    if (seen.length > 0) this.#accuracy = seen.reduce((sum, r) => sum + r.accuracy, 0) / seen.length;
  }

  #show(where: string, detail: string): void {
    this.#progress.update({
      label: `${this.#learner}, ${where}`,
      detail,
      fraction: this.#total === 0 ? 0 : this.#done / this.#total,
      accuracy: this.#accuracy === null ? null : { label: 'accuracy so far', value: this.#accuracy },
    });
  }
}
