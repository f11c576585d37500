/**
 * Lengths, angles and the span of gradient vectors, safe at any scale. Every vector is divided by a power of two near its largest entry
 * before anything is squared, so 1e-200 does not underflow, 1e200 does not overflow, and no digit is lost.
 */

import { NonFiniteGradientError, ShapeMismatchError } from './errors.ts';
import { addScaled, dot, EPS, maxAbs, norm, powerOfTwo } from './qp/vector.ts';
import { want } from './want.ts';

/** A vector as scale * values, the largest |value| in [1, 2); the zero vector has scale 1. */
export interface ScaledVector {
  readonly scale: number;
  readonly values: Float64Array;
  /** |values|, not |vector|. */
  readonly length: number;
}

/** @throws InvalidOptionError unless it is an array: a tensor has no length, and would pass for an empty one. */
export function wantArray(operation: string, argument: string, value: ArrayLike<unknown>): void {
  const isArray = typeof value === 'object' && Number.isInteger(value?.length);
  want(isArray, operation, argument, value, 'a plain or typed array; of a tensor: .toArray()');
}

/** @throws InvalidOptionError for what is no array; NonFiniteGradientError naming the vector and the entry */
export function scaleVector(
  operation: string,
  argument: string,
  row: number | undefined,
  vector: ArrayLike<number>,
): ScaledVector {
  wantArray(operation, argument, vector);
  const p = vector.length;
  for (let i = 0; i < p; i++) {
    if (!Number.isFinite(vector[i])) throw new NonFiniteGradientError(operation, argument, row, i, vector[i]);
  }
  const largest = maxAbs(vector);
  const scale = largest === 0 ? 1 : powerOfTwo(largest);
  const values = new Float64Array(p);
  for (let i = 0; i < p; i++) values[i] = vector[i] / scale;
  return { scale, values, length: norm(values) };
}

/** @throws InvalidOptionError for what is no array; ShapeMismatchError, NonFiniteGradientError naming the row */
export function scaleRows(operation: string, G: ArrayLike<ArrayLike<number>>, p: number): ScaledVector[] {
  wantArray(operation, 'G', G);
  return Array.from(G, (row, k) => {
    wantArray(operation, `G[${k}]`, row);
    if (row.length !== p) {
      throw new ShapeMismatchError(operation, `G[${k}]`, row.length, p, `g has length ${p}`);
    }
    return scaleVector(operation, `G[${k}]`, k, row);
  });
}

/** <a, b> of the vectors themselves, exact but for the rounding of the sum; clamped to finite numbers. */
export function innerProduct(a: ScaledVector, b: ScaledVector): number {
  return clampFinite(dot(a.values, 0, b.values, 0, a.values.length) * a.scale * b.scale);
}

/** |vector|. */
export function lengthOf(a: ScaledVector): number {
  return clampFinite(a.length * a.scale);
}

/** cos of the angle between a and b; 0 where one of them is zero. */
export function cosine(a: ScaledVector, b: ScaledVector): number {
  if (a.length === 0 || b.length === 0) return 0;
  return dot(a.values, 0, b.values, 0, a.values.length) / (a.length * b.length);
}

/** base + sum_k weights[k] rows[k], on the scale of its largest term: a row may be 1e400 times as long as the base. */
export function combine(base: ScaledVector, rows: readonly ScaledVector[], weights: ArrayLike<number>): ScaledVector {
  const terms = rows.map((row, k) => (row.length === 0 ? 0 : clampFinite(weights[k] * row.scale)));
  const scale = Math.max(base.scale, powerOfTwo(maxAbs(terms)));
  const values = base.values.map((value) => value * (base.scale / scale));
  rows.forEach((row, k) => {
    if (terms[k] !== 0) addScaled(values, 0, terms[k] / scale, row.values, 0, values.length);
  });
  return { scale, values, length: norm(values) };
}

/** The vector itself. */
export function unscale(a: ScaledVector): number[] {
  const vector = new Array<number>(a.values.length);
  for (let i = 0; i < vector.length; i++) vector[i] = clampFinite(a.values[i] * a.scale);
  return vector;
}

/** Into the range of finite numbers, which JSON can hold. */
export function clampFinite(value: number): number {
  return Math.min(Math.max(value, -Number.MAX_VALUE), Number.MAX_VALUE);
}

/** Two passes are enough for rows that are not dependent; those that are fall to rounding by then. */
const MAX_PASSES = 4;

/** An orthonormal basis of the rows' span, and each row, scaled to length one, in that basis. */
export interface Span {
  readonly basis: Float64Array[];
  /** coordinates[k] has one entry per basis vector; all zero for a zero row. */
  readonly coordinates: Float64Array[];
  /** The least part that a row of the basis had outside of the span of those before it; 1 without any. */
  readonly narrowest: number;
}

/**
 * Gram-Schmidt, each row against the basis so far, at least twice, until a pass no longer halves what is left: one that does leaves errors
 * along the basis that are not small beside the rest ("twice is enough": Giraud, Langou, Rozloznik & van den Eshof, Numer. Math. 101, 2005). Each unit row is then its coordinates' combination of the basis to rounding, however
 * nearly parallel the rows are: the span is found from the rows, not from their Gram matrix, which would square their condition number.
 */
export function orthonormalSpan(rows: readonly ScaledVector[]): Span {
  const basis: Float64Array[] = [];
  const coordinates = rows.map(() => new Float64Array(rows.length));
  let narrowest = 1;
  rows.forEach((row, k) => {
    if (row.length === 0) return;
    const rest = row.values.map((value) => value / row.length);
    let left = orthogonalise(rest, basis, coordinates[k]);
    for (let pass = 1; pass < MAX_PASSES; pass++) {
      const before = left;
      left = orthogonalise(rest, basis, coordinates[k]);
      if (left > 0.5 * before) break;
    }
    if (left <= 4 * EPS * Math.sqrt(basis.length + 1)) return;
    narrowest = Math.min(narrowest, left);
    coordinates[k][basis.length] = left;
    basis.push(rest.map((value) => value / left));
  });
  return { basis, coordinates: coordinates.map((row) => row.slice(0, basis.length)), narrowest };
}

/** Takes the basis out of `rest`, adds what it took to `taken`; returns the length that is left. */
function orthogonalise(rest: Float64Array, basis: readonly Float64Array[], taken: Float64Array): number {
  basis.forEach((direction, j) => {
    const share = dot(direction, 0, rest, 0, rest.length);
    addScaled(rest, 0, -share, direction, 0, rest.length);
    taken[j] += share;
  });
  return norm(rest);
}

/** The coordinates of `values` in an orthonormal basis. */
export function coordinatesOf(values: Float64Array, basis: readonly Float64Array[]): Float64Array {
  return Float64Array.from(basis, (direction) => dot(direction, 0, values, 0, values.length));
}
