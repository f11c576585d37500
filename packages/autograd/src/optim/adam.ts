// Adam (Kingma & Ba 2015): steps of the size lr wherever the gradient keeps its sign, by dividing its running mean by
// the root of its running square, both freed of their start from 0:
//
//     m = beta1 m + (1 - beta1) g                 v = beta2 v + (1 - beta2) g^2
//     theta = theta - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//
// amsgrad (Reddi et al. 2018) divides by the largest v so far. AdamW (Loshchilov & Hutter 2019) shrinks theta by lr
// weightDecay theta in place of adding weight decay to the gradient. Adamax (Kingma & Ba 2015, 7.1) takes the largest
// |g|, fading, for sqrt(v).

import type { Tensor } from '@gemlab/tensor';
import { descent, GroupOptimizer, type OptimizerOptions, type ParametersOrGroups } from './optimizer.ts';
import type { Slots } from './state.ts';

export interface AdamaxOptions extends OptimizerOptions {
  /** How slowly the running mean and the running square forget. Default [0.9, 0.999]. */
  readonly betas: readonly [number, number];
  /** Default 1e-8. */
  readonly eps: number;
}

export interface AdamOptions extends AdamaxOptions {
  /** Default false. */
  readonly amsgrad: boolean;
}

const DEFAULTS = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maximize: false } as const;

/** A running mean: beta m + (1 - beta) x, from 0. */
export function fade(slots: Slots, name: string, x: Tensor, beta: number): Tensor {
  const fresh = x.mul(1 - beta);
  const before = slots[name];
  const mean = before ? before.mul(beta).add(fresh) : fresh;
  slots[name] = mean;
  return mean;
}

function adamStep(theta: Tensor, g: Tensor, slots: Slots, t: number, o: AdamOptions): Tensor {
  const [beta1, beta2] = o.betas;
  const m = fade(slots, 'mean', g, beta1);
  let v = fade(slots, 'square', g.square(), beta2);
  if (o.amsgrad) {
    v = slots.maxSquare ? slots.maxSquare.maximum(v) : v;
    slots.maxSquare = v;
  }
  const root = v
    .sqrt()
    .div(Math.sqrt(1 - beta2 ** t))
    .add(o.eps);
  return theta.sub(m.div(root).mul(o.lr / (1 - beta1 ** t)));
}

/** The learning rate is 0.001 by default. */
export class Adam extends GroupOptimizer<AdamOptions> {
  constructor(parameters: ParametersOrGroups<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super('Adam', parameters, { ...DEFAULTS, amsgrad: false }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, t: number, o: AdamOptions): Tensor {
    return adamStep(theta, descent(theta, g, o), slots, t, o);
  }
}

/** The learning rate is 0.001 and weightDecay, which acts on theta and not on the gradient, 0.01 by default. */
export class AdamW extends GroupOptimizer<AdamOptions> {
  constructor(parameters: ParametersOrGroups<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super('AdamW', parameters, { ...DEFAULTS, weightDecay: 1e-2, amsgrad: false }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, t: number, o: AdamOptions): Tensor {
    const shrunk = theta.mul(1 - o.lr * o.weightDecay);
    return adamStep(shrunk, descent(theta, g, { ...o, weightDecay: 0 }), slots, t, o);
  }
}

/** The learning rate is 0.002 by default. */
export class Adamax extends GroupOptimizer<AdamaxOptions> {
  constructor(parameters: ParametersOrGroups<AdamaxOptions>, options: Partial<AdamaxOptions> = {}) {
    super('Adamax', parameters, { ...DEFAULTS, lr: 2e-3 }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, t: number, o: AdamaxOptions): Tensor {
    const [beta1, beta2] = o.betas;
    const d = descent(theta, g, o);
    const m = fade(slots, 'mean', d, beta1);
    const size = d.abs().add(o.eps);
    slots.largest = slots.largest ? slots.largest.mul(beta2).maximum(size) : size;
    return theta.sub(m.div(slots.largest).mul(o.lr / (1 - beta1 ** t)));
  }
}
