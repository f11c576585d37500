// Several learners on one stream, one after another: the runner that all examples share.

import { runStream, type Strategy, type Stream } from '@gemlab/gem';
import type { Lab, Settings } from '../examples/example.ts';
import type { Progress } from '../report/progress.ts';
import { type Comparison, type MethodResult, metricsSoFar } from './result.ts';
import { Watch } from './watch.ts';

export interface OpenLab {
  readonly lab: Lab;
  /** What has come of it, also after an interruption. */
  outcome(): Comparison;
}

/** @param signal stops between two steps; what has been measured by then stands. */
export function openLab(settings: Settings, progress: Progress, signal: AbortSignal): OpenLab {
  const watch = new Watch(progress, settings);
  const methods: MethodResult[] = [];
  let tasks: readonly string[] = [];

  async function measure(name: string, strategy: Strategy, stream: Stream): Promise<MethodResult> {
    const start = performance.now();
    watch.begin(name, strategy);
    const matrix = (await runStream(strategy, stream, { signal })).toJSON();
    const trained = matrix.accuracies.filter((row) => row[0] !== null).length;
    return {
      name,
      seconds: (performance.now() - start) / 1000,
      steps: strategy.clock.step,
      projectedSteps: watch.projectedSteps,
      trained,
      metrics: metricsSoFar(matrix, trained),
      matrix,
    };
  }

  const lab: Lab = {
    watch,
    async compare(stream, learners) {
      tasks = stream.map((experience) => experience.name);
      watch.plan(stream, Object.values(learners));
      for (const [name, strategy] of Object.entries(learners)) {
        if (signal.aborted) return;
        methods.push(await measure(name, strategy, stream));
      }
    },
  };
  return { lab, outcome: () => ({ tasks, interrupted: signal.aborted, methods, step: watch.step }) };
}
