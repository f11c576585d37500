// Several learners on one stream, one after another: the runner that all examples share.

import { type Experiment, runStream, type Strategy, type Stream } from '@gemlab/gem';
import type { Lab, Settings } from '../examples/example.ts';
import type { Progress } from '../report/progress.ts';
import { type Comparison, type MethodResult, metricsSoFar } from './result.ts';
import { type RunConfig, runSaved, savedSteps } from './saved.ts';
import { Watch } from './watch.ts';

export interface OpenLab {
  readonly lab: Lab;
  /** What has come of it, also after an interruption. */
  outcome(): Comparison;
}

/** Where and as what the runs of the learners are saved. */
export interface Saving extends Omit<RunConfig, 'learner'> {
  readonly folder: string;
  readonly versions: Readonly<Record<string, string>>;
  /** The only learner; all if it is left out. */
  readonly only?: string | undefined;
}

/** @param signal stops between two steps; what has been measured by then stands. */
export function openLab(settings: Settings, progress: Progress, signal: AbortSignal, saving: Saving | null): OpenLab {
  const watch = new Watch(progress, settings);
  const methods: MethodResult[] = [];
  let tasks: readonly string[] = [];

  async function measure(name: string, strategy: Strategy, stream: Stream): Promise<MethodResult> {
    const start = performance.now();
    watch.begin(name, strategy);
    const outcome =
      saving === null
        ? { matrix: await runStream(strategy, stream, { signal }) }
        : await saved(saving, name, { strategy, stream });
    const matrix = outcome.matrix.toJSON();
    const trained = matrix.accuracies.filter((row) => row[0] !== null).length;
    return {
      name,
      seconds: (performance.now() - start) / 1000,
      steps: strategy.clock.step,
      ...outcome,
      projectedSteps: watch.projectedSteps,
      trained,
      metrics: metricsSoFar(matrix, trained),
      matrix,
    };
  }

  async function saved({ folder, versions, ...config }: Saving, learner: string, experiment: Experiment) {
    const { example, preset } = config;
    const run = { example, preset, settings, learner };
    const { matrix, steps, seconds } = await runSaved(folder, run, experiment, { versions, signal });
    // Also of the steps that were made before this program began.
    watch.review(await savedSteps(folder, learner));
    return { matrix, steps, seconds };
  }

  const lab: Lab = {
    watch,
    async compare(stream, learners) {
      tasks = stream.map((experience) => experience.name);
      watch.plan(stream, Object.values(learners));
      for (const [name, strategy] of Object.entries(learners)) {
        if (signal.aborted) return;
        if (saving?.only !== undefined && saving.only !== name) continue;
        methods.push(await measure(name, strategy, stream));
      }
    },
  };
  return { lab, outcome: () => ({ tasks, interrupted: signal.aborted, methods, step: watch.step }) };
}
