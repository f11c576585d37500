// Activation functions as layers, for Sequential: the ops of the same names, with PyTorch's settings and defaults.

import { full } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';
import { Module } from './module.ts';

/** x itself. */
export class Identity extends Module {
  override forward(x: Variable): Variable {
    return x;
  }
}

export class Sigmoid extends Module {
  override forward(x: Variable): Variable {
    return x.sigmoid();
  }
}

export class Tanh extends Module {
  override forward(x: Variable): Variable {
    return x.tanh();
  }
}

export class ReLU6 extends Module {
  override forward(x: Variable): Variable {
    return x.relu6();
  }
}

export class LeakyReLU extends Module {
  readonly negativeSlope: number;
  constructor({ negativeSlope = 0.01 }: { readonly negativeSlope?: number } = {}) {
    super();
    this.negativeSlope = negativeSlope;
  }
  override forward(x: Variable): Variable {
    return x.leakyRelu({ negativeSlope: this.negativeSlope });
  }
}

/** A leaky ReLU whose slope is learned: one, or one for each channel of [N, C, ...] (He et al. 2015). */
export class PReLU extends Module {
  readonly weight: Variable;
  /** @throws ModuleError unless channels is a positive integer. */
  constructor({
    channels = 1,
    init = 0.25,
    dtype = 'float32',
  }: { readonly channels?: number; readonly init?: number; readonly dtype?: 'float32' | 'float64' } = {}) {
    super();
    if (!Number.isInteger(channels) || channels < 1) {
      throw new ModuleError(`PReLU: channels must be a positive integer, found ${channels}`, { channels });
    }
    this.weight = variable(full([channels], init, { dtype }), { requiresGrad: true });
  }
  override forward(x: Variable): Variable {
    const spatial = x.shape.slice(2).map(() => 1);
    return x.leakyRelu({ negativeSlope: this.weight.reshape([this.weight.size, ...spatial]) });
  }
}

export class ELU extends Module {
  readonly alpha: number;
  constructor({ alpha = 1 }: { readonly alpha?: number } = {}) {
    super();
    this.alpha = alpha;
  }
  override forward(x: Variable): Variable {
    return x.elu({ alpha: this.alpha });
  }
}

export class SELU extends Module {
  override forward(x: Variable): Variable {
    return x.selu();
  }
}

/** Exact by default, or by the approximation with tanh. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';
  constructor({ approximate = 'none' }: { readonly approximate?: 'none' | 'tanh' } = {}) {
    super();
    this.approximate = approximate;
  }
  override forward(x: Variable): Variable {
    return x.gelu({ approximate: this.approximate });
  }
}

export class SiLU extends Module {
  override forward(x: Variable): Variable {
    return x.silu();
  }
}

export class Mish extends Module {
  override forward(x: Variable): Variable {
    return x.mish();
  }
}

export class Softplus extends Module {
  readonly beta: number;
  constructor({ beta = 1 }: { readonly beta?: number } = {}) {
    super();
    this.beta = beta;
  }
  override forward(x: Variable): Variable {
    return x.softplus({ beta: this.beta });
  }
}

export class Softsign extends Module {
  override forward(x: Variable): Variable {
    return x.softsign();
  }
}

export class HardSigmoid extends Module {
  override forward(x: Variable): Variable {
    return x.hardSigmoid();
  }
}

export class HardSwish extends Module {
  override forward(x: Variable): Variable {
    return x.hardSwish();
  }
}

export class LogSigmoid extends Module {
  override forward(x: Variable): Variable {
    return x.logSigmoid();
  }
}

/** exp(x) / sum(exp(x)) along an axis, the last by default. */
export class Softmax extends Module {
  readonly axis: number;
  constructor(axis = -1) {
    super();
    this.axis = axis;
  }
  override forward(x: Variable): Variable {
    return x.softmax(this.axis);
  }
}

/** log(softmax(x)) along an axis, the last by default. */
export class LogSoftmax extends Module {
  readonly axis: number;
  constructor(axis = -1) {
    super();
    this.axis = axis;
  }
  override forward(x: Variable): Variable {
    return x.logSoftmax(this.axis);
  }
}
