// Normalisation: (x - mean) / sqrt(variance + eps), and then scaled and shifted by what was learned. The kinds differ in what they
// take the mean over: batch norm over all but the channels (Ioffe & Szegedy 2015), layer norm over the last axes (Ba et al. 2016),
// instance and group norm over the channels of one sample (Ulyanov et al. 2016; Wu & He 2018). The variance is the population's, found
// in two passes: the mean first, then the squares about it, so that a large mean costs no digits.

import { floatFor } from '../dtype.ts';
import { ShapeError, shapeText } from '../errors.ts';
import { type Shape, sameShape, sizeOf, wantSizes } from '../shape.ts';
import type { ArrayOf } from './carrier.ts';
import { PoolOps } from './pool.ts';
import type { Axes } from './reduce.ts';
import { perAxis } from './spatial.ts';

export interface NormOptions<Operand> {
  /** What the normalised values are multiplied by. */
  readonly weight?: Operand | null;
  /** What is then added. */
  readonly bias?: Operand | null;
  /** Added to the variance, so that a constant does not divide by 0. Default 1e-5. */
  readonly eps?: number;
}

export abstract class NormalizeOps<Self extends NormalizeOps<Self>> extends PoolOps<Self> {
  /** (x - mean) / sqrt(variance + eps), both over the given axes (all by default). @throws AxisError */
  standardize(axes?: Axes, { eps = 1e-5 }: { readonly eps?: number } = {}): Self {
    const x = this.cast(floatFor(this.dtype));
    const centred = x.sub(x.mean(axes, { keepDims: true }));
    return centred.div(centred.square().mean(axes, { keepDims: true }).add(eps).sqrt());
  }

  /** Mean and population variance of each channel of [N, C, ...]: what batchNorm normalises by in training. @throws ShapeError */
  batchStatistics(): { mean: Self; variance: Self } {
    const axes = this.shape.map((_, i) => i).filter((i) => i !== 1);
    this._wantChannels('batchStatistics', 2);
    return { mean: this.mean(axes), variance: this.var(axes, { correction: 0 }) };
  }

  /**
   * Each channel of [N, C, ...] normalised by a mean and a variance [C]: those of batchStatistics in training, running averages of them
   * after it. PyTorch's F.batch_norm; weight and bias are [C].
   * @throws ShapeError
   */
  batchNorm(mean: ArrayOf<Self>, variance: ArrayOf<Self>, options: NormOptions<ArrayOf<Self>> = {}): Self {
    const channels = this._wantChannels('batchNorm', 2);
    const x = this.cast(floatFor(this.dtype));
    const m = x._parameter('batchNorm', 'mean', mean, [channels], 1);
    const v = x._parameter('batchNorm', 'variance', variance, [channels], 1);
    const deviation = v.add(options.eps ?? 1e-5).sqrt();
    const { weight, bias } = options;
    const scale = isGiven(weight)
      ? x._parameter('batchNorm', 'weight', weight, [channels], 1).div(deviation)
      : deviation.reciprocal();
    return x
      .sub(m)
      .mul(scale)
      ._scaled('batchNorm', { bias: bias ?? null }, [channels], 1);
  }

  /** Each channel of each sample normalised by itself: [N, C, ...spatial], weight and bias [C]. @throws ShapeError */
  instanceNorm(options: NormOptions<ArrayOf<Self>> = {}): Self {
    const channels = this._wantChannels('instanceNorm', 3);
    const spatial = this.shape.map((_, i) => i).slice(2);
    return this.standardize(spatial, options)._scaled('instanceNorm', options, [channels], 1);
  }

  /**
   * The channels of each sample normalised in groups of neighbours: [N, C, ...], weight and bias [C].
   * @throws ShapeError unless the groups divide the channels; WindowError
   */
  groupNorm(groups: number, options: NormOptions<ArrayOf<Self>> = {}): Self {
    const channels = this._wantChannels('groupNorm', 2);
    const count = perAxis('groupNorm', 'groups', groups, 1, 1)[0]!;
    if (channels % count !== 0) {
      throw new ShapeError(
        `groupNorm: ${count} groups do not divide the ${channels} channels of ${shapeText(this.shape)}`,
        {
          shape: this.shape,
          groups,
        },
      );
    }
    const [n, ...rest] = this.shape as [number, ...number[]];
    const grouped = this.reshape([n, count, sizeOf(rest) / count]).standardize(2, options);
    return grouped.reshape(this.shape)._scaled('groupNorm', options, [channels], 1);
  }

  /**
   * Normalised over the last axes, whose sizes are named: [..., ...normalizedShape]. Weight and bias have that shape.
   * @throws ShapeError if the last axes have other sizes.
   */
  layerNorm(normalizedShape: number | Shape, options: NormOptions<ArrayOf<Self>> = {}): Self {
    const { shape, axes, from } = this._lastAxes('layerNorm', normalizedShape);
    return this.standardize(axes, options)._scaled('layerNorm', options, shape, from);
  }

  /**
   * x / sqrt(mean(x^2) + eps) over the last axes, whose sizes are named, times the weight (Zhang & Sennrich 2019). By default eps is
   * the distance from 1 to the next number of the dtype, as in PyTorch.
   * @throws ShapeError if the last axes have other sizes.
   */
  rmsNorm(normalizedShape: number | Shape, options: Omit<NormOptions<ArrayOf<Self>>, 'bias'> = {}): Self {
    const { shape, axes, from } = this._lastAxes('rmsNorm', normalizedShape);
    const x = this.cast(floatFor(this.dtype));
    const eps = options.eps ?? (x.dtype === 'float64' ? 2 ** -52 : 2 ** -23);
    const y = x.div(x.square().mean(axes, { keepDims: true }).add(eps).sqrt());
    return y._scaled('rmsNorm', { weight: options.weight ?? null }, shape, from);
  }

  /**
   * x / (k + alpha * m)^beta, where m is the sum of squares over `size` neighbouring channels, itself in the middle (an even size has
   * one more ahead), divided by size: [N, C, ...] (Krizhevsky et al. 2012). PyTorch's F.local_response_norm.
   * @throws ShapeError, WindowError
   */
  localResponseNorm(
    size: number,
    { alpha = 1e-4, beta = 0.75, k = 1 }: { readonly alpha?: number; readonly beta?: number; readonly k?: number } = {},
  ): Self {
    this._wantChannels('localResponseNorm', 2);
    const n = perAxis('localResponseNorm', 'size', size, 1, 1)[0]!;
    const x = this.cast(floatFor(this.dtype));
    const widths = this.shape.map((_, i): [number, number] => (i === 1 ? [n >> 1, (n - 1) >> 1] : [0, 0]));
    const squares = x.square().pad(widths).slidingWindows(n, 1).sum(-1);
    return x.div(
      squares
        .mul(alpha / n)
        .add(k)
        .pow(beta),
    );
  }

  private _wantChannels(op: string, least: number): number {
    if (this.rank >= least) return this.shape[1]!;
    const wanted = least === 3 ? '[N, C, ...spatial]' : '[N, C, ...]';
    throw new ShapeError(`${op}: wants ${wanted}, found ${shapeText(this.shape)}`, { shape: this.shape });
  }

  private _lastAxes(op: string, normalizedShape: number | Shape): { shape: Shape; axes: number[]; from: number } {
    const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
    wantSizes(op, 'normalizedShape', shape);
    const from = this.rank - shape.length;
    if (from < 0 || !sameShape(this.shape.slice(from), shape)) {
      throw new ShapeError(`${op}: ${shapeText(this.shape)} does not end in the normalizedShape ${shapeText(shape)}`, {
        shape: this.shape,
        normalizedShape,
      });
    }
    return { shape, axes: shape.map((_, i) => from + i), from };
  }

  /** A statistic or parameter of `shape`, laid along this tensor's axes from `axis` on. @throws ShapeError */
  private _parameter(op: string, name: string, operand: ArrayOf<Self>, shape: Shape, axis: number): Self {
    const value = this.lift(op, operand, this.dtype);
    if (!sameShape(value.shape, shape)) {
      throw new ShapeError(`${op}: ${name} must be ${shapeText(shape)}, found ${shapeText(value.shape)}`, {
        [name]: value.shape,
        expected: shape,
      });
    }
    return value.reshape([...shape, ...this.shape.slice(axis + shape.length).map(() => 1)]);
  }

  private _scaled(op: string, { weight, bias }: NormOptions<ArrayOf<Self>>, shape: Shape, axis: number): Self {
    const y = isGiven(weight) ? this.mul(this._parameter(op, 'weight', weight, shape, axis)) : this.self;
    return isGiven(bias) ? y.add(this._parameter(op, 'bias', bias, shape, axis)) : y;
  }
}

/** A number is no parameter, but it was given: 0 too is to be refused. */
function isGiven<T>(parameter: T | null | undefined): parameter is T {
  return parameter !== undefined && parameter !== null;
}
