// Dropout (Srivastava et al. 2014): in training each element is 0 with probability p, drawn anew at each call, and the others are
// divided by 1 - p, so that the expectation stays. In evaluation nothing happens.

import { bernoulli, type Rng, where } from '@gemlab/tensor';
import { withRng } from '../checks.ts';
import { ModuleError } from '../errors.ts';
import type { Variable } from '../variable.ts';
import { Module } from './module.ts';

export interface DropoutOptions {
  /** Draws what is dropped. To repeat or resume a run, its state is saved with the rest. */
  readonly rng: Rng;
}

/** Drops single elements. */
export class Dropout extends Module {
  readonly p: number;
  readonly rng: Rng;

  /** @throws ModuleError unless 0 <= p <= 1, and there is a generator. */
  constructor(p: number, options: DropoutOptions) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new ModuleError(`${this.constructor.name}: p is a probability, found ${p}`, { p });
    }
    this.p = p;
    this.rng = withRng(this.constructor.name, options).rng;
  }

  /** What is dropped as one: a shape that broadcasts to x's. */
  protected unit(x: Variable): readonly number[] {
    return x.shape;
  }

  override forward(x: Variable): Variable {
    if (!this.training || this.p === 0) return x;
    const dropped = bernoulli(this.unit(x), this.rng, { p: this.p, device: x.value.device });
    return where<Variable>(dropped, 0, x.mul(this.p < 1 ? 1 / (1 - this.p) : 0));
  }
}

/** Drops whole channels of [N, C, ...] (Tompson et al. 2015): PyTorch's Dropout1d, 2d and 3d. */
export class ChannelDropout extends Dropout {
  /** @throws ModuleError for fewer than two axes. */
  protected override unit(x: Variable): readonly number[] {
    if (x.rank < 2) {
      throw new ModuleError(`ChannelDropout: wants [N, C, ...], found [${x.shape.join(',')}]`, { shape: x.shape });
    }
    return x.shape.map((n, i) => (i < 2 ? n : 1));
  }
}
