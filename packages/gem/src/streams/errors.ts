// The errors of datasets and streams.

import { Dataset, type Samples } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { GemError } from '../errors.ts';

/** A dataset or a stream that cannot be built, or a question that it cannot answer. */
export class StreamError extends GemError {
  static override readonly name: string = 'StreamError';
  /** The offending argument in the caller's words: `targets`, `test.inputs`, `classGroups[2]`. */
  readonly argument: string;
  /** What was found there: a number, a shape, a dtype, a label. */
  readonly found: unknown;

  constructor(operation: string, argument: string, found: unknown, message: string) {
    super(operation, message, { argument, found });
    this.argument = argument;
    this.found = found;
  }
}

/** @throws StreamError unless `value` is an integer of [low, high]. */
export function wantInteger(operation: string, argument: string, value: number, low: number, high = Infinity): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const range = high === Infinity ? `an integer >= ${low}` : `an integer from ${low} to ${high}`;
  throw new StreamError(operation, argument, value, `${argument} is ${String(value)}; expected ${range}`);
}

/** @throws StreamError unless `value` is a generator. */
export function wantRng(operation: string, value: Rng): void {
  if (value instanceof Rng) return;
  throw new StreamError(operation, 'rng', value, `rng is ${String(value)}; expected a generator: new Rng(seed)`);
}

/** Samples as a dataset. @throws StreamError for nothing at all; DatasetError if they make none. */
export function datasetOf(operation: string, argument: string, source: Dataset | Samples): Dataset {
  if (typeof source === 'object' && source !== null) return Dataset.from(source);
  const message = `${argument} is ${String(source)}; expected a Dataset, or samples { inputs, targets }`;
  throw new StreamError(operation, argument, source, message);
}
