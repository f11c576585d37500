/**
 * The few dense float64 loops that the solver and the projection are made of. Offsets let a row of a flat row-major matrix stand in for a
 * vector, so nothing is copied.
 */

/** Unit roundoff times two: the gap between 1 and the next float64. */
export const EPS = Number.EPSILON;

/** sum_i a[aAt + i] b[bAt + i], i < n, in four interleaved sums: faster, and a quarter of the rounding of one. */
export function dot(a: Float64Array, aAt: number, b: Float64Array, bAt: number, n: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < n; i += 4) {
    s0 += a[aAt + i] * b[bAt + i];
    s1 += a[aAt + i + 1] * b[bAt + i + 1];
    s2 += a[aAt + i + 2] * b[bAt + i + 2];
    s3 += a[aAt + i + 3] * b[bAt + i + 3];
  }
  for (; i < n; i++) s0 += a[aAt + i] * b[bAt + i];
  return s0 + s1 + (s2 + s3);
}

/** y[yAt + i] += scale * x[xAt + i], i < n. */
export function addScaled(y: Float64Array, yAt: number, scale: number, x: Float64Array, xAt: number, n: number): void {
  for (let i = 0; i < n; i++) y[yAt + i] += scale * x[xAt + i];
}

/** The Euclidean length of x[from..to). */
export function norm(x: Float64Array, from = 0, to = x.length): number {
  return Math.sqrt(dot(x, from, x, from, to - from));
}

/** max |x[i]|, i < n. */
export function maxAbs(x: ArrayLike<number>, n = x.length): number {
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(x[i]));
  return largest;
}

/** sum |x[i]|. */
export function sumAbs(x: Float64Array): number {
  let sum = 0;
  for (const value of x) sum += Math.abs(value);
  return sum;
}

/**
 * The power of two nearest below x > 0, kept inside the range where its reciprocal is a normal number too. Scaling by it is exact: no
 * digit of the caller's data is lost.
 */
export function powerOfTwo(x: number): number {
  return 2 ** Math.min(1000, Math.max(-1000, Math.floor(Math.log2(x))));
}
