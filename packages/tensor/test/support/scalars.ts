// What each elementwise primitive does to one element, written a second time and another way: integers by BigInt, rounding by
// cases, erf by its power series in exact arithmetic. NumPy's own results for the same ops are in fixtures/golden.json.

import type { DType } from '../../src/index.ts';
import type { BINARY, COMPARE, UNARY } from '../../src/primitives.ts';

const SCALE = 2n ** 300n;

/** erf(x) = 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)), in fixed point with 300 bits after the point: cancellation is no matter. */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  if (Math.abs(x) < 2 ** -40) return x * (2 / Math.sqrt(Math.PI));
  const fixed = BigInt(x * 2 ** 100) * (SCALE >> 100n);
  const square = (fixed * fixed) / SCALE;
  let power = fixed;
  let sum = fixed;
  for (let n = 1n; power !== 0n; n++) {
    power = (-power * square) / SCALE / n;
    sum += power / (2n * n + 1n);
  }
  return Number(sum >> 200n) * 2 ** -100 * (2 / Math.sqrt(Math.PI));
}

/** exp(-x^2) with the square in two parts, the second one what is lost when the first is rounded. */
function gauss(x: number): number {
  const square = x * x;
  const exact = BigInt(x * 2 ** 60) ** 2n - BigInt(square * 2 ** 60) * 2n ** 60n;
  return Math.exp(-square) * (1 - Number(exact) * 2 ** -120);
}

/** By the continued fraction exp(-x^2)/sqrt(pi) 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))) (Abramowitz & Stegun 7.1.14). */
function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return 2 - erfc(-x);
  if (x < 0.5) return 1 - erf(x);
  if (x > 28) return 0;
  let f = x;
  for (let n = 3000; n >= 1; n--) f = x + n / 2 / f;
  return gauss(x) / (Math.sqrt(Math.PI) * f);
}

function round(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}

/** Both tails without overflow, by another formula than the library's: 1 - s(x) = s(-x). */
function sigmoid(x: number): number {
  return x < -37 ? Math.exp(x) : 1 / (1 + Math.exp(-x));
}

/** How many units in the last place a function's value may be off: 0 where IEEE 754 fixes it, else the spread of libm. */
export const ulps = (op: string, dtype: DType): number => {
  const exact = ['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'trunc', 'relu', 'sqrt', 'add', 'sub', 'mul', 'div'];
  if (exact.includes(op) || dtype === 'int32' || dtype === 'bool') return 0;
  if (['mod', 'maximum', 'minimum', 'eq', 'lt', 'le'].includes(op)) return 0;
  // A float32 is the rounded float64 value, so it is off by one where that crosses a tie. In float64 each of the
  // few calls behind a function is within 2.
  return dtype === 'float32' ? 1 : 6;
};

export const unary: { readonly [P in (typeof UNARY)[number]]: (x: number) => number } = {
  neg: (x) => -1 * x,
  abs: (x) => (x < 0 ? -x : x),
  sign: (x) => (x < 0 ? -1 : x > 0 ? 1 : x),
  floor: Math.floor,
  ceil: (x) => -Math.floor(-x),
  round: (x) => (Number.isFinite(x) ? round(x) : x),
  trunc: (x) => (x < 0 ? -Math.floor(-x) : Math.floor(x)),
  relu: (x) => Math.max(x, 0),
  exp: (x) => Math.exp(x),
  expm1: (x) => Math.expm1(x),
  log: (x) => Math.log(x),
  log1p: (x) => Math.log1p(x),
  log2: (x) => Math.log2(x),
  log10: (x) => Math.log10(x),
  sqrt: (x) => Math.sqrt(x),
  sin: (x) => Math.sin(x),
  cos: (x) => Math.cos(x),
  tan: (x) => Math.tan(x),
  asin: (x) => Math.asin(x),
  acos: (x) => Math.acos(x),
  atan: (x) => Math.atan(x),
  sinh: (x) => Math.sinh(x),
  cosh: (x) => Math.cosh(x),
  tanh: (x) => Math.tanh(x),
  asinh: (x) => Math.asinh(x),
  acosh: (x) => Math.acosh(x),
  atanh: (x) => Math.atanh(x),
  sigmoid,
  erf,
  erfc,
};

/** a^b modulo 2^32 by squaring; to a negative power 1/a^|b| truncated, and 0 for 0. */
function integerPower(a: number, b: number): number {
  if (b < 0) return Math.abs(a) === 1 ? a ** (b % 2) : 0;
  const modulus = 2n ** 32n;
  let result = 1n;
  let base = BigInt.asUintN(32, BigInt(a));
  for (let e = b; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return Number(BigInt.asIntN(32, result));
}

const wrapped = (f: (a: bigint, b: bigint) => bigint) => (a: number, b: number) =>
  Number(BigInt.asIntN(32, f(BigInt(a), BigInt(b))));

type Binary = { readonly [P in (typeof BINARY)[number]]: (a: number, b: number) => number };

const either = {
  maximum: (a: number, b: number) => (Number.isNaN(a) || a > b ? a : Number.isNaN(b) || b >= a ? b : a),
  minimum: (a: number, b: number) => (Number.isNaN(a) || a < b ? a : Number.isNaN(b) || b <= a ? b : a),
};

/** sqrt(a^2 + b^2) of a right triangle by the ratio of its sides. */
function hypot(a: number, b: number): number {
  const [long, short] = [Math.max(Math.abs(a), Math.abs(b)), Math.min(Math.abs(a), Math.abs(b))];
  if (Math.abs(a) === Infinity || Math.abs(b) === Infinity) return Infinity;
  return long === 0 ? 0 : long * Math.sqrt(1 + (short / long) ** 2);
}

// No public op takes these of integers: a kernel that is asked all the same cuts off the fraction.
const cut = (f: (a: number, b: number) => number) => (a: number, b: number) =>
  Number(BigInt.asIntN(32, BigInt(Math.trunc(f(a, b)))));

const integer: Binary = {
  ...either,
  atan2: cut((a, b) => Math.atan2(a, b)),
  hypot: cut((a, b) => Math.sqrt(a * a + b * b)),
  add: wrapped((a, b) => a + b),
  sub: wrapped((a, b) => a - b),
  mul: wrapped((a, b) => a * b),
  div: wrapped((a, b) => (b === 0n ? 0n : a / b)),
  pow: integerPower,
  mod: wrapped((a, b) => (b === 0n ? 0n : ((a % b) + b) % b)),
};

const float: Binary = {
  ...either,
  atan2: (a, b) => Math.atan2(a, b),
  hypot,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => (b === 0 || a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b),
  mod: (a, b) => (a % b !== 0 && a % b < 0 !== b < 0 ? (a % b) + b : a % b),
};

export function binary(op: (typeof BINARY)[number], dtype: DType): (a: number, b: number) => number {
  return dtype === 'int32' ? integer[op] : float[op];
}

export const compare: { readonly [P in (typeof COMPARE)[number]]: (a: number, b: number) => number } = {
  eq: (a, b) => (a === b ? 1 : 0),
  lt: (a, b) => (a < b ? 1 : 0),
  le: (a, b) => (a === b || a < b ? 1 : 0),
};
