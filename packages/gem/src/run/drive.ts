// An experiment on its way: from its beginning or from a checkpoint, step by step, with a checkpoint to be had at every place at which
// it can go on.

import { AccuracyMatrix } from '../metrics/accuracy-matrix.ts';
import { type State, StateMismatchError } from '../state.ts';
import type { StopSignal } from '../strategy/pause.ts';
import { type MeasureCadence, type RunEvent, type RunPoint, runStream } from '../strategy/run-stream.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { Stream } from '../streams/stream.ts';
import { want } from '../want.ts';
import type { Checkpoint } from './checkpoint.ts';
import { evalLine, type RecordLine, stepLine } from './records.ts';

/** What a run is a run of: a strategy that has not been trained, and the stream for it. */
export interface Experiment {
  readonly strategy: Strategy;
  readonly stream: Stream;
  /** Which tasks are measured when. Default 'all'. */
  readonly measure?: MeasureCadence | undefined;
}

/**
 * Makes an experiment from its configuration, which is plain data. The same configuration must give the same experiment: everything
 * random in it comes from seeds in the configuration.
 */
export type Build<C> = (config: C) => Experiment | Promise<Experiment>;

/** @throws InvalidOptionError unless it is such a function. */
export function wantBuild(operation: string, build: unknown): void {
  want(typeof build === 'function', operation, 'build', build, 'a function from a configuration to an experiment');
}

export interface Driver {
  readonly signal: StopSignal | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  note(line: RecordLine): void;
  /** Awaited wherever the run can be saved; `take` gives the checkpoint of this moment. */
  at(point: RunPoint, take: () => Checkpoint): Promise<void> | void;
}

/** Runs to the end, or until the signal stops it. @returns what has been measured. */
export async function drive(
  operation: string,
  { strategy, stream, measure }: Experiment,
  from: Checkpoint | null,
  { signal, onEvent, note, at }: Driver,
): Promise<AccuracyMatrix> {
  const tasks = from?.matrix.tasks ?? stream.length;
  if (tasks !== stream.length)
    throw new StateMismatchError(operation, 'matrix.tasks', tasks, `${stream.length}, the stream's`);
  const matrix = from === null ? new AccuracyMatrix(tasks) : AccuracyMatrix.fromJSON(from.matrix);
  let begin: State | null = from?.begin ?? null;
  if (from !== null) strategy.loadStateDict(begin ?? from.now);
  return runStream(strategy, stream, {
    measure,
    signal,
    from: { matrix, middle: begin && from!.now },
    onEvent: (event) => {
      note(evalLine(strategy));
      onEvent?.(event);
    },
    onPoint: async (point) => {
      const { clock } = strategy;
      if (point === 'step')
        note(stepLine(strategy, { ...clock, step: clock.step - 1, iteration: clock.iteration - 1 }));
      const inside = point === 'step' || point === 'stop';
      const take = () => ({ now: strategy.stateDict(), begin: inside ? begin : null, matrix: matrix.toJSON() });
      await at(point, take);
      if (point === 'after-eval') begin = strategy.stateDict();
    },
  });
}
