// Losses: outputs and targets to one number (or one for each sample). With p = softmax(z), the cross-entropy of class t is
// -log p_t = logSumExp(z) - z_t, and its gradient by z is p - onehot(t); both are computed without forming p, so that logits of
// any size are safe. The conventions (mean over the batch, class indices as targets) are PyTorch's.

import { errors, type Tensor } from '@gemlab/tensor';
import type { Variable } from './variable.ts';

/** How the losses of a batch become one: their mean (default), their sum, or left as they are. */
export type Reduction = 'mean' | 'sum' | 'none';

function reduceLoss(each: Variable, reduction: Reduction): Variable {
  return reduction === 'none' ? each : reduction === 'sum' ? each.sum() : each.mean();
}

/**
 * -log softmax(logits)[target], with logits [n, classes] and targets int32 [n].
 * @throws ShapeError if the shapes do not fit; IndexError for a class outside [0, classes); DTypeError unless int32.
 */
export function crossEntropy(
  logits: Variable,
  targets: Tensor,
  { reduction = 'mean' }: { readonly reduction?: Reduction } = {},
): Variable {
  if (logits.rank !== 2 || targets.rank !== 1 || logits.shape[0] !== targets.shape[0]) {
    throw new errors.ShapeError(
      `crossEntropy: wants logits [n, classes] and targets [n], found ${errors.shapeText(logits.shape)} ` +
        `and ${errors.shapeText(targets.shape)}`,
      { logits: logits.shape, targets: targets.shape },
    );
  }
  if (targets.dtype !== 'int32') {
    throw new errors.DTypeError(
      `crossEntropy: targets are class numbers, int32; found ${targets.dtype}; did you mean .cast('int32')?`,
      { dtype: targets.dtype },
    );
  }
  const classes = logits.shape[1]!;
  for (const [sample, found] of targets.dataSync().entries()) {
    if (found < 0 || found >= classes) {
      throw new errors.IndexError(
        `crossEntropy: target ${found} of sample ${sample} is not one of ${classes} classes`,
        {
          sample,
          found,
          classes,
        },
      );
    }
  }
  const logProbability = logits.logSoftmax(1).gather(1, targets.unsqueeze(1)).squeeze(1);
  return reduceLoss(logProbability.neg(), reduction);
}

/** (outputs - targets)^2. @throws ShapeError unless the shapes are equal: broadcasting here is nearly always a mistake. */
export function mse(
  outputs: Variable,
  targets: Variable | Tensor,
  { reduction = 'mean' }: { readonly reduction?: Reduction } = {},
): Variable {
  if (errors.shapeText(outputs.shape) !== errors.shapeText(targets.shape)) {
    throw new errors.ShapeError(
      `mse: outputs are ${errors.shapeText(outputs.shape)}, targets ${errors.shapeText(targets.shape)}`,
      { outputs: outputs.shape, targets: targets.shape },
    );
  }
  return reduceLoss(outputs.sub(targets).square(), reduction);
}
