// Accuracy is a count: of n samples, those whose largest output stands at their label.

import { scope, type Tensor } from '@gemlab/tensor';
import { MetricInputError } from './accuracy-matrix.ts';

/**
 * How many of n samples are classified right: rows of `logits` [n, classes] whose first largest element (a NaN counts as
 * largest) stands at the row's label in `targets`, int32 [n]. Counts of batches add up; divided by the samples they make an accuracy.
 * @throws MetricInputError if shapes or dtypes do not fit.
 */
export function countCorrect(logits: Tensor, targets: Tensor): number {
  const wrong = (argument: string, x: Tensor, expected: string) =>
    new MetricInputError('countCorrect', argument, `${x.dtype} [${x.shape.join(',')}]`, expected);
  if (logits.rank !== 2 || logits.shape[1] === 0) throw wrong('logits', logits, '[n, classes]');
  if (targets.dtype !== 'int32' || targets.rank !== 1 || targets.size !== logits.shape[0]) {
    throw wrong('targets', targets, `int32 [${logits.shape[0]}], one label for each row of logits`);
  }
  return scope(() => logits.argmax(1).eq(targets).sum().item() as number);
}
