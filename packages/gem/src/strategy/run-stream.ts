// The usual experiment: measure before training, then train on each experience in turn and measure on all of them.

import { InvalidOptionError } from '../errors.ts';
import { AccuracyMatrix } from '../metrics/accuracy-matrix.ts';
import type { State } from '../state.ts';
import type { Stream } from '../streams/stream.ts';
import type { StopSignal } from './pause.ts';
import type { EvalResult, Strategy } from './strategy.ts';

/** One finished piece of the run: the baseline, or an experience trained on and all of them measured after it. */
export interface RunEvent {
  /** How many experiences have been trained on. */
  readonly trained: number;
  readonly results: readonly EvalResult[];
}

/**
 * Where a run stands when it can be saved: between two experiences with the measurement still to come or made, in the middle of one after
 * a step, or there where the signal stopped it.
 */
export type RunPoint = 'before-eval' | 'after-eval' | 'step' | 'stop';

/** From where a run goes on. The strategy is as it was when it began the experience that it is in. */
export interface RunSoFar {
  readonly matrix: AccuracyMatrix;
  /** The strategy's state in the middle of that experience; null at its beginning. */
  readonly middle: State | null;
}

/**
 * Which tasks are measured when. 'all': every task, before training and after each. 'transfer': before training and after the last task
 * every task, in between the task just learned and the next one; that is what ACC, BWT, FWT and learning accuracy need, and about 4/T of
 * the work. The rest of the matrix is then null, and forgetting cannot be had.
 */
export type MeasureCadence = 'all' | 'transfer';

export interface RunStreamOptions {
  /** Default 'all'. */
  readonly measure?: MeasureCadence | undefined;
  readonly signal?: StopSignal | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  /** Awaited at every point at which the run can be saved; the last is 'after-eval' or 'stop', or 'before-eval' if that is stopped. */
  readonly onPoint?: ((point: RunPoint, matrix: AccuracyMatrix) => Promise<void> | void) | undefined;
  readonly from?: RunSoFar | undefined;
}

/**
 * Trains `strategy` on the stream and fills the accuracy matrix: row i holds the test accuracy on every task after task i, the baseline
 * that of the untrained model. If the signal stops the run, the rows so far stand and the rest is missing.
 * @throws InvalidOptionError for an unknown cadence.
 */
export async function runStream(
  strategy: Strategy,
  stream: Stream,
  { measure: cadence = 'all', signal, onEvent, onPoint, from }: RunStreamOptions = {},
): Promise<AccuracyMatrix> {
  if (cadence !== 'all' && cadence !== 'transfer') {
    throw new InvalidOptionError('runStream', 'measure', cadence, "'all' or 'transfer'");
  }
  const matrix = from?.matrix ?? new AccuracyMatrix(stream.length);
  const point = async (at: RunPoint) => onPoint?.(at, matrix);

  const measure = async (trained: number): Promise<boolean> => {
    await point('before-eval');
    const every = cadence === 'all' || trained === 0 || trained === stream.length;
    const places = stream.flatMap((_, j) => (every || j === trained - 1 || j === trained ? [j] : []));
    const results = await strategy.eval(
      places.map((j) => stream[j]!),
      { signal },
    );
    if (results.length < places.length) return false;
    const accuracies = stream.map((_, j) => results[places.indexOf(j)]?.accuracy ?? null);
    if (trained === 0) matrix.setBaseline(accuracies);
    else matrix.record(trained - 1, accuracies);
    onEvent?.({ trained, results });
    return true;
  };
  // A row is written as a whole.
  const isMeasured = (trained: number) =>
    (trained === 0 ? matrix.baseline : matrix.accuracies[trained - 1]!).some((accuracy) => accuracy !== null);

  let middle = from?.middle ?? null;
  for (let i = from === undefined ? 0 : strategy.clock.experience; ; i++) {
    if (!isMeasured(i) && !(await measure(i))) return matrix;
    if (middle === null) await point('after-eval');
    if (i === stream.length) return matrix;
    if (!(await strategy.train(stream[i]!, { signal, middle, afterStep: onPoint && (() => point('step')) }))) {
      await point('stop');
      return matrix;
    }
    middle = null;
  }
}
