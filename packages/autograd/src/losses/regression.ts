// Losses of a difference d = output - target:
//
//     mse        d^2                         l1    |d|
//     smoothL1   d^2 / (2 beta) where |d| < beta, else |d| - beta / 2
//     huber      d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)         (Huber 1964: delta times smoothL1)
//
// Names and defaults are PyTorch's.

import { errors, type Tensor, where } from '@gemlab/tensor';
import type { Variable } from '../variable.ts';
import { type LossOptions, reduceLoss, wantSameShape } from './reduction.ts';

/** (outputs - targets)^2. @throws ShapeError unless the shapes are equal: broadcasting here is mostly a mistake. */
export function mse(outputs: Variable, targets: Variable | Tensor, { reduction }: LossOptions = {}): Variable {
  wantSameShape('mse', outputs, targets);
  return reduceLoss(outputs.sub(targets).square(), reduction);
}

/** |outputs - targets|; derivative 0 where they are equal. @throws ShapeError unless the shapes are equal. */
export function l1(outputs: Variable, targets: Variable | Tensor, { reduction }: LossOptions = {}): Variable {
  wantSameShape('l1', outputs, targets);
  return reduceLoss(outputs.sub(targets).abs(), reduction);
}

/**
 * l1 with its corner rounded over +-beta (default 1).
 * @throws ShapeError unless the shapes are equal; DataError unless beta is finite and >= 0.
 */
export function smoothL1(
  outputs: Variable,
  targets: Variable | Tensor,
  { beta = 1, reduction }: LossOptions & { readonly beta?: number | undefined } = {},
): Variable {
  if (!(beta >= 0 && beta < Infinity)) {
    throw new errors.DataError(`smoothL1: beta must be a finite number >= 0, found ${beta}`, { beta });
  }
  if (beta === 0) return l1(outputs, targets, { reduction });
  wantSameShape('smoothL1', outputs, targets);
  return reduceLoss(rounded(outputs.sub(targets), beta), reduction);
}

/**
 * mse / 2 within +-delta (default 1), and straight lines from there.
 * @throws ShapeError unless the shapes are equal; DataError unless delta is finite and > 0.
 */
export function huber(
  outputs: Variable,
  targets: Variable | Tensor,
  { delta = 1, reduction }: LossOptions & { readonly delta?: number | undefined } = {},
): Variable {
  if (!(delta > 0 && delta < Infinity)) {
    throw new errors.DataError(`huber: delta must be a finite number > 0, found ${delta}`, { delta });
  }
  wantSameShape('huber', outputs, targets);
  return reduceLoss(rounded(outputs.sub(targets), delta).mul(delta), reduction);
}

/** |d| - width / 2 outside of +-width, and inside the parabola that continues it. */
function rounded(d: Variable, width: number): Variable {
  const size = d.abs();
  const inside = size.lt(width);
  // The parabola of an infinite d would have the gradient 0 * inf.
  const parabola = where<Variable>(inside, d, 0)
    .square()
    .div(2 * width);
  return where<Variable>(inside, parabola, size.sub(width / 2));
}
