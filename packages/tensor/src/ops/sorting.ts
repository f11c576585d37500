// Sorting and what is read off a sorted line: the k largest, quantiles. argsort is the primitive, sort is a gather by it, so gradients go
// back to where the elements came from. Sorting is stable, and NaN counts as the largest element, as it does for max: it comes last, as in
// NumPy, and first when descending, as in PyTorch.

import { floatFor } from '../dtype.ts';
import { DataError, ShapeError, shapeText } from '../errors.ts';
import { normalizeAxes, normalizeAxis, reducedShape } from '../shape.ts';
import { where } from './elementwise.ts';
import { type Axes, concat, ReduceOps, type ReduceOptions } from './reduce.ts';
import type { SliceSpec } from './views.ts';

export interface SortOptions {
  readonly descending?: boolean;
}

export abstract class SortOps<Self extends SortOps<Self>> extends ReduceOps<Self> {
  /**
   * Where the elements of the sorted line stand in this one, as int32: `x.gather(axis, x.argsort(axis))` is `x.sort(axis)`. Equal
   * elements keep their order, also when descending.
   * @throws AxisError
   */
  argsort(axis = -1, { descending = false }: SortOptions = {}): Self {
    return this.apply('argsort', { axis: normalizeAxis('argsort', axis, this.rank), descending }, [this.self]);
  }

  /** The elements in ascending (or descending) order along an axis. Gradients go back to where they stood. @throws AxisError */
  sort(axis = -1, options: SortOptions = {}): Self {
    const at = normalizeAxis('sort', axis, this.rank);
    return this.apply('gather', { axis: at }, [this.self, this.argsort(at, options)]);
  }

  /**
   * The k largest (or smallest) elements along an axis, and where they stand as int32; of equal ones those that come first. In sorted
   * order, or with `sorted: false` in the order in which they stand.
   * @throws AxisError; ShapeError if k is not an integer from 0 to the size of the axis.
   */
  topk(
    k: number,
    axis = -1,
    { largest = true, sorted = true }: { readonly largest?: boolean; readonly sorted?: boolean } = {},
  ): { values: Self; indices: Self } {
    const at = normalizeAxis('topk', axis, this.rank);
    const size = this.shape[at]!;
    if (!Number.isInteger(k) || k < 0 || k > size) {
      throw new ShapeError(
        `topk: k must be an integer from 0 to ${size}, the size of axis ${at} of ${shapeText(this.shape)}, found ${k}`,
        { k, shape: this.shape, axis: at },
      );
    }
    const front = this.argsort(at, { descending: largest }).slice(
      ...this.shape.map((_, i): SliceSpec => (i === at ? [0, k] : null)),
    );
    const indices = sorted ? front : front.sort(at);
    return { values: this.apply('gather', { axis: at }, [this.self, indices]), indices };
  }

  /**
   * The value below which a fraction q of the elements lies, as a float, interpolated between neighbours of the sorted line (NumPy's
   * and PyTorch's 'linear'); NaN if an element is. For a list of fractions the results are stacked along a new first axis.
   * @throws DataError if a fraction is outside [0, 1]; ShapeError if there are no elements, or no fractions; AxisError.
   */
  quantile(q: number | readonly number[], axes?: Axes, options: ReduceOptions = {}): Self {
    const folded = normalizeAxes('quantile', axes, this.rank);
    const kept = this.shape.flatMap((_, i) => (folded.includes(i) ? [] : [i]));
    const count = folded.reduce((n, axis) => n * this.shape[axis]!, 1);
    const fractions = [q].flat();
    for (const fraction of fractions) {
      if (!(fraction >= 0 && fraction <= 1)) {
        throw new DataError(`quantile: a fraction must be from 0 to 1, found ${fraction}`, { fraction });
      }
    }
    if (count === 0 || fractions.length === 0) {
      const nothing =
        count === 0 ? `elements along the folded axes of ${shapeText(this.shape)}` : 'fractions asked for';
      throw new ShapeError(`quantile: no ${nothing}`, { shape: this.shape, axes });
    }
    const lines = this.cast(floatFor(this.dtype))
      .permute([...kept, ...folded])
      .reshape([...kept.map((i) => this.shape[i]!), count])
      .sort();
    const at = (i: number) => lines.slice(...kept.map(() => null), i);
    const hasNan = at(count - 1).isNan();
    const values = fractions.map((fraction) => {
      const place = fraction * (count - 1);
      const below = Math.floor(place);
      const value = place === below ? at(below) : between(at(below), at(below + 1), place - below);
      return where(hasNan, Number.NaN, value).reshape(reducedShape(this.shape, folded, options.keepDims ?? false));
    });
    return typeof q === 'number' ? values[0]! : concat<Self>(values.map((value) => value.unsqueeze(0)));
  }

  /** The middle element, or the mean of the two in the middle (NumPy's; PyTorch takes the lower one). @throws as quantile. */
  median(axes?: Axes, options: ReduceOptions = {}): Self {
    return this.quantile(0.5, axes, options);
  }
}

/** a + (b - a) t for a <= b. b - a might overflow, and rounding must not lead out of [a, b], of which a constant line is the least. */
function between<T extends SortOps<T>>(a: T, b: T, t: number): T {
  return a
    .mul(1 - t)
    .add(b.mul(t))
    .maximum(a)
    .minimum(b);
}
