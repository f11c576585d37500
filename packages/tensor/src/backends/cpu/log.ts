/**
 * The logarithm of a sum of exponentials of which the largest is 1, in float64, twice, as exp.ts has it: `logOfSum` is the form to read,
 * `logVectors` the same operations on two lanes. Their bits are those of V8's Math.log, in every engine.
 *
 *   x = 2^k (1 + f),  sqrt(2)/2 <= 1 + f < sqrt(2)        log(x) = k ln 2 + log(1 + f)        log(1 + f) = 2 s + s R(s^2),  s = f / (2 + f)
 *
 * with R the best approximation of degree 7 in s^2. 2 s is f - s f, so that f itself is added last, exactly. Three ways to do so lose the least
 * where f is tiny, where it is large, and between.
 *
 * Source: K. C. Ng, FDLIBM 5.3, e_log.c (Sun Microsystems, 1993).
 */

import { type Code, f64, f64x2, i32, i64x2, type Local, type ValueType, v128 } from './assembler.ts';
import { LN2_HIGH, LN2_LOW } from './exp.ts';

const [L1, L2, L3, L4] = [0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784];
const [L5, L6, L7] = [0.1818357216161805, 0.15313837699209373, 0.14798198605116586];
const THIRD = 0.3333333333333333;
/** sqrt(2), and the ends of where f is large, to the 20 places that FDLIBM looks at. */
const SQRT2 = 1482908 / 2 ** 20;
const LARGE_FROM = 1447034 / 2 ** 20;
const LARGE_TO = 1488978 / 2 ** 20;
const TINY = 2 ** -20;

/** log(x) for x in [1, 2^31), and for 0, Infinity and NaN, which sums are where the largest term is not finite. */
export function logOfSum(x: number): number {
  if (x === 0) return -Infinity;
  if (!(x < 2 ** 31)) return x;
  const exponent = 31 - Math.clz32(x);
  const digits = x / 2 ** exponent;
  const k = digits >= SQRT2 ? exponent + 1 : exponent;
  const f = (digits >= SQRT2 ? digits * 0.5 : digits) - 1;
  const low = k * LN2_LOW;
  if (f >= -TINY && f < TINY) return k * LN2_HIGH - (f * f * (0.5 - THIRD * f) - low - f);
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const r = z * (L1 + w * (L3 + w * (L5 + w * L7))) + w * (L2 + w * (L4 + w * L6));
  const half = 0.5 * f * f;
  const isLarge = digits >= LARGE_FROM && digits < LARGE_TO;
  return k * LN2_HIGH - ((isLarge ? half - (s * (half + r) + low) : s * (f - r) - low) - f);
}

/** What a kernel needs for the logarithms of sums: `start`, run once, and the code for two lanes. */
export interface LogVectors {
  readonly start: Code;
  of(x: Code): Code;
}

export const logVectors = (local: (type: ValueType) => Local): LogVectors => {
  const start: Code[] = [];
  const constant = (value: number): Local => {
    const vector = local('v128');
    start.push(vector.set(f64x2.splat(f64.const(value))));
    return vector;
  };
  const [l1, l2, l3, l4, l5, l6, l7] = [L1, L2, L3, L4, L5, L6, L7].map(constant);
  const [ln2High, ln2Low, third, sqrt2] = [LN2_HIGH, LN2_LOW, THIRD, SQRT2].map(constant);
  const [largeFrom, largeTo, tiny, minusTiny] = [LARGE_FROM, LARGE_TO, TINY, -TINY].map(constant);
  const [zero, one, two, half, least] = [0, 1, 2, 0.5, -Infinity].map(constant);
  // The bits of a double's digits; and a number whose last bits take an integer up, with the exponent's bias in it.
  const [digitBits, integer, biased] = [2 ** -1022 - 2 ** -1074, 2 ** 52, 2 ** 52 + 1023].map(constant);
  const [v, digits, up, k, f, low] = Array.from({ length: 6 }, () => local('v128'));
  const [s, z, w, r, hf, part] = Array.from({ length: 6 }, () => local('v128'));
  const { add, sub, mul, div } = f64x2;
  const horner = (...coefficients: Code[]): Code =>
    coefficients.reduceRight((rest, coefficient) => add(coefficient, mul(w, rest)));
  const between = (x: Code, from: Code, to: Code): Code => v128.and(f64x2.ge(x, from), f64x2.lt(x, to));
  return {
    start,
    of: (x) => [
      v.set(x),
      digits.set(v128.or(v128.and(v, digitBits), one)),
      up.set(f64x2.ge(digits, sqrt2)),
      k.set(add(sub(v128.or(i64x2.shrU(v, i32.const(52)), integer), biased), v128.and(up, one))),
      f.set(sub(v128.select(mul(digits, half), digits, up), one)),
      low.set(mul(k, ln2Low)),
      s.set(div(f, add(two, f))),
      z.set(mul(s, s)),
      w.set(mul(z, z)),
      r.set(add(mul(z, horner(l1, l3, l5, l7)), mul(w, horner(l2, l4, l6)))),
      hf.set(mul(mul(half, f), f)),
      part.set(
        v128.select(
          sub(hf, add(mul(s, add(hf, r)), low)),
          sub(mul(s, sub(f, r)), low),
          between(digits, largeFrom, largeTo),
        ),
      ),
      part.set(v128.select(sub(mul(mul(f, f), sub(half, mul(third, f))), low), part, between(f, minusTiny, tiny))),
      part.set(sub(mul(k, ln2High), sub(part, f))),
      // What is not finite is its own logarithm.
      part.set(v128.select(part, v, f64x2.eq(sub(v, v), zero))),
      v128.select(least, part, f64x2.eq(v, zero)),
    ],
  };
};
