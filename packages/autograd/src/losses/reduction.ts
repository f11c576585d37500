// What all losses share: one number for each sample or element, and how these become one.

import { errors, type Tensor } from '@gemlab/tensor';
import { wantArray } from '../checks.ts';
import type { Variable } from '../variable.ts';

/** How the losses of a batch become one: their mean (default), their sum, or left as they are. */
export type Reduction = 'mean' | 'sum' | 'none';

export interface LossOptions {
  readonly reduction?: Reduction | undefined;
}

/** @throws OptionError for another reduction. */
export function reduceLoss(each: Variable, reduction: Reduction = 'mean'): Variable {
  switch (reduction) {
    case 'mean':
      return each.mean();
    case 'sum':
      return each.sum();
    case 'none':
      return each;
  }
  throw new errors.OptionError(`a loss: the reduction is 'mean', 'sum' or 'none', found '${String(reduction)}'`, {
    reduction,
  });
}

/** @throws DataError unless both are arrays; ShapeError unless their shapes are equal: broadcasting in a loss is nearly always a mistake. */
export function wantSameShape(op: string, outputs: Variable, targets: Variable | Tensor, name = 'targets'): void {
  wantArray(`${op}: the outputs`, outputs);
  wantArray(`${op}: ${name}`, targets);
  if (errors.shapeText(outputs.shape) === errors.shapeText(targets.shape)) return;
  throw new errors.ShapeError(
    `${op}: outputs are ${errors.shapeText(outputs.shape)}, ${name} ${errors.shapeText(targets.shape)}`,
    { outputs: outputs.shape, targets: targets.shape },
  );
}
