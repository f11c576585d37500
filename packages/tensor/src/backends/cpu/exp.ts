/**
 * exp in float64, twice: `exp` is the form to read, `expVectors` the same operations on two lanes at a time. Both round in the same places,
 * so they have the same bits, in every engine: JavaScript leaves those of Math.exp open.
 *
 *   x = k ln 2 + r,  |r| <= (ln 2)/2        exp(x) = 2^k exp(r)        exp(r) = 1 + r + r c / (2 - c)
 *
 * with c = r - r^2 P(r^2): r (exp(r) + 1) / (exp(r) - 1) = 2 + r^2 P(r^2) is an even function, so that a P of degree 4 is enough. ln 2 has two
 * parts: k times the first is exact, and what the second costs r comes in again at the end. The error is below one unit in the last place.
 *
 * Source: K. C. Ng, FDLIBM 5.3, e_exp.c (Sun Microsystems, 1993), from which V8's Math.exp comes as well; here without its branches.
 */

import { type Code, f64, f64x2, i32, i64x2, type Local, type ValueType } from './assembler.ts';

/** Beyond these all is 0 or infinity. */
const LEAST = -746;
const MOST = 710;
const PER_LN2 = Math.LOG2E;
/** 32 bits of ln 2, and the rest of it. */
export const LN2_HIGH = 0.6931471803691238;
export const LN2_LOW = 1.9082149292705877e-10;
const P1 = 0.16666666666666602;
const P2 = -0.0027777777777015593;
const P3 = 6.613756321437934e-5;
const P4 = -1.6533902205465252e-6;
const P5 = 4.1381367970572385e-8;

/** Added to a number and taken away again it leaves the nearest integer, which meanwhile is the low bits of the sum. */
const ROUNDER = 1.5 * 2 ** 52;
const BIAS = 1023;

/** 2^(i - BIAS): the halves of every k. */
const POWERS = new Float64Array(2 * BIAS);
for (let i = BIAS, up = 1, down = 1; i < 2 * BIAS; i++, up *= 2, down /= 2) {
  POWERS[i] = up;
  POWERS[2 * BIAS - i] = down;
}

export function exp(x: number): number {
  const v = Math.min(Math.max(x, LEAST), MOST);
  const k = v * PER_LN2 + ROUNDER - ROUNDER;
  const high = v - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const s = r * r;
  const c = r - s * (P1 + s * (P2 + s * (P3 + s * (P4 + s * P5))));
  const y = 1 - (low - (r * c) / (2 - c) - high);
  // 2^k itself may be no double, or only a subnormal one. Of two factors the first loses nothing.
  const half = (k | 0) >> 1;
  return y * POWERS[half + BIAS] * POWERS[(k | 0) - half + BIAS];
}

/** What a kernel needs for exponentials: `start`, run once, and the code for two lanes. */
export interface ExpVectors {
  readonly start: Code;
  of(x: Code): Code;
}

export const expVectors = (local: (type: ValueType) => Local): ExpVectors => {
  const start: Code[] = [];
  // A constant in a variable is made once.
  const constant = (value: number): Local => {
    const vector = local('v128');
    start.push(vector.set(f64x2.splat(f64.const(value))));
    return vector;
  };
  const [least, most, perLn2, ln2High, ln2Low] = [LEAST, MOST, PER_LN2, LN2_HIGH, LN2_LOW].map(constant);
  const [p1, p2, p3, p4, p5] = [P1, P2, P3, P4, P5].map(constant);
  const [one, two, half, rounder, biased] = [1, 2, 0.5, ROUNDER, ROUNDER + BIAS].map(constant);
  const [v, k, high, low, r, s, c, part] = Array.from({ length: 8 }, () => local('v128'));
  const { add, sub, mul, div } = f64x2;
  const horner = (...coefficients: Code[]): Code =>
    coefficients.reduceRight((rest, coefficient) => add(coefficient, mul(s, rest)));
  /** 2^n of the integers n in `sum` - ROUNDER - BIAS: its low bits become the exponent. */
  const power = (sum: Code): Code => i64x2.shl(sum, i32.const(52));
  return {
    start,
    of: (x) => [
      v.set(f64x2.pmin(f64x2.pmax(x, least), most)),
      k.set(sub(add(mul(v, perLn2), rounder), rounder)),
      high.set(sub(v, mul(k, ln2High))),
      low.set(mul(k, ln2Low)),
      r.set(sub(high, low)),
      s.set(mul(r, r)),
      c.set(sub(r, mul(s, horner(p1, p2, p3, p4, p5)))),
      part.set(add(mul(k, half), biased)),
      mul(
        mul(sub(one, sub(sub(low, div(mul(r, c), sub(two, c))), high)), power(part)),
        power(add(sub(k, sub(part, biased)), biased)),
      ),
    ],
  };
};
