// Losses of yes-or-no answers, each a probability t (a label is 0 or 1): with p = sigmoid(x),
//
//     -t log p - (1 - t) log(1 - p)  =  (1 - t) x + softplus(-x)
//
// The right side keeps its digits however large |x| is. Names and defaults are PyTorch's.

import { errors, type Tensor, where } from '@gemlab/tensor';
import { wantArray } from '../checks.ts';
import type { Variable } from '../variable.ts';
import { type LossOptions, reduceLoss, wantSameShape } from './reduction.ts';

export interface BinaryLossOptions extends LossOptions {
  /** Weighs each element; broadcasts with them. The mean still divides by their number. */
  readonly weight?: Tensor | undefined;
}

/**
 * The binary cross-entropy of sigmoid(logits). posWeight (broadcast) multiplies the loss of the positives: above 1 it
 * favours recall.
 * @throws ShapeError unless logits and targets have one shape.
 */
export function bceWithLogits(
  logits: Variable,
  targets: Variable | Tensor,
  { weight, posWeight, reduction }: BinaryLossOptions & { readonly posWeight?: Tensor | undefined } = {},
): Variable {
  wantSameShape('bceWithLogits', logits, targets);
  if (posWeight) wantArray('bceWithLogits: posWeight', posWeight);
  const t = logits.lift('bceWithLogits', targets, logits.dtype);
  const tail = logits.neg().softplus();
  const weighted = posWeight ? tail.mul(t.mul(posWeight.sub(1)).add(1)) : tail;
  return reduceLoss(weigh(t.neg().add(1).mul(logits).add(weighted), weight), reduction);
}

/**
 * The binary cross-entropy of probabilities; after a sigmoid, bceWithLogits is the accurate form. Logarithms are cut
 * off at -100, and pass no gradient there.
 * @throws ShapeError unless the shapes are equal; DataError for a probability outside [0, 1].
 */
export function bce(
  probabilities: Variable,
  targets: Variable | Tensor,
  { weight, reduction }: BinaryLossOptions = {},
): Variable {
  wantSameShape('bce', probabilities, targets);
  const p = probabilities.value;
  if (p.ge(0).logicalAnd(p.le(1)).all().item() !== true) {
    throw new errors.DataError('bce: probabilities must be in [0, 1]; for any real numbers use bceWithLogits', {});
  }
  const t = probabilities.lift('bce', targets, probabilities.dtype);
  const one = t.neg().add(1);
  const each = t.mul(cutLog(probabilities, (x) => x.log())).add(one.mul(cutLog(probabilities.neg(), (x) => x.log1p())));
  return reduceLoss(weigh(each.neg(), weight), reduction);
}

/** max(log, -100); the place where the logarithm has an infinite slope is never differentiated. */
function cutLog(x: Variable, log: (x: Variable) => Variable): Variable {
  const inside = log(x.detach()).gt(-100);
  return where<Variable>(inside, log(where<Variable>(inside, x, 0.5)), -100);
}

const weigh = (each: Variable, weight: Tensor | undefined): Variable => (weight ? each.mul(weight) : each);
