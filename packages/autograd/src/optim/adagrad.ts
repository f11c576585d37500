// Optimizers that divide each element of the gradient by how large it has been:
//
//     Adagrad     s = s + g^2                      theta = theta - lr / (1 + (t - 1) lrDecay) g / (sqrt(s) + eps)
//     RMSprop     s = alpha s + (1 - alpha) g^2    theta = theta - lr g / (sqrt(s) + eps)
//     Adadelta    s = rho s + (1 - rho) g^2        theta = theta - lr d, d = sqrt(u + eps) / sqrt(s + eps) g,
//                                                  u = rho u + (1 - rho) d^2
//
// (Duchi et al. 2011; Hinton 2012, lecture 6e; Zeiler 2012.)
//
// RMSprop may subtract the square of g's running mean from s ('centered', Graves 2013), and have momentum: b = momentum
// b + g / ..., theta = theta - lr b. All as PyTorch defines them.

import { full, type Tensor } from '@gemlab/tensor';
import { fade } from './adam.ts';
import { descent, GroupOptimizer, type OptimizerOptions, type ParametersOrGroups } from './optimizer.ts';
import type { Slots } from './state.ts';

const COMMON = { weightDecay: 0, maximize: false } as const;

export interface AdagradOptions extends OptimizerOptions {
  /** Default 0. */
  readonly lrDecay: number;
  /** What s starts from. Default 0. */
  readonly initialAccumulator: number;
  /** Default 1e-10. */
  readonly eps: number;
}

/** The learning rate is 0.01 by default. */
export class Adagrad extends GroupOptimizer<AdagradOptions> {
  constructor(parameters: ParametersOrGroups<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    super('Adagrad', parameters, { lr: 1e-2, lrDecay: 0, initialAccumulator: 0, eps: 1e-10, ...COMMON }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, t: number, o: AdagradOptions): Tensor {
    const d = descent(theta, g, o);
    slots.sum = (slots.sum ?? full([], o.initialAccumulator, theta)).add(d.square());
    return theta.sub(d.div(slots.sum.sqrt().add(o.eps)).mul(o.lr / (1 + (t - 1) * o.lrDecay)));
  }
}

export interface RMSpropOptions extends OptimizerOptions {
  /** How slowly s forgets. Default 0.99. */
  readonly alpha: number;
  /** Default 1e-8. */
  readonly eps: number;
  /** Default 0. */
  readonly momentum: number;
  /** Default false. */
  readonly centered: boolean;
}

/** The learning rate is 0.01 by default. */
export class RMSprop extends GroupOptimizer<RMSpropOptions> {
  constructor(parameters: ParametersOrGroups<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    const none = { momentum: 0, centered: false };
    super('RMSprop', parameters, { lr: 1e-2, alpha: 0.99, eps: 1e-8, ...none, ...COMMON }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override conflict({ alpha }: RMSpropOptions): string | undefined {
    return alpha > 1 ? `alpha must be at most 1, found ${alpha}` : undefined;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, _t: number, o: RMSpropOptions): Tensor {
    const d = descent(theta, g, o);
    let s = fade(slots, 'square', d.square(), o.alpha);
    // A variance; rounding may leave it below 0 where the gradient does not change.
    if (o.centered) s = s.sub(fade(slots, 'mean', d, o.alpha).square()).relu();
    const scaled = d.div(s.sqrt().add(o.eps));
    if (o.momentum === 0) return theta.sub(scaled.mul(o.lr));
    slots.momentum = slots.momentum ? slots.momentum.mul(o.momentum).add(scaled) : scaled;
    return theta.sub(slots.momentum.mul(o.lr));
  }
}

export interface AdadeltaOptions extends OptimizerOptions {
  /** How slowly s and u forget. Default 0.9. */
  readonly rho: number;
  /** Default 1e-6. */
  readonly eps: number;
}

/** The learning rate is 1 by default. */
export class Adadelta extends GroupOptimizer<AdadeltaOptions> {
  constructor(parameters: ParametersOrGroups<AdadeltaOptions>, options: Partial<AdadeltaOptions> = {}) {
    super('Adadelta', parameters, { lr: 1, rho: 0.9, eps: 1e-6, ...COMMON }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override conflict({ rho }: AdadeltaOptions): string | undefined {
    return rho > 1 ? `rho must be at most 1, found ${rho}` : undefined;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, _t: number, o: AdadeltaOptions): Tensor {
    const d = descent(theta, g, o);
    const root = fade(slots, 'square', d.square(), o.rho).add(o.eps).sqrt();
    const before = slots.moved?.add(o.eps).sqrt() ?? Math.sqrt(o.eps);
    const move = root.reciprocal().mul(before).mul(d);
    fade(slots, 'moved', move.square(), o.rho);
    return theta.sub(move.mul(o.lr));
  }
}
