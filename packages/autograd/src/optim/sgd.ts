// Stochastic gradient descent with momentum (Polyak 1964) or Nesterov's form of it, as PyTorch defines them:
//   d = grad + weightDecay * theta;  m = momentum * m + d  (m = d at first);
//   theta = theta - lr * m           (Nesterov: theta - lr * (d + momentum * m)).

import { keep, type Tensor } from '@gemlab/tensor';
import { OptimizerError } from '../errors.ts';
import type { Variable } from '../variable.ts';

/** Anything that moves parameters along their gradients. */
export interface Optimizer {
  readonly parameters: readonly Variable[];
  /** Moves every parameter that has a gradient. */
  step(): void;
  /** Forgets the gradients. */
  zeroGrad(): void;
}

export interface SGDOptions {
  readonly lr: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
}

export class SGD implements Optimizer {
  readonly parameters: readonly Variable[];
  readonly options: Required<SGDOptions>;
  readonly #velocity = new Map<Variable, Tensor>();

  /** @throws OptimizerError if a setting is negative or not finite, or Nesterov has no momentum. */
  constructor(parameters: readonly Variable[], options: SGDOptions) {
    this.options = { momentum: 0, weightDecay: 0, nesterov: false, ...options };
    const { nesterov, ...numbers } = this.options;
    for (const [name, value] of Object.entries(numbers)) {
      if (!(Number.isFinite(value) && value >= 0)) {
        throw new OptimizerError(`SGD: ${name} must be a finite number >= 0, found ${value}`, { [name]: value });
      }
    }
    if (nesterov && numbers.momentum === 0) {
      throw new OptimizerError('SGD: nesterov needs a momentum above 0', { momentum: 0 });
    }
    // A parameter named twice (two models may share one) is moved once.
    this.parameters = [...new Set(parameters)];
  }

  /** Moves every parameter that has a gradient; the others stay, with their momentum. */
  step(): void {
    const { lr, momentum, weightDecay, nesterov } = this.options;
    for (const p of this.parameters) {
      if (p.grad === null) continue;
      let d = p.grad.value;
      if (weightDecay > 0) d = d.add(p.value.mul(weightDecay));
      if (momentum > 0) {
        const before = this.#velocity.get(p);
        const velocity = keep(before ? before.mul(momentum).add(d) : d);
        this.#velocity.set(p, velocity);
        d = nesterov ? d.add(velocity.mul(momentum)) : velocity;
      }
      p.assign(keep(p.value.sub(d.mul(lr))));
    }
  }

  zeroGrad(): void {
    for (const p of this.parameters) p.grad = null;
  }
}
