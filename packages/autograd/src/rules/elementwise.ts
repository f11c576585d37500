// Derivatives of the elementwise primitives. Where a derivative does not exist it is chosen: relu'(0) = 0, abs'(0) = 0,
// sqrt'(0) = inf, x^0 has derivative 0, steps (sign, floor, ...) have derivative 0, and where maximum or minimum tie
// each side gets half. The choices are PyTorch's.

import { where } from '@gemlab/tensor';
import type { Variable } from '../variable.ts';
import { constant, type Rules } from './rule.ts';

/** The derivative of a step function. */
const flat = (g: Variable): Variable => constant(g, 0, g.shape);

/**
 * d(a^b)/da = b a^(b-1), and 0 where b is 0: there b is replaced, so that no 0 * inf arises in this or in its derivatives.
 * If b is a variable, that is done only where a is 0 too: elsewhere the derivative of this by b, at b = 0 it is 1/a, is wanted.
 */
function powBase(a: Variable, b: Variable): Variable {
  const level = b.requiresGrad ? b.eq(0).logicalAnd(a.eq(0)) : b.eq(0);
  return where(level, 0, b.mul(a.pow(where(level, 1, b).sub(1))));
}

/** d(a^b)/db = a^b log(a), and 0 where a is 0 and b is not negative (the limit for b > 0). */
function powExponent(a: Variable, b: Variable): Variable {
  const zero = a.eq(0).logicalAnd(b.ge(0));
  const safe = where(zero, 1, a);
  return where(zero, 0, safe.pow(b).mul(safe.log()));
}

/** What one side of maximum or minimum gets of g: nothing, half in a tie, all. */
function portion(g: Variable, lost: Variable, tied: Variable): Variable {
  return where(lost, 0, where(tied, g.mul(0.5), g));
}

/** The derivative of erf. */
function bell(x: Variable): Variable {
  const density = x.square().neg().exp();
  return density.mul(2 / Math.sqrt(Math.PI));
}

/** hypot(a, b) as a divisor: 1 at the origin. */
function radius(a: Variable, b: Variable): Variable {
  const origin = a.eq(0).logicalAnd(b.eq(0));
  return where(origin, 1, a.hypot(b));
}

/** a / hypot(a, b). At the origin it and its derivatives are chosen to be 0. */
function cosine(a: Variable, b: Variable): Variable {
  const origin = a.eq(0).logicalAnd(b.eq(0));
  return where(origin, 0, a.div(radius(a, b)));
}

export const elementwise = {
  neg: [(g) => g.neg()],
  abs: [(g, { inputs: [x] }) => g.mul(x!.detach().sign())],
  sign: [flat],
  floor: [flat],
  ceil: [flat],
  round: [flat],
  trunc: [flat],
  relu: [(g, { inputs: [x] }) => g.apply('reluBackward', {}, [x!.detach(), g])],

  exp: [(g, { out }) => g.mul(out)],
  // Not out + 1, which is 0 where exp(x) is less than half an ulp of 1.
  expm1: [(g, { inputs: [x] }) => g.mul(x!.exp())],
  log: [(g, { inputs: [x] }) => g.div(x!)],
  log1p: [(g, { inputs: [x] }) => g.div(x!.add(1))],
  log2: [(g, { inputs: [x] }) => g.div(x!.mul(Math.LN2))],
  log10: [(g, { inputs: [x] }) => g.div(x!.mul(Math.LN10))],
  sqrt: [(g, { out }) => g.div(out.mul(2))],
  sin: [(g, { inputs: [x] }) => g.mul(x!.cos())],
  cos: [(g, { inputs: [x] }) => g.mul(x!.sin()).neg()],
  tan: [(g, { out }) => g.mul(out.square().add(1))],
  asin: [(g, { inputs: [x] }) => g.mul(x!.square().neg().add(1).rsqrt())],
  acos: [(g, { inputs: [x] }) => g.mul(x!.square().neg().add(1).rsqrt()).neg()],
  atan: [(g, { inputs: [x] }) => g.div(x!.square().add(1))],
  sinh: [(g, { inputs: [x] }) => g.mul(x!.cosh())],
  cosh: [(g, { inputs: [x] }) => g.mul(x!.sinh())],
  tanh: [(g, { out }) => g.mul(out.square().neg().add(1))],
  asinh: [(g, { inputs: [x] }) => g.div(x!.hypot(1))],
  // (x - 1)(x + 1) and (1 - x)(1 + x): near 1, x^2 - 1 would cancel.
  acosh: [(g, { inputs: [x] }) => g.div(x!.sub(1).sqrt().mul(x!.add(1).sqrt()))],
  atanh: [(g, { inputs: [x] }) => g.div(x!.neg().add(1).mul(x!.add(1)))],
  sigmoid: [(g, { out }) => g.mul(out.mul(out.neg().add(1)))],
  erf: [(g, { inputs: [x] }) => g.mul(bell(x!))],
  erfc: [(g, { inputs: [x] }) => g.mul(bell(x!)).neg()],

  add: [(g) => g, (g) => g],
  reluBackward: [flat, (h, { inputs: [x] }) => h.apply('reluBackward', {}, [x!.detach(), h])],
  addScaled: [(g) => g, (g, { params: { scale } }) => g.mul(scale)],
  sub: [(g) => g, (g) => g.neg()],
  mul: [(g, { inputs: [, b] }) => g.mul(b!), (g, { inputs: [a] }) => g.mul(a!)],
  div: [(g, { inputs: [, b] }) => g.div(b!), (g, { inputs: [, b], out }) => g.mul(out).div(b!).neg()],
  pow: [(g, { inputs: [a, b] }) => g.mul(powBase(a!, b!)), (g, { inputs: [a, b] }) => g.mul(powExponent(a!, b!))],
  // a mod b = a - q b with q = floor(a/b). q is found from the result: a/b itself may round up to the next integer.
  mod: [(g) => g, (g, { inputs: [a, b], out }) => g.mul(a!.detach().sub(out.detach()).div(b!.detach()).round()).neg()],
  maximum: [
    (g, { inputs: [a, b] }) => portion(g, a!.lt(b!), a!.eq(b!)),
    (g, { inputs: [a, b] }) => portion(g, b!.lt(a!), a!.eq(b!)),
  ],
  minimum: [
    (g, { inputs: [a, b] }) => portion(g, a!.gt(b!), a!.eq(b!)),
    (g, { inputs: [a, b] }) => portion(g, b!.gt(a!), a!.eq(b!)),
  ],

  // With r = hypot(a, b): b / r^2 and -a / r^2; a / r and b / r.
  atan2: [
    (g, { inputs: [a, b] }) => g.mul(cosine(b!, a!).div(radius(a!, b!))),
    (g, { inputs: [a, b] }) => g.mul(cosine(a!, b!).div(radius(a!, b!))).neg(),
  ],
  hypot: [(g, { inputs: [a, b] }) => g.mul(cosine(a!, b!)), (g, { inputs: [a, b] }) => g.mul(cosine(b!, a!))],

  eq: 'nondifferentiable',
  lt: 'nondifferentiable',
  le: 'nondifferentiable',
  where: [null, (g, { inputs: [c] }) => where(c!, g, 0), (g, { inputs: [c] }) => where(c!, 0, g)],
} satisfies Rules;
