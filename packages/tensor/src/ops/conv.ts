// Convolution (cross-correlation, as everywhere in deep learning) and its adjoint, over any number of spatial axes:
//
//     y[n, o, p] = b[o] + sum_{c, k} w[o, c, k] x[n, c, stride * p + dilation * k - padding]
//
// Each window of x is laid out as a column, and then it is one matrix product for each group (im2col; Chellapilla et al. 2006).
// The transposed convolution is that product transposed, with the columns added up where their windows lie: <conv(x), y> =
// <x, convTranspose(y)> (Dumoulin & Visin 2016, ch. 4).

import { ShapeError, shapeText, WindowError } from '../errors.ts';
import { type Shape, sizeOf } from '../shape.ts';
import { type Window, windowReach } from '../view.ts';
import type { ArrayOf } from './carrier.ts';
import { layWindows, type PerAxis, paddingPairs, perAxis, type WindowOptions, windowSteps } from './spatial.ts';
import { unwindowed, WindowOps, windowAxes, windowed } from './window.ts';

export interface ConvOptions<Operand> extends WindowOptions {
  /** [out channels], added to each channel of the result. */
  readonly bias?: Operand | null;
  /** Channels are cut into so many groups, each with filters of its own; as many as channels is a depthwise convolution. */
  readonly groups?: number;
}

export interface ConvTransposeOptions<Operand> extends ConvOptions<Operand> {
  /** Elements added behind each axis: of the sizes that a convolution takes to this one, which is meant. */
  readonly outputPadding?: PerAxis;
  /** The sizes themselves, instead of outputPadding; with padding 'same' the padding follows from them. */
  readonly outputSize?: PerAxis;
}

const AXES = ['', 'L', 'H,W', 'D,H,W'];

export abstract class ConvOps<Self extends ConvOps<Self>> extends WindowOps<Self> {
  /**
   * [N, C, L] with filters [O, C / groups, K] gives [N, O, L']; without the batch axis, [C, L] gives [O, L'].
   * L' = floor((L + padding - dilation * (K - 1) - 1) / stride) + 1. PyTorch's F.conv1d.
   * @throws ShapeError if ranks, channels or groups do not fit; WindowError for options out of range, or a filter too large.
   */
  conv1d(weight: ArrayOf<Self>, options: ConvOptions<ArrayOf<Self>> = {}): Self {
    return this._conv('conv1d', 1, weight, options);
  }
  /** [N, C, H, W] or [C, H, W], with filters [O, C / groups, KH, KW]; else as conv1d. */
  conv2d(weight: ArrayOf<Self>, options: ConvOptions<ArrayOf<Self>> = {}): Self {
    return this._conv('conv2d', 2, weight, options);
  }
  /** [N, C, D, H, W] or [C, D, H, W], with filters [O, C / groups, KD, KH, KW]; else as conv1d. */
  conv3d(weight: ArrayOf<Self>, options: ConvOptions<ArrayOf<Self>> = {}): Self {
    return this._conv('conv3d', 3, weight, options);
  }

  /**
   * The adjoint of conv1d with the same weight and options: [N, C, L] (or [C, L]) with filters [C, O / groups, K] gives [N, O, L'],
   * L' = (L - 1) * stride - padding + dilation * (K - 1) + 1 + outputPadding. With padding 'same' L' is L * stride.
   * PyTorch's F.conv_transpose1d.
   * @throws ShapeError if ranks, channels or groups do not fit; WindowError for options out of range, or if nothing is left.
   */
  convTranspose1d(weight: ArrayOf<Self>, options: ConvTransposeOptions<ArrayOf<Self>> = {}): Self {
    return this._convTranspose('convTranspose1d', 1, weight, options);
  }
  /** [N, C, H, W] or [C, H, W], with filters [C, O / groups, KH, KW]; else as convTranspose1d. */
  convTranspose2d(weight: ArrayOf<Self>, options: ConvTransposeOptions<ArrayOf<Self>> = {}): Self {
    return this._convTranspose('convTranspose2d', 2, weight, options);
  }
  /** [N, C, D, H, W] or [C, D, H, W], with filters [C, O / groups, KD, KH, KW]; else as convTranspose1d. */
  convTranspose3d(weight: ArrayOf<Self>, options: ConvTransposeOptions<ArrayOf<Self>> = {}): Self {
    return this._convTranspose('convTranspose3d', 3, weight, options);
  }

  private _conv(op: string, d: number, kernel: ArrayOf<Self>, options: ConvOptions<ArrayOf<Self>>): Self {
    const { x, weight, groups } = this._operands(op, d, kernel, options);
    const [n, channels, ...lengths] = x.shape as [number, number, ...number[]];
    const [filters, perGroup, ...kernelSize] = weight.shape as [number, number, ...number[]];
    if (channels !== perGroup * groups || filters % groups !== 0) {
      const rule = `${filters} filters in ${groups} groups take ${perGroup} channels each, the input has ${channels}`;
      throw misfit(op, this.shape, weight.shape, groups, rule);
    }
    const laid = layWindows(op, lengths, kernelSize, options);
    const counts = laid.map((w) => w.count);
    const [inside, counted] = windowAxes(d);
    const columns = windowed(x, laid)
      .permute([1, ...inside, 0, ...counted])
      .reshape([groups, perGroup * sizeOf(kernelSize), n * sizeOf(counts)]);
    const y = weight
      .reshape([groups, filters / groups, perGroup * sizeOf(kernelSize)])
      .matmul(columns)
      .reshape([filters, n, ...counts])
      .transpose(0, 1);
    return this._finish(op, d, y, options.bias);
  }

  private _convTranspose(
    op: string,
    d: number,
    kernel: ArrayOf<Self>,
    options: ConvTransposeOptions<ArrayOf<Self>>,
  ): Self {
    const { x, weight, groups } = this._operands(op, d, kernel, options);
    const [n, channels, ...counts] = x.shape as [number, number, ...number[]];
    const [filters, perGroup, ...kernelSize] = weight.shape as [number, number, ...number[]];
    if (channels !== filters || channels % groups !== 0) {
      const rule = `there is a filter for each of ${filters} channels in ${groups} groups, the input has ${channels}`;
      throw misfit(op, this.shape, weight.shape, groups, rule);
    }
    const steps = windowSteps(op, d, kernelSize, options);
    const { before, lengths } = transposedSizes(op, counts, steps, options);
    const columns = weight
      .reshape([groups, channels / groups, perGroup * sizeOf(kernelSize)])
      .transpose()
      .matmul(x.transpose(0, 1).reshape([groups, channels / groups, n * sizeOf(counts)]))
      .reshape([groups * perGroup, ...kernelSize, n, ...counts]);
    const inside = kernelSize.map((_, i) => 1 + i);
    const counted = counts.map((_, i) => 2 + d + i);
    const y = unwindowed(columns.permute([d + 1, 0, ...counted, ...inside]), steps, before, lengths);
    return this._finish(op, d, y, options.bias);
  }

  /** The input with a batch axis, the filters, and the number of groups. @throws ShapeError, WindowError */
  private _operands(op: string, d: number, kernel: ArrayOf<Self>, options: ConvOptions<ArrayOf<Self>>) {
    const weight = this.lift(op, kernel, this.dtype);
    const groups = perAxis(op, 'groups', options.groups ?? 1, 1, 1)[0]!;
    if ((this.rank !== d + 2 && this.rank !== d + 1) || weight.rank !== d + 2) {
      throw new ShapeError(
        `${op}: wants an input [N,C,${AXES[d]}] or [C,${AXES[d]}] and filters with ${d + 2} axes; ` +
          `found ${shapeText(this.shape)} and ${shapeText(weight.shape)}`,
        { shape: this.shape, weight: weight.shape },
      );
    }
    return { x: this.rank === d + 2 ? this.self : this.unsqueeze(0), weight, groups };
  }

  /** y with the bias on its channels, and without the batch axis if the input had none. */
  private _finish(op: string, d: number, y: Self, bias: ArrayOf<Self> | null | undefined): Self {
    const channels = y.shape[1]!;
    const shift = bias === undefined || bias === null ? null : y.lift(op, bias, y.dtype);
    if (shift !== null && (shift.rank !== 1 || shift.size !== channels)) {
      throw new ShapeError(`${op}: wants a bias [${channels}], found ${shapeText(shift.shape)}`, {
        bias: shift.shape,
        channels,
      });
    }
    const shifted = shift === null ? y : y.add(shift.reshape([channels, ...new Array<number>(d).fill(1)]));
    return this.rank === d + 2 ? shifted : shifted.squeeze(0);
  }
}

function misfit(op: string, shape: Shape, weight: Shape, groups: number, rule: string): ShapeError {
  return new ShapeError(`${op}: input ${shapeText(shape)} and filters ${shapeText(weight)} do not fit: ${rule}`, {
    shape,
    weight,
    groups,
  });
}

/** The sizes of a transposed convolution's result, and how far ahead of it the first window starts. @throws WindowError */
function transposedSizes(
  op: string,
  counts: Shape,
  steps: readonly Omit<Window, 'axis'>[],
  { padding = 0, outputPadding, outputSize }: ConvTransposeOptions<unknown>,
): { before: number[]; lengths: number[] } {
  if (outputPadding !== undefined && outputSize !== undefined) {
    throw new WindowError(`${op}: outputSize says what outputPadding is; give one of the two`, {
      outputPadding,
      outputSize,
    });
  }
  const d = steps.length;
  const extra = perAxis(op, 'outputPadding', outputPadding ?? 0, d, 0);
  const wanted = outputSize === undefined ? undefined : perAxis(op, 'outputSize', outputSize, d, 1);
  const same = padding === 'same' || padding === 'sameLower';
  const spans = steps.map((w, i) => (counts[i]! - 1) * w.stride + windowReach(w));
  const target = same ? (wanted ?? steps.map((w, i) => counts[i]! * w.stride)) : wanted;
  const pairs = paddingPairs(op, padding, target ? spans.map((span, i) => span + extra[i]! - target[i]!) : spans);
  const least = spans.map((span, i) => span - pairs[i]![0] - pairs[i]![1]);
  const lengths = target ?? least.map((n, i) => n + extra[i]!);
  steps.forEach(({ stride, dilation }, i) => {
    const added = lengths[i]! - least[i]!;
    if (counts[i]! < 1 || lengths[i]! < 1 || (!same && (added < 0 || added >= Math.max(stride, dilation)))) {
      throw new WindowError(
        `${op}: ${counts[i]} windows on spatial axis ${i} make ${least[i]} elements, and up to ` +
          `${Math.max(stride, dilation) - 1} more by outputPadding; found ${lengths[i]}`,
        { count: counts[i], least: least[i], length: lengths[i] },
      );
    }
  });
  return { before: pairs.map(([before]) => before), lengths };
}
