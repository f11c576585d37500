// Steps for float32 that stay in [-1, 1], each with what it does to the distance between two versions of its operands: at most
// its Lipschitz constant times that distance, and its own rounding on either side.

import type { Tensor } from '../../src/index.ts';
import { axesOf, choose, fits, type Maker, overlapped, structural } from './step.ts';

/** The longest inner axis of a product: results with more elements are dropped. */
export const MOST = 96;

const U = 2 ** -24;
/** A function is within one ulp (2u at 1) of its true value on either device. */
const ROUNDING = 2 * 2 * U;

const lipschitz =
  (constant: number, run: (t: Tensor) => Tensor, rounding = ROUNDING): Maker =>
  (x) => ({
    operands: [x],
    run,
    apart: constant * x.apart + rounding,
  });
const together =
  (run: (a: Tensor, b: Tensor) => Tensor, apart: (x: number, y: number) => number): Maker =>
  (x, pick, others) => {
    const y = choose(others.filter(fits(x)), pick);
    return { operands: [x, y], run, apart: apart(x.apart, y.apart) };
  };
const meaning =
  (run: (t: Tensor, axes: readonly number[]) => Tensor, rounding: number): Maker =>
  (x, pick) => {
    const axes = axesOf(x, pick);
    return { operands: [x], run: (t) => (t.size === 0 ? t : run(t, axes)), apart: x.apart + rounding };
  };

export const rounded: Record<string, Maker> = {
  ...structural,
  neg: lipschitz(1, (t) => t.neg(), 0),
  abs: lipschitz(1, (t) => t.abs(), 0),
  relu: lipschitz(1, (t) => t.relu(), 0),
  clamp: lipschitz(1, (t) => t.clamp(-0.5, 0.25), 0),
  sin: lipschitz(1, (t) => t.sin()),
  tanh: lipschitz(1, (t) => t.tanh()),
  atan: lipschitz(1, (t) => t.atan()),
  cos: lipschitz(1, (t) => t.cos()),
  erf: lipschitz(2 / Math.sqrt(Math.PI), (t) => t.erf()),
  sigmoid: lipschitz(1 / 4, (t) => t.sigmoid()),
  asinh: lipschitz(1, (t) => t.asinh()),
  // Compositions, of up to eight roundings each.
  silu: lipschitz(1.1, (t) => t.silu(), 8 * ROUNDING),
  gelu: lipschitz(1.13, (t) => t.gelu(), 8 * ROUNDING),
  softsign: lipschitz(1, (t) => t.softsign(), 8 * ROUNDING),
  square: lipschitz(2, (t) => t.square()),
  mul: together(
    (a, b) => a.mul(b),
    (x, y) => x + y + ROUNDING,
  ),
  mean2: together(
    (a, b) => a.add(b).mul(0.5),
    (x, y) => (x + y) / 2 + ROUNDING,
  ),
  difference: together(
    (a, b) => a.sub(b).mul(0.5),
    (x, y) => (x + y) / 2 + ROUNDING,
  ),
  maximum: together((a, b) => a.maximum(b), Math.max),
  minimum: together((a, b) => a.minimum(b), Math.max),
  mean: meaning((t, axes) => t.mean(axes), 2 * ROUNDING),
  max: meaning((t, axes) => t.max(axes), 0),
  min: meaning((t, axes) => t.min(axes, { keepDims: true }), 0),
  overlapped: lipschitz(1, (t) => overlapped(t).mul(0.5)),
  avgPool: lipschitz(
    1,
    (t) => (t.rank === 0 || t.shape.at(-1)! < 2 ? t : t.avgPool1d(2, { stride: 1, padding: 1 })),
    2 * ROUNDING,
  ),
  // The rows of the derivative of softmax add up to at most 1/2 in magnitude; the error of its parts is 14 u for a range of 2.
  softmax: meaning((t, axes) => (axes[0] === undefined ? t : t.softmax(axes[0])), 2 * 14 * U),
  runningMean: meaning(
    (t, axes) => (axes[0] === undefined ? t : t.cumsum(axes[0]).div(t.shape[axes[0]]!)),
    2 * ROUNDING,
  ),
  // Each product of rows is within (k + 1) u k of the true one, then divided by k.
  matmul: together(
    (a, b) =>
      a.rank === 0 || b.rank < 2 || a.shape.at(-1) !== b.shape.at(-1) || a.size === 0
        ? a
        : a.matmul(b.transpose()).div(a.shape.at(-1)!),
    (x, y) => x + y + 2 * (MOST + 2) * U + ROUNDING,
  ),
};
