// How fast a learner learns. a[k][b] is the test accuracy on task k after b batches of that task (b = 0: before the first); with T tasks
//
//     Z_b = 1/T sum_k a[k][b]                               b-shot performance: the learning curve
//     LCA_beta = 1/(beta + 1) sum_{b=0..beta} Z_b           learning curve area
//
// Chaudhry et al., "Efficient lifelong learning with A-GEM" (ICLR 2019), definition 4. LCA_0 is the accuracy without any training on the
// task, and a high LCA_beta is that of a learner which starts well or learns quickly. The paper's beta is 10.

import { MetricError, MetricInputError } from './accuracy-matrix.ts';

/**
 * Z_0, ..., Z_beta.
 * @param curves for each task the accuracies after 0, 1, ... batches of it, each in [0, 1]; what comes after beta is not looked at.
 * @throws MetricInputError unless there are tasks, accuracies are in [0, 1] and beta is an integer >= 0; MetricError where a curve is
 *   shorter than beta + 1.
 */
export function learningCurve(curves: readonly (readonly number[])[], beta = 10): number[] {
  return averaged('learningCurve', curves, beta);
}

/** LCA_beta: the mean of Z_0, ..., Z_beta. @throws as learningCurve. */
export function learningCurveArea(curves: readonly (readonly number[])[], beta = 10): number {
  return averaged('learningCurveArea', curves, beta).reduce((sum, z) => sum + z, 0) / (beta + 1);
}

function averaged(operation: string, curves: readonly (readonly number[])[], beta: number): number[] {
  if (!Number.isInteger(beta) || beta < 0) throw new MetricInputError(operation, 'beta', beta, 'an integer >= 0');
  if (curves.length === 0)
    throw new MetricInputError(operation, 'curves', curves, 'a curve for each task, at least one');
  curves.forEach((curve, k) => {
    const wrong = curve.findIndex((value) => !(value >= 0 && value <= 1));
    if (wrong >= 0) throw new MetricInputError(operation, `curves[${k}][${wrong}]`, curve[wrong], 'a number in [0, 1]');
  });
  const missing = curves.flatMap((curve, k) =>
    Array.from({ length: Math.max(0, beta + 1 - curve.length) }, (_, i) => `curves[${k}][${curve.length + i}]`),
  );
  if (missing.length > 0)
    throw new MetricError(operation, missing, 'curves[k][b]: accuracy on task k after b batches of it');
  return Array.from({ length: beta + 1 }, (_, b) => curves.reduce((sum, curve) => sum + curve[b]!, 0) / curves.length);
}
