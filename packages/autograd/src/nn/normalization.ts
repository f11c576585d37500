// Layers that normalise each sample by itself, and then scale and shift by a learned weight and bias. They do the same in
// training and in evaluation. (batch-norm.ts has the one that does not.)

import { ones, type Shape, zeros } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';
import { Module } from './module.ts';

export interface NormalizationOptions {
  /** Added to the variance. Default 1e-5 (RMSNorm: the distance from 1 to the next number of the dtype). */
  readonly eps?: number;
  /** Whether to scale by a learned weight, and shift by a bias. Default true (InstanceNorm: false). */
  readonly affine?: boolean;
  readonly dtype?: 'float32' | 'float64';
}

abstract class Normalization extends Module {
  /** Starts as 1; null if not affine. */
  readonly weight: Variable | null;
  /** Starts as 0; null if not affine. */
  readonly bias: Variable | null;
  readonly eps: number | undefined;

  constructor(shape: Shape, { eps, affine = true, dtype = 'float32' }: NormalizationOptions, biased = true) {
    super();
    if (!shape.every((n) => Number.isInteger(n) && n >= 1)) {
      throw new ModuleError(`${this.constructor.name}: sizes must be positive integers, found [${shape}]`, { shape });
    }
    this.weight = affine ? variable(ones(shape, { dtype }), { requiresGrad: true }) : null;
    this.bias = affine && biased ? variable(zeros(shape, { dtype }), { requiresGrad: true }) : null;
    this.eps = eps;
  }

  protected get options() {
    const { weight, bias, eps } = this;
    return { weight, bias, ...(eps === undefined ? {} : { eps }) };
  }
}

const listed = (shape: number | Shape): Shape => (typeof shape === 'number' ? [shape] : shape);

/** x.layerNorm over the last axes, whose sizes are named: [..., ...normalizedShape]. */
export class LayerNorm extends Normalization {
  readonly normalizedShape: Shape;
  /** @throws ModuleError for sizes that are no positive integers. */
  constructor(normalizedShape: number | Shape, options: NormalizationOptions = {}) {
    super(listed(normalizedShape), options);
    this.normalizedShape = listed(normalizedShape);
  }
  override forward(x: Variable): Variable {
    return x.layerNorm(this.normalizedShape, this.options);
  }
}

/** x.rmsNorm over the last axes, whose sizes are named; without a bias. */
export class RMSNorm extends Normalization {
  readonly normalizedShape: Shape;
  /** @throws ModuleError for sizes that are no positive integers. */
  constructor(normalizedShape: number | Shape, options: NormalizationOptions = {}) {
    super(listed(normalizedShape), options, false);
    this.normalizedShape = listed(normalizedShape);
  }
  override forward(x: Variable): Variable {
    return x.rmsNorm(this.normalizedShape, this.options);
  }
}

/** x.groupNorm: the channels of [N, C, ...] in groups of neighbours. */
export class GroupNorm extends Normalization {
  readonly groups: number;
  /** @throws ModuleError unless the groups divide the channels. */
  constructor(groups: number, channels: number, options: NormalizationOptions = {}) {
    super([channels], options);
    if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
      throw new ModuleError(`GroupNorm: ${groups} groups do not divide ${channels} channels`, { groups, channels });
    }
    this.groups = groups;
  }
  override forward(x: Variable): Variable {
    return x.groupNorm(this.groups, this.options);
  }
}

/** x.instanceNorm: each channel of [N, C, ...spatial] by itself. */
export class InstanceNorm extends Normalization {
  /** @throws ModuleError unless channels is a positive integer. */
  constructor(channels: number, options: NormalizationOptions = {}) {
    super([channels], { affine: false, ...options });
  }
  override forward(x: Variable): Variable {
    return x.instanceNorm(this.options);
  }
}
