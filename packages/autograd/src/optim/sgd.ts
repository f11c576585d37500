// Stochastic gradient descent with momentum (Polyak 1964) or Nesterov's form of it, as PyTorch defines them:
//
//     d = g + weightDecay theta
//     m = momentum m + (1 - dampening) d      (m = d at first)
//     theta = theta - lr m                    (Nesterov: theta - lr (d + momentum m))

import type { Tensor } from '@gemlab/tensor';
import { descent, GroupOptimizer, type OptimizerOptions, type ParametersOrGroups } from './optimizer.ts';
import type { Slots } from './state.ts';

export interface SGDOptions extends OptimizerOptions {
  /** Default 0. */
  readonly momentum: number;
  /** Default 0. */
  readonly dampening: number;
  /** Default false. */
  readonly nesterov: boolean;
}

/** The learning rate is 0.001 by default. */
export class SGD extends GroupOptimizer<SGDOptions> {
  constructor(parameters: ParametersOrGroups<SGDOptions>, options: Partial<SGDOptions> = {}) {
    const none = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0, maximize: false };
    super('SGD', parameters, { lr: 1e-3, ...none }, options);
  }

  protected override get borrows(): boolean {
    return true;
  }

  protected override conflict({ nesterov, momentum, dampening }: SGDOptions): string | undefined {
    return nesterov && (momentum === 0 || dampening !== 0)
      ? 'nesterov needs a momentum above 0 and no dampening'
      : undefined;
  }

  protected override update(theta: Tensor, g: Tensor, slots: Slots, _t: number, o: SGDOptions): Tensor {
    const d = descent(theta, g, o);
    if (o.momentum === 0) return theta.add(d, { alpha: -o.lr });
    const before = slots.momentum;
    const fresh = o.dampening === 0 ? d : d.mul(1 - o.dampening);
    slots.momentum = before ? fresh.add(before, { alpha: o.momentum }) : d;
    const direction = o.nesterov ? d.add(slots.momentum, { alpha: o.momentum }) : slots.momentum;
    return theta.add(direction, { alpha: -o.lr });
  }
}
