/**
 * The projection onto a cone whose rows are a hair from dependent, in numbers of 32 digits. With rows 1e-8 from opposed the multipliers in
 * z = g + G'v are 1e8 times as long as z, and float64 leaves 1e-8 of it; with rows 1e-12 apart, nothing. Here the dual problem
 * min 1/2 v'GG'v + (Gg)'v, v >= 0 is formed and solved wide (qp/wide-active-set.ts), and so is the sum that makes z.
 */

import type { StandardForm } from './qp/standard-form.ts';
import { EPS, norm, powerOfTwo } from './qp/vector.ts';
import { at, put, type Wide, type WideArray, wideAdd, wideDot, wideFrom, wideZeros } from './qp/wide.ts';
import { solveWide, type WideAnswer } from './qp/wide-active-set.ts';
import { WIDE_ROUNDS } from './qp/wide-data.ts';
import { cosine, type ScaledVector } from './row-geometry.ts';

/** How much it may cost: so many rows, and so many products in GG' (about a second). */
const MOST_ROWS = 50;
const MOST_PRODUCTS = 5e7;
/** A pivot of the Gram matrix of 32 digits that is no rounding: rows 7e-15 apart. */
const SMALLEST_PIVOT = 2 ** -94;
/** Where rows are dependent to float64's rounding: far above what they leave of each other, far below what the others do. */
const PROXIMAL = 1e-20;
/** Where that is too much beside the rows that are nearly dependent: just above the rounding of 32 digits. */
const TINY = 2 ** -96;
/** How nearly a projection must have the properties of one, relative to |g|. */
const INSIDE = 16 * EPS;

export interface WideProjection {
  readonly z: ScaledVector;
  /** For rows and g of length one. */
  readonly multipliers: number[];
}

/** `isDependent`: rounding hides that some rows depend on others, or they do. Undefined where it is too large or does not succeed. */
export function projectWide(
  g: ScaledVector,
  rows: readonly ScaledVector[],
  guess: readonly number[],
  isDependent: boolean,
): WideProjection | undefined {
  const t = rows.length;
  const p = g.values.length;
  if (t > MOST_ROWS || t * t * p > MOST_PRODUCTS) return undefined;
  // Rows and g within a factor of two of length one, by powers of two: exact.
  const units = rows.map((row) => wideFrom(row.values.map((value) => value / sizeOf(row))));
  const target = wideFrom(g.values.map((value) => value / sizeOf(g)));
  const P = wideZeros(t * t);
  const q = wideZeros(t);
  for (let k = 0; k < t; k++) {
    put(q, k, wideDot(units[k], 0, target, 0, p));
    for (let l = 0; l <= k; l++) {
      const product = rows[k].length === 0 && k === l ? ([1, 0] as const) : wideDot(units[k], 0, units[l], 0, p);
      put(P, k * t + l, product);
      put(P, l * t + k, product);
    }
  }
  const atZero = rows.flatMap((_, k) => (guess.includes(k) ? [] : [k]));
  for (const weight of isDependent ? [PROXIMAL, TINY] : [0, TINY]) {
    const data = { P, q, weights: [weight], smallestPivot: SMALLEST_PIVOT, rounds: WIDE_ROUNDS };
    const outcome = solveWide(nonnegative(t), atZero, 1e-9, 10 * t + 100, data);
    if (outcome === undefined || 'contradiction' in outcome) continue;
    const projection = assemble(g, rows, target, units, outcome);
    const { z } = projection;
    const isInside = rows.every((row) => cosine(z, row) * z.length >= -INSIDE * g.length);
    // z - g is orthogonal to z (Moreau), or the weight still pulls.
    let along = 0;
    for (let i = 0; i < p; i++) along += z.values[i] * (z.values[i] - g.values[i]);
    if (isInside && Math.abs(along) <= INSIDE * g.length * g.length) return projection;
  }
  return undefined;
}

function assemble(
  g: ScaledVector,
  rows: readonly ScaledVector[],
  target: WideArray,
  units: readonly WideArray[],
  outcome: WideAnswer,
): WideProjection {
  const p = g.values.length;
  const z = { hi: target.hi.slice(), lo: target.lo.slice() };
  const bound = new Set(outcome.active);
  const v = units.map((_, k): Wide => (bound.has(k) || rows[k].length === 0 ? [0, 0] : at(outcome.x, k)));
  units.forEach((unit, k) => {
    if (v[k][0] !== 0) wideAdd(z, 0, v[k], unit, 0, p);
  });
  const values = z.hi.map((value) => value * sizeOf(g));
  const perLength = (k: number): number => rows[k].length / sizeOf(rows[k]) / (g.length / sizeOf(g));
  return {
    z: { scale: g.scale, values, length: norm(values) },
    multipliers: v.map(([hi], k) => (hi > 0 ? hi * perLength(k) : 0)),
  };
}

const sizeOf = ({ length }: ScaledVector): number => (length === 0 ? 1 : powerOfTwo(length));

/** The constraints v >= 0 alone: the problem's P and q are wide. */
function nonnegative(t: number): StandardForm {
  const ones = new Float64Array(t).fill(1);
  return {
    n: t,
    P: new Float64Array(t * t),
    q: new Float64Array(t),
    count: t,
    rowCount: 0,
    rows: new Float64Array(0),
    variable: Int32Array.from({ length: t }, (_, k) => k),
    sign: ones,
    rightHandSide: new Float64Array(t),
    isEquality: new Uint8Array(t),
    refs: Array.from({ length: t }, (_, index) => ({ kind: 'lower', index })),
    variableScale: ones,
    multiplierScale: ones,
    costScale: 1,
    xScale: 0,
  };
}
