// Elementwise ops: one element in, one element out, under NumPy broadcasting. Arithmetic on bool counts as int32; `div`
// and the float functions lift integers to float32. Kinks (where a derivative has to be chosen) are stated beside each.

import { floatFor, isFloat, weakDType } from '../dtype.ts';
import type { Binary, Compare, Unary } from '../primitives.ts';
import { broadcastShapes, sameShape } from '../shape.ts';
import { type ArrayOf, expandTo, leader, meet, type OperandOf } from './carrier.ts';
import { ViewOps } from './views.ts';

/** The parameters of a primitive that has none. */
const NONE = Object.freeze({});

export abstract class ElementwiseOps<Self extends ElementwiseOps<Self>> extends ViewOps<Self> {
  /** this + alpha * other; alpha is 1 by default. */
  add(other: OperandOf<Self>, { alpha = 1 }: { readonly alpha?: number } = {}): Self {
    if (alpha === 1) return this._binary('add', other);
    const pair = meet('add', this.self, other, true);
    const [a, b] = pair;
    return isFloat(a.dtype) ? a.apply('addScaled', { scale: alpha }, pair) : a.add(b.mul(alpha));
  }
  /** this - other */
  sub(other: OperandOf<Self>): Self {
    return this._binary('sub', other);
  }
  /** this * other */
  mul(other: OperandOf<Self>): Self {
    return this._binary('mul', other);
  }
  /** this / other, as a float even for integers; x/0 is IEEE's. */
  div(other: OperandOf<Self>): Self {
    return this._floatBinary('div', other);
  }
  /** this ** other. x^0 is 1 with derivative 0, also at x = 0. An integer to a negative integer truncates toward 0. */
  pow(exponent: OperandOf<Self>): Self {
    return this._binary('pow', exponent);
  }
  /** The remainder with the divisor's sign (Python's and NumPy's %). Integers modulo 0 give 0. */
  mod(divisor: OperandOf<Self>): Self {
    return this._binary('mod', divisor);
  }
  /** The larger of the two; NaN wins. Where they tie each gets half of the gradient. */
  maximum(other: OperandOf<Self>): Self {
    return this._binary('maximum', other);
  }
  /** The smaller of the two; NaN wins. Where they tie each gets half of the gradient. */
  minimum(other: OperandOf<Self>): Self {
    return this._binary('minimum', other);
  }

  /** The angle of the point (x = other, y = this) in (-pi, pi], with IEEE's signs of zero; derivative 0 at the origin. */
  atan2(other: OperandOf<Self>): Self {
    return this._floatBinary('atan2', other);
  }
  /** sqrt(this^2 + other^2) without overflow or underflow on the way; derivative 0 at the origin. */
  hypot(other: OperandOf<Self>): Self {
    return this._floatBinary('hypot', other);
  }

  neg(): Self {
    return this._arithmetic('neg');
  }
  /** |x|; derivative 0 at 0. */
  abs(): Self {
    return this._arithmetic('abs');
  }
  /** -1, 0 or 1; NaN stays NaN. */
  sign(): Self {
    return this._arithmetic('sign');
  }
  floor(): Self {
    return this._arithmetic('floor');
  }
  ceil(): Self {
    return this._arithmetic('ceil');
  }
  /** The nearest integer, ties to even. */
  round(): Self {
    return this._arithmetic('round');
  }
  /** Without its fraction: rounded toward 0. */
  trunc(): Self {
    return this._arithmetic('trunc');
  }
  /** max(x, 0); derivative 0 at 0. */
  relu(): Self {
    return this._arithmetic('relu');
  }

  exp(): Self {
    return this._float('exp');
  }
  /** exp(x) - 1, accurate near 0. */
  expm1(): Self {
    return this._float('expm1');
  }
  /** 2^x, exact for integers. */
  exp2(): Self {
    const x = this.cast(floatFor(this.dtype));
    return x.lift('exp2', 2, x.dtype).pow(x);
  }
  /** Natural logarithm; log(0) = -inf, of a negative number NaN. */
  log(): Self {
    return this._float('log');
  }
  /** log(1 + x), accurate near 0. */
  log1p(): Self {
    return this._float('log1p');
  }
  /** Logarithm to base 2, exact for powers of two. */
  log2(): Self {
    return this._float('log2');
  }
  /** Logarithm to base 10. */
  log10(): Self {
    return this._float('log10');
  }
  /** Derivative inf at 0. */
  sqrt(): Self {
    return this._float('sqrt');
  }
  sin(): Self {
    return this._float('sin');
  }
  cos(): Self {
    return this._float('cos');
  }
  tan(): Self {
    return this._float('tan');
  }
  asin(): Self {
    return this._float('asin');
  }
  acos(): Self {
    return this._float('acos');
  }
  atan(): Self {
    return this._float('atan');
  }
  sinh(): Self {
    return this._float('sinh');
  }
  cosh(): Self {
    return this._float('cosh');
  }
  tanh(): Self {
    return this._float('tanh');
  }
  asinh(): Self {
    return this._float('asinh');
  }
  /** NaN below 1. */
  acosh(): Self {
    return this._float('acosh');
  }
  /** Infinite at -1 and 1, NaN beyond. */
  atanh(): Self {
    return this._float('atanh');
  }
  /** 1 / (1 + exp(-x)), without overflow in either tail. */
  sigmoid(): Self {
    return this._float('sigmoid');
  }
  /** The error function. */
  erf(): Self {
    return this._float('erf');
  }
  /** 1 - erf(x), to full precision also where that is tiny. */
  erfc(): Self {
    return this._float('erfc');
  }

  /** x * x */
  square(): Self {
    return this.mul(this.self);
  }
  /** 1 / x */
  reciprocal(): Self {
    const x = this.cast(floatFor(this.dtype));
    return x.lift('reciprocal', 1, x.dtype).div(x);
  }
  /** 1 / sqrt(x) */
  rsqrt(): Self {
    return this.sqrt().reciprocal();
  }
  /**
   * Kept within [low, high]; either may be left out. The gradient passes where low <= x <= high, both ends included.
   */
  clamp(low?: number, high?: number): Self {
    let x = this.self;
    if (low !== undefined) x = where(x.lt(low), low, x);
    if (high !== undefined) x = where(x.gt(high), high, x);
    return x;
  }

  eq(other: OperandOf<Self>): Self {
    return this._compare('eq', other);
  }
  ne(other: OperandOf<Self>): Self {
    return this._compare('eq', other, 'ne').logicalNot();
  }
  lt(other: OperandOf<Self>): Self {
    return this._compare('lt', other);
  }
  le(other: OperandOf<Self>): Self {
    return this._compare('le', other);
  }
  gt(other: OperandOf<Self>): Self {
    const [a, b] = meet('gt', this.self, other, false);
    return a.apply('lt', NONE, [b, a]);
  }
  ge(other: OperandOf<Self>): Self {
    const [a, b] = meet('ge', this.self, other, false);
    return a.apply('le', NONE, [b, a]);
  }

  /** true where x is 0. */
  logicalNot(): Self {
    return this.cast('bool')._compare('eq', 0);
  }
  logicalAnd(other: ArrayOf<Self>): Self {
    return this._logical('minimum', other);
  }
  logicalOr(other: ArrayOf<Self>): Self {
    return this._logical('maximum', other);
  }
  logicalXor(other: ArrayOf<Self>): Self {
    const b = this.lift('logicalXor', other, 'bool').cast('bool');
    return this.cast('bool')._compare('eq', b, 'logicalXor').logicalNot();
  }
  isNan(): Self {
    return this.ne(this.self);
  }
  /** true where x is neither NaN nor infinite. */
  isFinite(): Self {
    return this.abs().lt(Infinity);
  }

  isInf(): Self {
    return this.abs().eq(Infinity);
  }

  private _binary(op: Binary, other: OperandOf<Self>): Self {
    const pair = meet(op, this.self, other, true);
    return pair[0].apply(op, NONE, pair);
  }
  /** Of two floats, whatever they were. */
  private _floatBinary(op: Binary, other: OperandOf<Self>): Self {
    const [a, b] = meet(op, this.self, other, true);
    const dtype = floatFor(a.dtype);
    return a.apply(op, NONE, [a.cast(dtype), b.cast(dtype)]);
  }
  private _compare(op: Compare, other: OperandOf<Self>, name: string = op): Self {
    const pair = meet(name, this.self, other, false);
    return pair[0].apply(op, NONE, pair);
  }
  /** and is the minimum of bits, or the maximum. */
  private _logical(op: 'minimum' | 'maximum', other: ArrayOf<Self>): Self {
    const name = op === 'minimum' ? 'logicalAnd' : 'logicalOr';
    const [a, b] = meet(name, this.cast('bool'), this.lift(name, other, 'bool').cast('bool'), false);
    return a.apply(op, NONE, [a, b]);
  }
  private _arithmetic(op: Unary): Self {
    const x = this.dtype === 'bool' ? this.cast('int32') : this.self;
    return x.apply(op, NONE, [x]);
  }
  private _float(op: Unary): Self {
    const x = this.cast(floatFor(this.dtype));
    return x.apply(op, NONE, [x]);
  }
}

/**
 * a where the condition is true, else b, all broadcast together; the two values meet at one dtype.
 * @throws ShapeError if they do not broadcast.
 */
export function where<T extends ElementwiseOps<T>>(condition: ArrayOf<T>, a: OperandOf<T>, b: OperandOf<T>): T {
  const lead = leader<T>('where', [condition, a, b]);
  const value = (x: OperandOf<T>) => (typeof x === 'number' ? x : lead.lift('where', x, 'float32'));
  const [v, w] = [value(a), value(b)];
  // Of two numbers alone neither is beside a tensor: they are float32, as `tensor(1)` is.
  const beside = typeof v !== 'number' ? v.dtype : typeof w !== 'number' ? weakDType(v, w.dtype) : 'float32';
  const chosen = lead.lift('where', condition, 'bool').cast('bool');
  const [x, y] = meet('where', lead.lift('where', v, beside, typeof w === 'number' ? chosen.shape : w.shape), w, false);
  const shape = sameShape(chosen.shape, x.shape) ? x.shape : broadcastShapes('where', chosen.shape, x.shape);
  return lead.apply('where', NONE, [expandTo(chosen, shape), expandTo(x, shape), expandTo(y, shape)]);
}
