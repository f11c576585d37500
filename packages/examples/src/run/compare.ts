// Several methods on one stream, one after another: the runner that all examples share.

import { type Experiment, NonFiniteGradientError, runStream } from '@gemlab/gem';
import type { Example, Settings } from '../examples/example.ts';
import type { Method } from '../methods/method.ts';
import type { Progress } from '../report/progress.ts';
import { type Comparison, type Divergence, type MethodResult, metricsSoFar } from './result.ts';
import { type RunConfig, runSaved, savedSteps } from './saved.ts';
import { Watch } from './watch.ts';

/** Where and as what the runs of the learners are saved. */
export interface Saving extends Omit<RunConfig, 'learner'> {
  readonly folder: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** A comparison under way. */
export interface Comparing {
  /** Trains each learner on the stream, in turn, and measures it on all tasks after each. One that diverges ends there, alone. */
  run(): Promise<void>;
  /** What has come of it, also after an interruption. */
  outcome(): Comparison;
}

/** @param signal stops between two steps; what has been measured by then stands. */
export function compare(
  example: Example,
  settings: Settings,
  methods: readonly Method[],
  progress: Progress,
  signal: AbortSignal,
  saving: Saving | null,
): Comparing {
  const watch = new Watch(progress, settings);
  const results: MethodResult[] = [];
  const diverged: Divergence[] = [];
  let tasks: readonly string[] = [];

  async function measure(method: Method, experiment: Experiment): Promise<MethodResult> {
    const start = performance.now();
    watch.begin(method, experiment.strategy);
    const outcome =
      saving === null
        ? { matrix: await runStream(experiment.strategy, experiment.stream, { measure: experiment.measure, signal }) }
        : await saved(saving, method.label, experiment);
    const matrix = outcome.matrix.toJSON();
    const trained = matrix.accuracies.filter((row) => row.some((accuracy) => accuracy !== null)).length;
    return {
      name: method.label,
      numbers: method.numbers(example.name, settings),
      seconds: (performance.now() - start) / 1000,
      steps: experiment.strategy.clock.step,
      ...outcome,
      projectedSteps: watch.projectedSteps,
      trained,
      metrics: metricsSoFar(matrix, trained),
      matrix,
    };
  }

  async function saved({ folder, versions, ...config }: Saving, learner: string, experiment: Experiment) {
    const { matrix, steps, seconds } = await runSaved(folder, { ...config, learner }, experiment, { versions, signal });
    // Also of the steps that were made before this program began.
    watch.review(await savedSteps(folder, learner));
    return { matrix, steps, seconds };
  }

  return {
    async run() {
      const bench = example.setUp(settings);
      tasks = bench.stream().map((experience) => experience.name);
      watch.plan(methods);
      for (const method of methods) {
        if (signal.aborted) return;
        const experiment = method.experiment(bench, watch);
        try {
          results.push(await measure(method, experiment));
        } catch (error) {
          if (!(error instanceof NonFiniteGradientError)) throw error;
          const numbers = method.numbers(example.name, settings);
          diverged.push({ name: method.label, numbers, steps: experiment.strategy.clock.step, reason: error.message });
        }
      }
    },
    outcome: () => ({ tasks, interrupted: signal.aborted, methods: results, diverged, step: watch.step }),
  };
}
