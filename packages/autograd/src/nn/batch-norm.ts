// Batch normalisation (Ioffe & Szegedy 2015). In training each channel is normalised by the mean and variance of the batch, which
// also move running averages of them; in evaluation it is normalised by those. As in PyTorch the batch is normalised by its population
// variance (divided by n), and the running one averages the sample variance (divided by n - 1).

import { errors, ones, tensor, zeros } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';
import { Buffer } from './buffer.ts';
import { Module } from './module.ts';

export interface BatchNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** The weight of the newest batch in the running averages, 0.1 by default; null averages all batches equally. */
  readonly momentum?: number | null;
  /** Whether to scale and shift by a learned weight and bias. Default true. */
  readonly affine?: boolean;
  /** Whether to keep running averages; without them evaluation goes by the batch too. Default true. */
  readonly trackRunningStats?: boolean;
  readonly dtype?: 'float32' | 'float64';
}

abstract class BatchNorm extends Module {
  /** [features], or null if not affine; they start as 1 and 0. */
  readonly weight: Variable | null;
  readonly bias: Variable | null;
  /** [features], or null if not tracked; they start as 0 and 1. */
  readonly runningMean: Buffer | null;
  readonly runningVar: Buffer | null;
  /** How many batches the averages have seen: an int32 scalar. */
  readonly numBatchesTracked: Buffer | null;
  readonly features: number;
  readonly eps: number;
  readonly momentum: number | null;

  /** @throws ModuleError unless features is a positive integer. */
  constructor(features: number, options: BatchNormOptions = {}) {
    super();
    if (!Number.isInteger(features) || features < 1) {
      throw new ModuleError(`${this.constructor.name}: features must be a positive integer, found ${features}`, {
        features,
      });
    }
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true, dtype = 'float32' } = options;
    this.weight = affine ? variable(ones([features], { dtype }), { requiresGrad: true }) : null;
    this.bias = affine ? variable(zeros([features], { dtype }), { requiresGrad: true }) : null;
    this.runningMean = trackRunningStats ? new Buffer(zeros([features], { dtype })) : null;
    this.runningVar = trackRunningStats ? new Buffer(ones([features], { dtype })) : null;
    this.numBatchesTracked = trackRunningStats ? new Buffer(tensor(0, { dtype: 'int32' })) : null;
    this.features = features;
    this.eps = eps;
    this.momentum = momentum;
  }

  /** The ranks that the layer takes. */
  protected abstract readonly ranks: readonly number[];

  /** @throws ModuleError for another rank or number of channels, or in training for a single value for each channel. */
  override forward(x: Variable): Variable {
    if (!this.ranks.includes(x.rank) || x.shape[1] !== this.features) {
      throw new ModuleError(
        `${this.constructor.name}(${this.features}): wants ${this.ranks.join(' or ')} axes, of which the second has ` +
          `${this.features}; found ${errors.shapeText(x.shape)}`,
        { shape: x.shape, features: this.features },
      );
    }
    const { weight, bias, eps, runningMean, runningVar } = this;
    if (!this.training && runningMean && runningVar) return x.batchNorm(runningMean, runningVar, { weight, bias, eps });
    const { mean, variance } = x.batchStatistics();
    const y = x.batchNorm(mean, variance, { weight, bias, eps });
    if (this.training) this.#track(x, mean, variance);
    return y;
  }

  #track(x: Variable, mean: Variable, variance: Variable): void {
    const n = x.size / this.features;
    if (n < 2) {
      throw new ModuleError(
        `${this.constructor.name}: training needs more than one value for each channel, found ${errors.shapeText(x.shape)}; ` +
          'did you mean eval()?',
        { shape: x.shape },
      );
    }
    const { runningMean, runningVar, numBatchesTracked } = this;
    if (!runningMean || !runningVar || !numBatchesTracked) return;
    const count = numBatchesTracked.value.add(1);
    const newest = this.momentum ?? 1 / (count.item() as number);
    const moved = (running: Buffer, now: Variable, scale: number) =>
      running.value.mul(1 - newest).add(now.value.mul(newest * scale).cast(running.dtype));
    const [nextMean, nextVar] = [moved(runningMean, mean, 1), moved(runningVar, variance, n / (n - 1))];
    runningMean.assign(nextMean);
    runningVar.assign(nextVar);
    numBatchesTracked.assign(count);
  }
}

/** For [N, C] and [N, C, L]. */
export class BatchNorm1d extends BatchNorm {
  protected override readonly ranks = [2, 3];
}

/** For [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  protected override readonly ranks = [4];
}

/** For [N, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
  protected override readonly ranks = [5];
}
