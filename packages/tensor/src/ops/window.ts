// Windows over the last axes of a tensor, on which convolution and pooling stand. `window` and `fold` are the primitives, each
// the other's adjoint: one looks at every overlapping window (a view, nothing is copied), the other adds windows up where they
// lie. im2col is a window, reordered; so whatever is built of these is differentiable to any order.

import { AxisError, ShapeError, shapeText } from '../errors.ts';
import { axisList, checkShape, normalizeAxis, type Shape, sizeOf } from '../shape.ts';
import { type Window, windowReach } from '../view.ts';
import { IndexOps } from './indexing.ts';
import { type Laid, layWindows, overhang, type PerAxis, type WindowOptions } from './spatial.ts';

export abstract class WindowOps<Self extends WindowOps<Self>> extends IndexOps<Self> {
  /**
   * Every window of `size` elements along the given axes (all by default), as a view: each of these axes counts the windows, and
   * new last axes go through what is in them. [n] gives [floor((n - dilation * (size - 1) - 1) / stride) + 1, size].
   * NumPy's sliding_window_view; with one axis and a stride PyTorch's Tensor.unfold.
   * @throws WindowError, also where no window fits; AxisError.
   */
  slidingWindows(
    size: PerAxis,
    axes: number | readonly number[] = this.shape.map((_, i) => i),
    options: Omit<WindowOptions, 'padding'> = {},
  ): Self {
    const at = axisList('slidingWindows', axes).map((a) => normalizeAxis('slidingWindows', a, this.rank));
    if (new Set(at).size !== at.length) {
      throw new AxisError(`slidingWindows: an axis is named twice in [${axes}] for rank ${this.rank}`, {
        axes,
        rank: this.rank,
      });
    }
    const lengths = at.map((a) => this.shape[a]!);
    const laid = layWindows('slidingWindows', lengths, size, { ...options, padding: 0 });
    return this.apply('window', { windows: laid.map((w, i) => windowOf(w, at[i]!)) }, [this.self]);
  }

  /**
   * im2col: each window as a column. [N, C, ...spatial] gives [N, C * size, windows], where a column has channel after
   * channel and the windows are counted in row-major order. PyTorch's F.unfold, for any number of spatial axes.
   * @throws ShapeError without a spatial axis; WindowError.
   */
  unfold(kernelSize: PerAxis, options: WindowOptions = {}): Self {
    if (this.rank < 3) {
      throw new ShapeError(`unfold: wants [N, C, ...spatial], found ${shapeText(this.shape)}`, { shape: this.shape });
    }
    const [n, channels, ...lengths] = this.shape as [number, number, ...number[]];
    const laid = layWindows('unfold', lengths, kernelSize, options);
    const [inside, counted] = windowAxes(laid.length);
    const size = sizeOf(laid.map((w) => w.size));
    return windowed(this.self, laid)
      .permute([0, 1, ...inside, ...counted])
      .reshape([n, channels * size, sizeOf(laid.map((w) => w.count))]);
  }

  /**
   * col2im, the adjoint of unfold: columns [N, C * size, windows] are added up where their windows lie in [N, C, ...outputSize].
   * PyTorch's F.fold; outputSize has one number for each spatial axis.
   * @throws ShapeError if the columns are not those of such windows; WindowError.
   */
  fold(outputSize: Shape, kernelSize: PerAxis, options: WindowOptions = {}): Self {
    checkShape('fold', outputSize);
    const laid = layWindows('fold', outputSize, kernelSize, options);
    const sizes = laid.map((w) => w.size);
    const counts = laid.map((w) => w.count);
    const [n, rows, columns] = this.shape as [number, number, number];
    const channels = rows / sizeOf(sizes);
    if (this.rank !== 3 || !Number.isInteger(channels) || columns !== sizeOf(counts)) {
      throw new ShapeError(
        `fold: ${shapeText(outputSize)} has ${sizeOf(counts)} windows of ${sizeOf(sizes)} elements: wants ` +
          `[N, C * ${sizeOf(sizes)}, ${sizeOf(counts)}], found ${shapeText(this.shape)}`,
        { shape: this.shape, windows: sizeOf(counts), size: sizeOf(sizes) },
      );
    }
    const x = this.dtype === 'bool' ? this.cast('int32') : this.self;
    const windows = x.reshape([n, channels, ...sizes, ...counts]);
    const [inside, counted] = windowAxes(laid.length);
    const before = laid.map((w) => w.before);
    return unwindowed(windows.permute([0, 1, ...inside, ...counted]), laid, before, outputSize);
  }
}

const windowOf = ({ size, stride, dilation }: Omit<Window, 'axis'>, axis: number): Window => ({
  axis,
  size,
  stride,
  dilation,
});

/** The axes of [N, C, ...d axes, ...d axes] that swap its two groups: the last d of them, then the d before. */
export function windowAxes(d: number): [last: number[], first: number[]] {
  const first = Array.from({ length: d }, (_, i) => 2 + i);
  return [first.map((a) => a + d), first];
}

/** Windows over the last axes of x, surrounded by `fill`: [..., lengths] to [..., counts, sizes]. */
export function windowed<T extends WindowOps<T>>(x: T, laid: readonly Laid[], fill = 0): T {
  const lead = x.rank - laid.length;
  const widths = laid.map((w, i): Width => [w.before, w.after + overhang(x.shape[lead + i]!, w)]);
  return x.apply('window', { windows: laid.map((w, i) => windowOf(w, lead + i)) }, [resized(x, widths, fill)]);
}

/**
 * Windows added up where they lie, the adjoint of `windowed`: [..., counts, sizes] to [..., lengths], where the first window
 * starts `before` elements ahead of each axis.
 */
export function unwindowed<T extends WindowOps<T>>(
  x: T,
  steps: readonly Omit<Window, 'axis'>[],
  before: readonly number[],
  lengths: Shape,
): T {
  const lead = x.rank - 2 * steps.length;
  const spans = steps.map((w, i) => (x.shape[lead + i]! - 1) * w.stride + windowReach(w));
  const sum = x.apply(
    'fold',
    { shape: [...x.shape.slice(0, lead), ...spans], windows: steps.map((w, i) => windowOf(w, lead + i)) },
    [x],
  );
  return resized(
    sum,
    spans.map((span, i): Width => [-before[i]!, before[i]! + lengths[i]! - span]),
  );
}

type Width = [before: number, after: number];

/** The last axes of x made longer by `fill`, and shorter where a width is negative. */
export function resized<T extends WindowOps<T>>(x: T, widths: readonly Width[], fill = 0): T {
  const ends = x.shape.map((_, i): Width => widths[i - x.rank + widths.length] ?? [0, 0]);
  const longer = ends.some((e) => Math.max(...e) > 0);
  const y = longer
    ? x.pad(
        ends.map(([a, b]): Width => [Math.max(0, a), Math.max(0, b)]),
        fill,
      )
    : x;
  if (!ends.some((e) => Math.min(...e) < 0)) return y;
  return y.slice(...ends.map(([a, b], i): Width => [Math.max(0, -a), y.shape[i]! + Math.min(0, b)]));
}
