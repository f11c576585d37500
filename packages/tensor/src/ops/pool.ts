// Pooling: the windows on the last axes folded into one element each, by their maximum, mean or p-norm. Padding is -inf for the
// maximum, so that it never wins, and 0 for the sums. Adaptive pooling asks for a number of windows instead of their size, and
// cuts each axis of n elements into runs [floor(i n / count), ceil((i + 1) n / count)) (PyTorch's rule).

import { floatFor } from '../dtype.ts';
import { ShapeError, shapeText, WindowError } from '../errors.ts';
import { type Shape, sizeOf } from '../shape.ts';
import { windowReach } from '../view.ts';
import { expandTo } from './carrier.ts';
import { ConvOps } from './conv.ts';
import { where } from './elementwise.ts';
import { stack } from './joining.ts';
import { type Laid, layWindows, overhang, type PerAxis, perAxis, type WindowOptions } from './spatial.ts';
import type { SliceSpec } from './views.ts';
import { resized, windowed } from './window.ts';

/** The stride is the kernel's size if left out. */
export interface PoolOptions extends WindowOptions {
  /** Keeps a last window that reaches past the end, if it starts inside the axis or the padding in front. Default false. */
  readonly ceilMode?: boolean;
}
export interface AvgPoolOptions extends PoolOptions {
  /** Whether the mean counts padding (though never what ceilMode adds). Default true. */
  readonly countIncludePad?: boolean;
}
/** One number of windows for every axis, or one for each; null keeps an axis as it is. */
export type AdaptiveSize = number | readonly (number | null)[];

export abstract class PoolOps<Self extends PoolOps<Self>> extends ConvOps<Self> {
  /**
   * The largest element of each window on the last axis; NaN wins, padding never does. Tied elements share the gradient equally.
   * PyTorch's F.max_pool1d.
   * @throws WindowError for options out of range, or where no window fits; ShapeError for too few axes.
   */
  maxPool1d(kernelSize: PerAxis, options: PoolOptions = {}): Self {
    return this._maxPool('maxPool1d', 1, kernelSize, options);
  }
  /** As maxPool1d, on the last two axes. */
  maxPool2d(kernelSize: PerAxis, options: PoolOptions = {}): Self {
    return this._maxPool('maxPool2d', 2, kernelSize, options);
  }
  /** As maxPool1d, on the last three axes. */
  maxPool3d(kernelSize: PerAxis, options: PoolOptions = {}): Self {
    return this._maxPool('maxPool3d', 3, kernelSize, options);
  }

  /** maxPool1d beside where the maxima stand (int32): the first of each window, counted over the last axis. */
  maxPool1dWithIndices(kernelSize: PerAxis, options: PoolOptions = {}): { values: Self; indices: Self } {
    return this._maxPoolWithIndices('maxPool1dWithIndices', 1, kernelSize, options);
  }
  /** maxPool2d beside where the maxima stand (int32): the first of each window, counted over the last two axes flattened. */
  maxPool2dWithIndices(kernelSize: PerAxis, options: PoolOptions = {}): { values: Self; indices: Self } {
    return this._maxPoolWithIndices('maxPool2dWithIndices', 2, kernelSize, options);
  }
  /** maxPool3d beside where the maxima stand (int32): the first of each window, counted over the last three axes flattened. */
  maxPool3dWithIndices(kernelSize: PerAxis, options: PoolOptions = {}): { values: Self; indices: Self } {
    return this._maxPoolWithIndices('maxPool3dWithIndices', 3, kernelSize, options);
  }

  /**
   * The mean of each window on the last axis: its sum, rounded, and then divided. PyTorch's F.avg_pool1d.
   * @throws WindowError for options out of range, or where no window fits; ShapeError for too few axes.
   */
  avgPool1d(kernelSize: PerAxis, options: AvgPoolOptions = {}): Self {
    return this._avgPool('avgPool1d', 1, kernelSize, options);
  }
  /** As avgPool1d, on the last two axes. */
  avgPool2d(kernelSize: PerAxis, options: AvgPoolOptions = {}): Self {
    return this._avgPool('avgPool2d', 2, kernelSize, options);
  }
  /** As avgPool1d, on the last three axes. */
  avgPool3d(kernelSize: PerAxis, options: AvgPoolOptions = {}): Self {
    return this._avgPool('avgPool3d', 3, kernelSize, options);
  }

  /**
   * The p-norm (sum |x|^p)^(1/p) of each window on the last axis; its derivative where all is 0 is 0.
   * @throws WindowError unless p is positive and finite, and as avgPool1d.
   */
  lpPool1d(p: number, kernelSize: PerAxis, options: PoolOptions = {}): Self {
    return this._lpPool('lpPool1d', 1, p, kernelSize, options);
  }
  /** As lpPool1d, on the last two axes. */
  lpPool2d(p: number, kernelSize: PerAxis, options: PoolOptions = {}): Self {
    return this._lpPool('lpPool2d', 2, p, kernelSize, options);
  }
  /** As lpPool1d, on the last three axes. */
  lpPool3d(p: number, kernelSize: PerAxis, options: PoolOptions = {}): Self {
    return this._lpPool('lpPool3d', 3, p, kernelSize, options);
  }

  /** The largest elements of `outputSize` runs that cover the last axis. @throws WindowError; ShapeError for an empty axis. */
  adaptiveMaxPool1d(outputSize: AdaptiveSize): Self {
    return this._adaptive('adaptiveMaxPool1d', 1, outputSize, 'max');
  }
  /** As adaptiveMaxPool1d, on the last two axes. */
  adaptiveMaxPool2d(outputSize: AdaptiveSize): Self {
    return this._adaptive('adaptiveMaxPool2d', 2, outputSize, 'max');
  }
  /** As adaptiveMaxPool1d, on the last three axes. */
  adaptiveMaxPool3d(outputSize: AdaptiveSize): Self {
    return this._adaptive('adaptiveMaxPool3d', 3, outputSize, 'max');
  }

  /** The means of `outputSize` runs that cover the last axis. @throws WindowError; ShapeError for an empty axis. */
  adaptiveAvgPool1d(outputSize: AdaptiveSize): Self {
    return this._adaptive('adaptiveAvgPool1d', 1, outputSize, 'mean');
  }
  /** As adaptiveAvgPool1d, on the last two axes. */
  adaptiveAvgPool2d(outputSize: AdaptiveSize): Self {
    return this._adaptive('adaptiveAvgPool2d', 2, outputSize, 'mean');
  }
  /** As adaptiveAvgPool1d, on the last three axes. */
  adaptiveAvgPool3d(outputSize: AdaptiveSize): Self {
    return this._adaptive('adaptiveAvgPool3d', 3, outputSize, 'mean');
  }

  /** The largest element of each channel: [N, C, ...spatial] to [N, C, 1, ...]. @throws ShapeError without elements. */
  globalMaxPool(): Self {
    return this.max(this._spatialAxes('globalMaxPool'), { keepDims: true });
  }
  /** The mean of each channel: [N, C, ...spatial] to [N, C, 1, ...]. @throws ShapeError */
  globalAvgPool(): Self {
    return this.mean(this._spatialAxes('globalAvgPool'), { keepDims: true });
  }
  /** The p-norm of each channel: [N, C, ...spatial] to [N, C, 1, ...]. @throws WindowError, ShapeError */
  globalLpPool(p = 2): Self {
    const axes = this._spatialAxes('globalLpPool');
    return rootOf(powersOf('globalLpPool', this.cast(floatFor(this.dtype)), p).sum(axes, { keepDims: true }), p);
  }

  private _maxPool(op: string, d: number, kernelSize: PerAxis, options: PoolOptions): Self {
    const laid = this._lay(op, d, kernelSize, options);
    return windowsOf(this.self, laid, lowest(this.self)).max(placeAxes(d));
  }

  private _maxPoolWithIndices(op: string, d: number, kernelSize: PerAxis, options: PoolOptions) {
    const laid = this._lay(op, d, kernelSize, options);
    const windows = windowsOf(this.self, laid, lowest(this.self));
    const values = windows.max(placeAxes(d));
    const lengths = this.shape.slice(-d);
    // A place that is none, but no larger than it must be: a gpu holds no large integers.
    const beyond = sizeOf(lengths);
    const numbers = expandTo(this.lift(op, 1, 'int32'), [sizeOf(lengths)])
      .cumsum(0)
      .sub(1);
    const places = windowsOf(numbers.reshape(lengths), laid, beyond);
    const lead = values.rank - d;
    const one = laid.map(() => 1);
    const kept = values.detach().reshape([...values.shape.slice(0, lead), ...one, ...values.shape.slice(lead)]);
    const found = windows.detach().eq(kept).logicalOr(windows.detach().isNan());
    return { values, indices: where<Self>(found, places, beyond).min(placeAxes(d)) };
  }

  private _avgPool(op: string, d: number, kernelSize: PerAxis, options: AvgPoolOptions): Self {
    const laid = this._lay(op, d, kernelSize, options);
    const x = this.cast(floatFor(this.dtype));
    const lengths = x.shape.slice(-d);
    const total = windowsOf(x, laid).sum(placeAxes(d));
    const { countIncludePad = true } = options;
    const whole = laid.every((w, i) => overhang(lengths[i]!, w) === 0 && (countIncludePad || w.before + w.after === 0));
    if (whole) return total.div(sizeOf(laid.map((w) => w.size)));
    const widths = laid.map((w): [number, number] => [w.before, w.after]);
    const counted = resized(expandTo(x.lift(op, 1, x.dtype), lengths), widths, countIncludePad ? 1 : 0);
    const bare = laid.map((w) => ({ ...w, before: 0, after: 0 }));
    return total.div(windowsOf(counted, bare).sum(placeAxes(d)));
  }

  private _lpPool(op: string, d: number, p: number, kernelSize: PerAxis, options: PoolOptions): Self {
    const laid = this._lay(op, d, kernelSize, options);
    const powers = powersOf(op, this.cast(floatFor(this.dtype)), p);
    return rootOf(windowsOf(powers, laid).sum(placeAxes(d)), p);
  }

  private _adaptive(op: string, d: number, outputSize: AdaptiveSize, fold: 'max' | 'mean'): Self {
    const lengths = this._lastLengths(op, d);
    const asked = Array.isArray(outputSize)
      ? outputSize.map((n: number | null, i) => n ?? lengths[i] ?? 1)
      : (outputSize as number);
    const counts = perAxis(op, 'outputSize', asked, d, 1);
    if (lengths.includes(0)) {
      throw new ShapeError(`${op}: an axis of ${shapeText(this.shape)} has nothing to pool`, { shape: this.shape });
    }
    // [..., H, W] to [..., H', runs of H, W', runs of W].
    const cut = (x: Self, fill: number) => counts.reduceRight((y, n, i) => runs(y, x.rank - d + i, n, fill), x);
    const folded = counts.map((_, i) => this.rank - d + 2 * i + 1);
    if (fold === 'max') return cut(this.self, lowest(this.self)).max(folded);
    const x = this.cast(floatFor(this.dtype));
    const even = counts.every((n, i) => lengths[i]! % n === 0);
    if (even) return cut(x, 0).mean(folded);
    const ones = expandTo(x.lift(op, 1, x.dtype), lengths);
    const size = counts.reduceRight((y, n, i) => runs(y, i, n, 0), ones).sum(counts.map((_, i) => 2 * i + 1));
    return cut(x, 0).sum(folded).div(size);
  }

  /** Windows on the last d axes, none of which lies in the padding alone. @throws WindowError, ShapeError */
  private _lay(op: string, d: number, kernelSize: PerAxis, options: PoolOptions): Laid[] {
    const laid = layWindows(op, this._lastLengths(op, d), kernelSize, {
      ...options,
      stride: options.stride ?? kernelSize,
    });
    for (const w of laid) {
      if (Math.max(w.before, w.after) < windowReach(w)) continue;
      throw new WindowError(
        `${op}: padding ${w.before} + ${w.after} is not less than the ${windowReach(w)} that a window reaches over, ` +
          'so one would see nothing else',
        { padding: [w.before, w.after], size: w.size, dilation: w.dilation },
      );
    }
    return laid;
  }

  private _lastLengths(op: string, d: number): Shape {
    if (this.rank >= d) return this.shape.slice(this.rank - d);
    throw new ShapeError(`${op}: pools the last ${d} axes, found only ${shapeText(this.shape)}`, { shape: this.shape });
  }

  private _spatialAxes(op: string): number[] {
    if (this.rank >= 3) return this.shape.map((_, i) => i).slice(2);
    throw new ShapeError(`${op}: wants [N, C, ...spatial], found ${shapeText(this.shape)}`, { shape: this.shape });
  }
}

/** Windows with their places ahead of their counts, [..., sizes, counts]: loops over the windows are then long ones. */
function windowsOf<T extends PoolOps<T>>(x: T, laid: readonly Laid[], fill = 0): T {
  const lead = x.rank - laid.length;
  const axes = (from: number) => laid.map((_, i) => from + i);
  const order = [...new Array(lead).keys(), ...axes(x.rank), ...axes(lead)];
  return windowed(x, laid, fill).permute(order);
}

/** The axes of the places within windows. */
const placeAxes = (d: number): number[] => Array.from({ length: d }, (_, i) => i - 2 * d);

/** What is never larger than an element: -inf, which int32 holds as its least value. */
const lowest = (x: { readonly dtype: string }): number => (x.dtype === 'bool' ? 0 : -Infinity);

/** An axis cut into `count` runs that cover it, filled up to the length of the longest: [..., n, ...] to [..., count, most, ...]. */
function runs<T extends PoolOps<T>>(x: T, axis: number, count: number, fill: number): T {
  const n = x.shape[axis]!;
  if (n % count === 0) return x.reshape([...x.shape.slice(0, axis), count, n / count, ...x.shape.slice(axis + 1)]);
  const ends = Array.from({ length: count }, (_, i) => [Math.floor((i * n) / count), Math.ceil(((i + 1) * n) / count)]);
  const most = Math.max(...ends.map(([start, stop]) => stop! - start!));
  const on = <V>(value: V, other: V): V[] => x.shape.map((_, i) => (i === axis ? value : other));
  const parts = ends.map(([start, stop]) =>
    x.slice(...on<SliceSpec>([start, stop], null)).pad(on<[number, number]>([0, most - stop! + start!], [0, 0]), fill),
  );
  return stack<T>(parts, axis);
}

/** |x|^p, smooth at 0 for even p. @throws WindowError */
function powersOf<T extends PoolOps<T>>(op: string, x: T, p: number): T {
  if (!(p > 0 && Number.isFinite(p))) throw new WindowError(`${op}: p must be positive and finite, found ${p}`, { p });
  return (p % 2 === 0 ? x : x.abs()).pow(p);
}

/** x^(1/p), with derivative 0 at 0. */
function rootOf<T extends PoolOps<T>>(x: T, p: number): T {
  const zero = x.eq(0);
  return where<T>(zero, 0, where<T>(zero, 1, x).pow(1 / p));
}
