// What each elementwise primitive does to one element, in float64. The reference backend applies these directly;
// faster kernels are held to them. Conventions at the edges are NumPy's: round is half to even, mod takes
// the divisor's sign, maximum and minimum pass NaN on, sign(0) = 0 and sign(NaN) = NaN.

import type { DType } from './dtype.ts';
import { erf, erfc } from './erf.ts';
import type { Binary, Compare, Unary } from './primitives.ts';

/** Rounds to the nearest integer, ties to the even one. */
function roundHalfEven(x: number): number {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** Python's and NumPy's modulo: the result has the divisor's sign. */
function floorMod(a: number, b: number): number {
  const r = a % b;
  if (r !== 0) return r < 0 !== b < 0 ? r + b : r;
  return b < 0 ? -0 : 0;
}

/** C99's hypot: squares neither overflow nor underflow, as a power of two changes no digits; infinite beside NaN too. */
function hypot(a: number, b: number): number {
  const most = Math.max(Math.abs(a), Math.abs(b));
  if (Math.abs(a) === Infinity || Math.abs(b) === Infinity) return Infinity;
  const scale = most > 2 ** 500 ? 2 ** -600 : most < 2 ** -400 ? 2 ** 600 : 1;
  return Math.sqrt((a * scale) ** 2 + (b * scale) ** 2) / scale;
}

export const unary: { readonly [P in Unary]: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfEven,
  trunc: Math.trunc,
  relu: (x) => (x > 0 ? x : Number.isNaN(x) ? x : 0),
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  log2: Math.log2,
  log10: Math.log10,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  // exp of a negative number only, so that neither tail overflows.
  sigmoid: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
  erf,
  erfc,
};

const floatBinary: { readonly [P in Binary]: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // IEEE pow: 1 to any power is 1, where JavaScript says NaN for 1^NaN and 1^inf.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b),
  mod: floorMod,
  maximum: Math.max,
  minimum: Math.min,
  atan2: Math.atan2,
  hypot,
};

/** a^b in wrapping 32-bit arithmetic by squaring; a negative exponent truncates 1/a^|b| toward zero, and 0 stays 0. */
function intPow(a: number, b: number): number {
  if (b < 0) return a === 1 ? 1 : a === -1 ? (b % 2 === 0 ? 1 : -1) : 0;
  let result = 1;
  for (let base = a, e = b; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = Math.imul(result, base);
    base = Math.imul(base, base);
  }
  return result;
}

// Integers wrap modulo 2^32, as in C and NumPy. Division by zero, which integers cannot say, gives 0.
const intBinary: { readonly [P in Binary]: (a: number, b: number) => number } = {
  ...floatBinary,
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : (a / b) | 0),
  pow: intPow,
  mod: (a, b) => (b === 0 ? 0 : floorMod(a, b) | 0),
};

export function binary(op: Binary, dtype: DType): (a: number, b: number) => number {
  return (dtype === 'int32' ? intBinary : floatBinary)[op];
}

export const compare: { readonly [P in Compare]: (a: number, b: number) => boolean } = {
  eq: (a, b) => a === b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
};
