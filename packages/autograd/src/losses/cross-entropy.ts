// Losses of classification into one of C classes. With p = softmax(z), the cross-entropy of class t is
//
//     -log p_t = logSumExp(z) - z_t,     its gradient by z  p - onehot(t)
//
// and that of a distribution q over the classes -sum_c q_c log p_c. p itself is never formed, so that logits of any
// size are safe. Names, defaults and means are PyTorch's. A mean over class indices is weighted: sum_n w[t_n] loss_n /
// sum_n w[t_n].

import { errors, type Tensor, where } from '@gemlab/tensor';
import { wantArray } from '../checks.ts';
import { Variable } from '../variable.ts';
import { type LossOptions, reduceLoss, wantSameShape } from './reduction.ts';

export interface ClassLossOptions extends LossOptions {
  /** A weight for each class: [classes]. */
  readonly weight?: Tensor | undefined;
  /** Targets of this number count for nothing. Default -100. Where all are ignored, the mean is 0/0 = NaN. */
  readonly ignoreIndex?: number | undefined;
}

export interface CrossEntropyOptions extends ClassLossOptions {
  /**
   * epsilon in [0, 1]: the target distribution is mixed with the uniform one, (1 - epsilon) q + epsilon / C (Szegedy et
   * al. 2016). Default 0.
   */
  readonly labelSmoothing?: number | undefined;
}

/**
 * -log softmax(logits)[target], with logits [n, classes, ...] (or [classes]) and targets int32 [n, ...]; or -sum(q log
 * softmax(logits)) with float targets q of the logits' shape, whose weighted losses have a plain mean.
 * @throws ShapeError if the shapes do not fit; IndexError for a class outside [0, classes) that is not ignored;
 * DTypeError for targets that are neither int32 nor float; DataError for a smoothing outside [0, 1], or ignoreIndex
 * beside float targets.
 */
export function crossEntropy(
  logits: Variable,
  targets: Tensor | Variable,
  options: CrossEntropyOptions = {},
): Variable {
  const { labelSmoothing = 0 } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new errors.DataError(`crossEntropy: labelSmoothing must be in [0, 1], found ${labelSmoothing}`, {
      labelSmoothing,
    });
  }
  wantArray('crossEntropy: the logits', logits);
  wantArray('crossEntropy: the targets', targets);
  const axis = classAxis('crossEntropy', logits);
  const logProbability = logits.logSoftmax(axis);
  const soft = targets.dtype !== 'int32' && targets.rank === logits.rank;
  return soft
    ? softLoss(logProbability, targets, labelSmoothing, options)
    : indexLoss('crossEntropy', logProbability, targets, labelSmoothing, options);
}

/**
 * -logProbabilities[target], with log-probabilities [n, classes, ...] (or [classes]) and targets int32 [n, ...]:
 * crossEntropy after logSoftmax(1).
 * @throws ShapeError, IndexError, DTypeError as crossEntropy.
 */
export function nll(logProbabilities: Variable, targets: Tensor | Variable, options: ClassLossOptions = {}): Variable {
  wantArray('nll: the log-probabilities', logProbabilities);
  wantArray('nll: the targets', targets);
  return indexLoss('nll', logProbabilities, targets, 0, options);
}

/** Axis 1, or the only one. */
function classAxis(op: string, x: Variable): 0 | 1 {
  if (x.rank > 0) return x.rank === 1 ? 0 : 1;
  throw new errors.ShapeError(`${op}: a scalar has no classes; wants [n, classes, ...] or [classes]`, {
    shape: x.shape,
  });
}

function indexLoss(
  op: string,
  logProbability: Variable,
  targets: Tensor | Variable,
  smoothing: number,
  { weight, ignoreIndex = -100, reduction = 'mean' }: ClassLossOptions,
): Variable {
  const axis = classAxis(op, logProbability);
  const classes = logProbability.shape[axis]!;
  const indices = targets instanceof Variable ? targets.value : targets;
  const someIgnored = checkIndices(op, logProbability, indices, ignoreIndex);
  const perClass = weight && classWeights(op, weight, logProbability);

  const counted = someIgnored ? indices.ne(ignoreIndex) : undefined;
  const index = counted ? where(counted, indices, 0) : indices;
  // Not `gather`, which would read the index once more to check it.
  const place = logProbability.lift(op, index.unsqueeze(axis), 'int32');
  let each = logProbability.apply('gather', { axis }, [logProbability, place]).squeeze(axis).neg();
  let weights = perClass?.indexSelect(0, index.reshape([-1])).reshape(index.shape);
  if (weights) each = each.mul(weights);
  if (smoothing > 0) {
    const everyClass = perClass ? logProbability.mul(alongAxis(perClass, axis, logProbability.rank)) : logProbability;
    each = each.mul(1 - smoothing).sub(everyClass.sum(axis).mul(smoothing / classes));
  }
  if (counted) {
    each = where<Variable>(counted, each, 0);
    weights = counted.cast(each.dtype).mul(weights ?? 1);
  }
  return reduction === 'mean' && weights ? each.sum().div(weights.sum()) : reduceLoss(each, reduction);
}

function softLoss(
  logProbability: Variable,
  targets: Tensor | Variable,
  smoothing: number,
  { weight, ignoreIndex, reduction }: ClassLossOptions,
): Variable {
  if (ignoreIndex !== undefined) {
    throw new errors.DataError('crossEntropy: ignoreIndex is about class indices; float targets are distributions', {
      ignoreIndex,
    });
  }
  wantSameShape('crossEntropy', logProbability, targets);
  const axis = classAxis('crossEntropy', logProbability);
  const q = smoothing > 0 ? targets.mul(1 - smoothing).add(smoothing / logProbability.shape[axis]!) : targets;
  let parts = logProbability.mul(q);
  if (weight) {
    parts = parts.mul(alongAxis(classWeights('crossEntropy', weight, logProbability), axis, logProbability.rank));
  }
  return reduceLoss(parts.sum(axis).neg(), reduction);
}

/** Whether some targets are to be ignored. @throws ShapeError, DTypeError, IndexError. */
function checkIndices(op: string, x: Variable, targets: Tensor, ignoreIndex: number): boolean {
  const axis = classAxis(op, x);
  const fits = targets.rank === x.rank - 1 && targets.shape.every((d, i) => d === x.shape[i < axis ? i : i + 1]);
  if (!fits) {
    throw new errors.ShapeError(
      `${op}: wants logits [n, classes, ...] and targets [n, ...], found ${errors.shapeText(x.shape)} ` +
        `and ${errors.shapeText(targets.shape)}`,
      { logits: x.shape, targets: targets.shape },
    );
  }
  if (targets.dtype !== 'int32') {
    throw new errors.DTypeError(
      `${op}: targets are class numbers, int32; found ${targets.dtype}; did you mean .cast('int32')?`,
      { dtype: targets.dtype },
    );
  }
  const classes = x.shape[axis]!;
  let someIgnored = false;
  const data = targets.dataSync();
  for (let i = 0; i < data.length; i++) {
    const found = data[i]!;
    if (found === ignoreIndex) someIgnored = true;
    else if (found < 0 || found >= classes) {
      const sample = Math.floor((i * (targets.shape[0] ?? 1)) / targets.size);
      throw new errors.IndexError(`${op}: target ${found} of sample ${sample} is not one of ${classes} classes`, {
        sample,
        found,
        classes,
      });
    }
  }
  return someIgnored;
}

/** @throws DataError, ShapeError unless there is one weight for each class. */
function classWeights(op: string, weight: Tensor, x: Variable): Tensor {
  wantArray(`${op}: the weight`, weight);
  const classes = x.shape[classAxis(op, x)]!;
  if (weight.rank === 1 && weight.size === classes) return weight.cast(x.dtype);
  throw new errors.ShapeError(
    `${op}: the weight is ${errors.shapeText(weight.shape)}; wants one for each of ${classes} classes, [${classes}]`,
    { weight: weight.shape, classes },
  );
}

/** [classes] as a tensor that broadcasts along the class axis. */
const alongAxis = (perClass: Tensor, axis: number, rank: number): Tensor =>
  perClass.reshape(Array.from({ length: rank }, (_, i) => (i === axis ? -1 : 1)));
