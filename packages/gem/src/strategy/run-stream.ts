// The usual experiment: measure before training, then train on each experience in turn and measure on all of them.

import { AccuracyMatrix } from '../metrics/accuracy-matrix.ts';
import type { Stream } from '../streams/stream.ts';
import type { StopSignal } from './pause.ts';
import type { EvalResult, Strategy } from './strategy.ts';

/** One finished piece of the run: the baseline, or an experience trained on and all of them measured after it. */
export interface RunEvent {
  /** How many experiences have been trained on. */
  readonly trained: number;
  readonly results: readonly EvalResult[];
}

export interface RunStreamOptions {
  readonly signal?: StopSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

/**
 * Trains `strategy` on the stream and fills the accuracy matrix: row i holds the test accuracy on every task after task i, the baseline
 * that of the untrained model. If the signal stops the run, the rows so far stand and the rest is missing.
 */
export async function runStream(
  strategy: Strategy,
  stream: Stream,
  { signal, onEvent }: RunStreamOptions = {},
): Promise<AccuracyMatrix> {
  const matrix = new AccuracyMatrix(stream.length);
  const options = signal === undefined ? {} : { signal };

  const measure = async (trained: number): Promise<boolean> => {
    const results = await strategy.eval(stream, options);
    if (results.length < stream.length) return false;
    const accuracies = results.map((r) => r.accuracy);
    if (trained === 0) matrix.setBaseline(accuracies);
    else matrix.record(trained - 1, accuracies);
    onEvent?.({ trained, results });
    return true;
  };

  if (!(await measure(0))) return matrix;
  for (const [i, experience] of stream.entries()) {
    if (!(await strategy.train(experience, options))) break;
    if (!(await measure(i + 1))) break;
  }
  return matrix;
}
