// Kernels that map elements one by one, and read operands through any strides.

import type { DType } from '../../dtype.ts';
import type { Binary, Compare, Unary } from '../../primitives.ts';
import { type Program, walkCode, walkInts, walkStart } from './program.ts';

/** How a dtype computes here: int32 and bool are floats that hold integers below 2^24, with NaN for what does not fit. */
export type Kind = 'float' | 'int';
export const kindOf = (dtype: DType): Kind => (dtype === 'float32' ? 'float' : 'int');

/** GLSL of each unary, of a variable x. Where integers may arrive, NaN stays NaN. */
export const UNARY_GLSL: { readonly [P in Unary]: string } = {
  neg: '0.0 - x',
  abs: 'abs(x)',
  sign: 'signOf(x)',
  floor: 'floor(x)',
  ceil: 'ceil(x)',
  round: 'roundEven(x)',
  trunc: 'trunc(x)',
  relu: 'isNaN(x) ? x : x > 0.0 ? x : 0.0',
  exp: 'expOf(x)',
  expm1: 'expm1Of(x)',
  log: 'logOf(x)',
  log1p: 'log1pOf(x)',
  log2: 'log2Of(x)',
  log10: 'log10Of(x)',
  sqrt: 'isNaN(x) || x < 0.0 ? nan() : isInf(x) ? x : sqrt(x)',
  sin: 'turn(x, 0)',
  cos: 'turn(x, 1)',
  tan: 'tanOf(x)',
  asin: 'asinOf(x)',
  acos: 'acosOf(x)',
  atan: 'atanOf(x)',
  sinh: 'sinhOf(x)',
  cosh: 'coshOf(x)',
  tanh: 'tanhOf(x)',
  asinh: 'asinhOf(x)',
  acosh: 'acoshOf(x)',
  atanh: 'atanhOf(x)',
  sigmoid: 'sigmoidOf(x)',
  erf: 'erfOf(x)',
  erfc: 'erfcOf(x)',
};

const FLOAT_GLSL: { readonly [P in Binary]: string } = {
  add: 'a + b',
  sub: 'a - b',
  mul: 'a * b',
  div: 'a / b',
  pow: 'powOf(a, b)',
  mod: 'modOf(a, b)',
  maximum: 'maxOf(a, b)',
  minimum: 'minOf(a, b)',
  atan2: 'atan2Of(a, b)',
  hypot: 'hypotOf(a, b)',
};

const INT_GLSL: { readonly [P in Binary]: string } = {
  ...FLOAT_GLSL,
  add: 'fit(a + b)',
  sub: 'fit(a - b)',
  mul: 'fit(a * b)',
  div: 'intDiv(a, b)',
  pow: 'intPow(a, b)',
  mod: 'intMod(a, b)',
  // No public op takes these of integers: one that is asked all the same cuts off the fraction.
  atan2: 'trunc(atan2Of(a, b))',
  hypot: 'fit(trunc(hypotOf(a, b)))',
};

export const binaryGlsl = (op: Binary, kind: Kind): string => (kind === 'int' ? INT_GLSL : FLOAT_GLSL)[op];

const COMPARE_GLSL: { readonly [P in Compare]: string } = { eq: 'a == b', lt: 'a < b', le: 'a <= b' };

/** NaN is not equal to, nor less than, anything; but the truth about an integer that did not fit is not known. */
export const compareGlsl = (op: Compare, kind: Kind): string =>
  `isNaN(a) || isNaN(b) ? ${kind === 'int' ? 'nan()' : '0.0'} : ${COMPARE_GLSL[op]} ? 1.0 : 0.0`;

export const RELU_BACKWARD_GLSL = 'isNaN(x) ? g : x <= 0.0 ? 0.0 : g';

export const WHERE_GLSL = 'isNaN(c) ? c : c != 0.0 ? a : b';

/** The conversions of dtype.ts; what int32 cannot hold here becomes NaN. */
export function castGlsl(from: DType, to: DType): string {
  if (to === 'float32') return from === 'float32' ? 'x' : 'x == 0.0 ? 0.0 : x';
  const nan = from === 'float32' ? (to === 'bool' ? '1.0' : '0.0') : 'x';
  return `isNaN(x) ? ${nan} : ${to === 'bool' ? '(x == 0.0 ? 0.0 : 1.0)' : 'fit(trunc(x))'}`;
}

/** The map of operands named by single letters, walked along `rank` merged axes. */
export function mapProgram(name: string, operands: readonly string[], value: string, rank: number): Program {
  return {
    name: `${name}/${rank}`,
    textures: operands.map((x) => `${x}T`),
    ints: walkInts(rank, operands),
    body: `${walkStart(operands)}
int left = r;
${walkCode(rank, operands, 'left')}
${operands.map((x) => `float ${x} = ${x}TAt(${x}P);`).join(' ')}
return ${value};`,
  };
}

/** a + scale b. */
export function addScaledProgram(rank: number): Program {
  return { ...mapProgram('addScaled', ['a', 'b'], 'a + $scale * b', rank), floats: ['scale'] };
}
