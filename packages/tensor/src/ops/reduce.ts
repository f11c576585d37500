// Reductions: one axis, several, or (by default) all of them folded away, or kept as size 1 with keepDims. Most are
// compositions; only sum, max, min, argmax, argmin, cumsum and cumprod are primitives.

import { describe } from '../describe.ts';
import { floatFor, promote } from '../dtype.ts';
import { DataError, ShapeError, shapeText } from '../errors.ts';
import type { ArgReduce, Reduce, Scan } from '../primitives.ts';
import { normalizeAxes, normalizeAxis } from '../shape.ts';
import { ActivationOps } from './activations.ts';
import { type ArrayOf, expandTo, leader } from './carrier.ts';
import { type ElementwiseOps, where } from './elementwise.ts';
import type { SliceSpec } from './views.ts';

/** Which axes to fold (negative ones count from the back; all when left out), and whether to keep them as size 1. */
export interface ReduceOptions {
  readonly keepDims?: boolean;
}
export type Axes = number | readonly number[];

export abstract class ReduceOps<Self extends ReduceOps<Self>> extends ActivationOps<Self> {
  /** Sum; 0 over an empty axis. bool is counted as int32. @throws AxisError */
  sum(axes?: Axes, options: ReduceOptions = {}): Self {
    const x = this.dtype === 'bool' ? this.cast('int32') : this.self;
    return x._reduce('sum', axes, options);
  }
  /** Largest element; NaN wins. Tied elements share the gradient equally. @throws ShapeError over an empty axis. */
  max(axes?: Axes, options: ReduceOptions = {}): Self {
    this._wantElements('max', axes);
    return this._reduce('max', axes, options);
  }
  /** Smallest element; NaN wins. Tied elements share the gradient equally. @throws ShapeError over an empty axis. */
  min(axes?: Axes, options: ReduceOptions = {}): Self {
    this._wantElements('min', axes);
    return this._reduce('min', axes, options);
  }
  /** Arithmetic mean, as a float: the sum, rounded to that, and then divided. NaN over an empty axis. */
  mean(axes?: Axes, options: ReduceOptions = {}): Self {
    const x = this.cast(floatFor(this.dtype));
    return x.sum(axes, options).div(x._count('mean', axes));
  }
  /**
   * Product; 1 over an empty axis. It multiplies halves together until one is left, so its derivatives of every order
   * are those of mul: exact also where elements are 0.
   */
  prod(axes?: Axes, options: ReduceOptions = {}): Self {
    const folded = normalizeAxes('prod', axes, this.rank);
    let x = this.dtype === 'bool' ? this.cast('int32') : this.self;
    for (const axis of folded) {
      const part = (start: number, stop: number): SliceSpec[] =>
        x.shape.map((_, i) => (i === axis ? [start, stop] : null));
      while (x.shape[axis]! > 1) {
        const n = x.shape[axis]!;
        const half = n >> 1;
        const product = x.slice(...part(0, half)).mul(x.slice(...part(half, 2 * half)));
        x = n % 2 === 0 ? product : concat([product, x.slice(...part(n - 1, n))], axis);
      }
      if (x.shape[axis] === 0) {
        const shape = x.shape.map((d, i) => (i === axis ? 1 : d));
        x = expandTo(x.lift('prod', 1, x.dtype), shape);
      }
    }
    return options.keepDims ? x : x.squeeze(folded);
  }
  /** Variance about the mean, divided by n - correction (1: sample variance, the default; 0: population). */
  var(axes?: Axes, options: ReduceOptions & { readonly correction?: number } = {}): Self {
    const x = this.cast(floatFor(this.dtype));
    const squares = x.sub(x.mean(axes, { keepDims: true })).square();
    return squares.sum(axes, options).div(Math.max(0, x._count('var', axes) - (options.correction ?? 1)));
  }
  /** Square root of `var`; derivative 0 where all elements are equal. */
  std(axes?: Axes, options: ReduceOptions & { readonly correction?: number } = {}): Self {
    return root(this.var(axes, options));
  }
  /**
   * The vector norm (sum |x|^ord)^(1/ord), as a float; for Infinity and -Infinity the largest and the smallest |x|, for 0 how many
   * are not 0. Elements are scaled on the way, so that neither squares overflow nor tiny elements are lost. Where the norm is 0 its
   * derivative is 0. (numpy.linalg.vector_norm)
   * @throws ShapeError over an empty axis if ord is negative or infinite (else it is 0); DataError if ord is NaN.
   */
  norm(ord = 2, axes?: Axes, options: ReduceOptions = {}): Self {
    if (typeof ord !== 'number' || Number.isNaN(ord)) {
      throw new DataError(`norm: ord must be a number, found ${describe(ord)}`, { ord });
    }
    const x = this.cast(floatFor(this.dtype));
    const size = x.abs();
    if (ord === 0) return x.ne(0).cast(x.dtype).sum(axes, options);
    if (ord === 1 || (ord > 0 && ord < Infinity && x._count('norm', axes) === 0)) return size.sum(axes, options);
    x._wantElements('norm', axes);
    const extreme = ord > 0 ? size.max(axes, { keepDims: true }) : size.min(axes, { keepDims: true });
    const norm = Number.isFinite(ord) ? x._scaledNorm(ord, axes, extreme.detach()) : extreme;
    return options.keepDims ? norm : norm.squeeze(normalizeAxes('norm', axes, this.rank));
  }
  /** true if some element is not 0. */
  any(axes?: Axes, options: ReduceOptions = {}): Self {
    return this.cast('bool').sum(axes, options).cast('bool');
  }
  /** true if no element is 0. */
  all(axes?: Axes, options: ReduceOptions = {}): Self {
    return this.logicalNot().any(axes, options).logicalNot();
  }

  /** Where the first largest element stands along `axis` (int32), or in the flattened tensor. NaN counts as largest. */
  argmax(axis?: number, options: ReduceOptions = {}): Self {
    return this._argReduce('argmax', axis, options);
  }
  /** Where the first smallest element stands along `axis` (int32), or in the flattened tensor. NaN counts as smallest. */
  argmin(axis?: number, options: ReduceOptions = {}): Self {
    return this._argReduce('argmin', axis, options);
  }

  /** Running sum along an axis. bool is counted as int32. @throws AxisError */
  cumsum(axis: number): Self {
    return this._scan('cumsum', axis);
  }
  /** Running product along an axis; its derivatives are exact also where elements are 0. @throws AxisError */
  cumprod(axis: number): Self {
    return this._scan('cumprod', axis);
  }

  /** log(sum(exp(x))), shifted by the largest element so that nothing overflows; -inf over an empty axis. */
  logSumExp(axes?: Axes, options: ReduceOptions = {}): Self {
    const x = this.cast(floatFor(this.dtype));
    if (x._count('logSumExp', axes) === 0) return x.sum(axes, options).log();
    const shift = x._finiteMax(axes);
    const total = x.sub(shift).exp().sum(axes, { keepDims: true }).log().add(shift);
    return options.keepDims ? total : total.squeeze(normalizeAxes('logSumExp', axes, this.rank));
  }
  /** exp(x) / sum(exp(x)) along an axis, shifted by the largest element. */
  softmax(axis = -1): Self {
    const x = this.cast(floatFor(this.dtype));
    return x.apply('softmax', { axis: normalizeAxis('softmax', axis, this.rank) }, [x]);
  }
  /** log(softmax(x)) without the underflow. */
  logSoftmax(axis = -1): Self {
    const x = this.cast(floatFor(this.dtype));
    return x.apply('logSoftmax', { axis: normalizeAxis('logSoftmax', axis, this.rank) }, [x]);
  }

  /**
   * The largest element as a constant: logSumExp does not depend on the shift, so neither do its derivatives.
   * An infinite maximum would make inf - inf, so the shift is 0 there.
   */
  private _finiteMax(axes: Axes | undefined): Self {
    const max = this.detach().max(axes, { keepDims: true });
    return where(max.isFinite(), max, 0);
  }

  private _reduce(op: Reduce, axes: Axes | undefined, { keepDims = false }: ReduceOptions): Self {
    return this.apply(op, { axes: normalizeAxes(op, axes, this.rank), keepDims }, [this.self]);
  }

  private _scan(op: Scan, axis: number): Self {
    const x = this.dtype === 'bool' ? this.cast('int32') : this.self;
    return x.apply(op, { axis: normalizeAxis(op, axis, this.rank) }, [x]);
  }

  /** s (sum |x / s|^ord)^(1/ord): the same for every constant s, so s has no part in the derivatives. */
  private _scaledNorm(ord: number, axes: Axes | undefined, extreme: Self): Self {
    const scale = where(extreme.gt(0).logicalAnd(extreme.lt(Infinity)), extreme, 1);
    if (ord === 2) {
      // Dividing by a power of two changes no digits. (The logarithm of the largest numbers is rounded up.)
      const largest = this.dtype === 'float64' ? 1023 : 127;
      const binade = scale.log2().floor().minimum(largest).exp2();
      return root(this.div(binade).square().sum(axes, { keepDims: true })).mul(binade);
    }
    const zero = this.eq(0);
    // |x|^ord is a polynomial if ord is even, and else has no derivatives at 0: there they are chosen to be 0.
    const powers =
      ord > 0 && ord % 2 === 0
        ? this.div(scale).pow(ord)
        : where(zero, ord > 0 ? 0 : Infinity, where(zero, 1, this.self).abs().div(scale).pow(ord));
    return root(powers.sum(axes, { keepDims: true }), 1 / ord).mul(scale);
  }

  private _argReduce(op: ArgReduce, axis: number | undefined, { keepDims = false }: ReduceOptions): Self {
    this._wantElements(op, axis);
    if (axis !== undefined) return this.apply(op, { axis: normalizeAxis(op, axis, this.rank), keepDims }, [this.self]);
    const flat = this.reshape([this.size]);
    const found = flat.apply(op, { axis: 0, keepDims: false }, [flat]);
    return keepDims ? found.reshape(this.shape.map(() => 1)) : found;
  }

  /** How many elements fold into one. */
  private _count(op: string, axes: Axes | undefined): number {
    return normalizeAxes(op, axes, this.rank).reduce((n, a) => n * this.shape[a]!, 1);
  }

  private _wantElements(op: string, axes: Axes | undefined): void {
    if (this._count(op, axes) === 0) {
      throw new ShapeError(`${op}: no elements to choose from along the folded axes of ${shapeText(this.shape)}`, {
        shape: this.shape,
        axes,
      });
    }
  }
}

/** x^power, with derivative 0 at 0, where that of a root is infinite. */
function root<T extends ElementwiseOps<T>>(x: T, power = 0.5): T {
  const zero = x.eq(0);
  const safe = where(zero, 1, x);
  return where(zero, 0, power === 0.5 ? safe.sqrt() : safe.pow(power));
}

/**
 * Tensors joined along an existing axis; they meet at one dtype.
 * @throws DataError if there are none; ShapeError if their shapes differ elsewhere.
 */
export function concat<T extends ElementwiseOps<T>>(parts: readonly ArrayOf<T>[], axis = 0): T {
  const first = leader<T>('concat', parts);
  const at = normalizeAxis('concat', axis, first.rank);
  const lifted = parts.map((x) => first.lift('concat', x, first.dtype));
  for (const x of lifted) {
    if (x.rank !== first.rank || x.shape.some((d, i) => i !== at && d !== first.shape[i])) {
      throw new ShapeError(
        `concat: shapes ${lifted.map((p) => shapeText(p.shape)).join(', ')} differ outside axis ${at}`,
        { shapes: lifted.map((p) => p.shape), axis: at },
      );
    }
  }
  const dtype = lifted.reduce((d, x) => promote(d, x.dtype), first.dtype);
  return first.apply(
    'concat',
    { axis: at },
    lifted.map((x) => x.cast(dtype)),
  );
}
