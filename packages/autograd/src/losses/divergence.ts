// How far one distribution is from another: the Kullback-Leibler divergence sum_i p_i (log p_i - log q_i) of outputs
// log q from targets p. Names and defaults are PyTorch's, also that the plain mean divides by the number of elements.

import { errors, type Tensor, where } from '@gemlab/tensor';
import type { Variable } from '../variable.ts';
import { type Reduction, reduceLoss, wantSameShape } from './reduction.ts';

export interface KLDivOptions {
  /**
   * 'batchMean' divides the sum by the size of the first axis: the divergence of a sample, which 'mean' (default) is
   * not.
   */
  readonly reduction?: Reduction | 'batchMean' | undefined;
  /** Targets are log-probabilities as well. */
  readonly logTarget?: boolean | undefined;
}

/**
 * targets (log targets - logProbabilities), with 0 log 0 = 0.
 * @throws ShapeError unless the shapes are equal, or for the 'batchMean' of a scalar.
 */
export function klDiv(
  logProbabilities: Variable,
  targets: Variable | Tensor,
  { reduction = 'mean', logTarget = false }: KLDivOptions = {},
): Variable {
  wantSameShape('klDiv', logProbabilities, targets);
  const t = logProbabilities.lift('klDiv', targets, logProbabilities.dtype);
  const each = logTarget ? t.exp().mul(t.sub(logProbabilities)) : xLogX(t).sub(t.mul(logProbabilities));
  if (reduction !== 'batchMean') return reduceLoss(each, reduction);
  if (each.rank === 0) throw new errors.ShapeError("klDiv: a scalar has no batch for reduction 'batchMean'", {});
  return each.sum().div(each.shape[0]!);
}

/** x log x, 0 with derivative 0 at 0; NaN below. */
function xLogX(x: Variable): Variable {
  const zero = x.eq(0);
  return where<Variable>(zero, 0, x.mul(where<Variable>(zero, 1, x).log()));
}
