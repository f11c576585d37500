/**
 * Numbers of about 32 digits as unevaluated sums of two float64, hi + lo with |lo| <= ulp(hi) / 2: vectors of them, and the few loops that
 * the wide solver is made of. Source: Dekker, A floating-point technique for extending the available precision, Numer. Math. 18 (1971);
 * Ogita, Rump & Oishi, Accurate sum and dot product, SIAM J. Sci. Comput. 26 (2005).
 */

/** One number, hi + lo. */
export type Wide = readonly [hi: number, lo: number];

/** Many of them. */
export interface WideArray {
  readonly hi: Float64Array;
  readonly lo: Float64Array;
}

export const wideZeros = (length: number): WideArray => ({
  hi: new Float64Array(length),
  lo: new Float64Array(length),
});
export const wideFrom = (values: ArrayLike<number>): WideArray => ({
  hi: Float64Array.from(values),
  lo: new Float64Array(values.length),
});
export const wideCopy = ({ hi, lo }: WideArray, from = 0, to = hi.length): WideArray => ({
  hi: hi.slice(from, to),
  lo: lo.slice(from, to),
});

/** 2^27 + 1: splits a float64 into two halves whose products are exact. */
const SPLIT = 134217729;

/** a b - fl(a b), exactly. */
function productError(a: number, b: number, product: number): number {
  const ca = SPLIT * a;
  const cb = SPLIT * b;
  const aHigh = ca - (ca - a);
  const bHigh = cb - (cb - b);
  const aLow = a - aHigh;
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

function normal(hi: number, lo: number): Wide {
  const sum = hi + lo;
  return [sum, lo - (sum - hi)];
}

export function plus(a: Wide, b: Wide): Wide {
  const sum = a[0] + b[0];
  const part = sum - a[0];
  return normal(sum, a[0] - (sum - part) + (b[0] - part) + (a[1] + b[1]));
}

export const minus = (a: Wide, b: Wide): Wide => plus(a, [-b[0], -b[1]]);

export function by(a: Wide, b: Wide): Wide {
  const product = a[0] * b[0];
  return normal(product, productError(a[0], b[0], product) + (a[0] * b[1] + a[1] * b[0]));
}

/** One step of Newton's on the float64 quotient. */
export function over(a: Wide, b: Wide): Wide {
  const first = a[0] / b[0];
  const left = minus(a, by(b, [first, 0]));
  return normal(first, left[0] / b[0]);
}

export function root(a: Wide): Wide {
  if (!(a[0] > 0)) return [0, 0];
  const first = Math.sqrt(a[0]);
  return normal(first, minus(a, by([first, 0], [first, 0]))[0] / (2 * first));
}

export const at = ({ hi, lo }: WideArray, i: number): Wide => [hi[i], lo[i]];
export function put({ hi, lo }: WideArray, i: number, [h, l]: Wide): void {
  hi[i] = h;
  lo[i] = l;
}

/** start + sum_i a[aAt + i] b[bAt + i], i < n. */
export function wideDot(a: WideArray, aAt: number, b: WideArray, bAt: number, n: number, start: Wide = [0, 0]): Wide {
  let [sum, rest] = start;
  for (let i = 0; i < n; i++) {
    const x = a.hi[aAt + i];
    const y = b.hi[bAt + i];
    const product = x * y;
    rest += productError(x, y, product) + (x * b.lo[bAt + i] + a.lo[aAt + i] * y);
    const next = sum + product;
    const part = next - sum;
    rest += sum - (next - part) + (product - part);
    sum = next;
  }
  return normal(sum, rest);
}

/** y[yAt + i] += scale x[xAt + i], i < n. */
export function wideAdd(y: WideArray, yAt: number, scale: Wide, x: WideArray, xAt: number, n: number): void {
  const [s, sLow] = scale;
  for (let i = 0; i < n; i++) {
    const value = x.hi[xAt + i];
    const product = s * value;
    const low = productError(s, value, product) + (s * x.lo[xAt + i] + sLow * value);
    const before = y.hi[yAt + i];
    const sum = before + product;
    const part = sum - before;
    const rest = before - (sum - part) + (product - part) + (y.lo[yAt + i] + low);
    const rounded = sum + rest;
    y.hi[yAt + i] = rounded;
    y.lo[yAt + i] = rest - (rounded - sum);
  }
}

/** The lower Cholesky factor of H + shift I, H n x n symmetric; undefined where a pivot is not above `smallest`. */
export function wideCholesky(H: WideArray, n: number, shift: number, smallest: number): WideArray | undefined {
  const L = wideZeros(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const dotted = wideDot(L, i * n, L, j * n, j);
      const left = minus(at(H, i * n + j), dotted);
      if (i > j) {
        put(L, i * n + j, over(left, at(L, j * n + j)));
        continue;
      }
      const pivot = plus(left, [shift, 0]);
      if (!(pivot[0] > smallest)) return undefined;
      put(L, i * n + i, root(pivot));
    }
  }
  return L;
}

/** y := L^-1 y. */
export function solveLower(L: WideArray, n: number, y: WideArray): void {
  for (let i = 0; i < n; i++) put(y, i, over(minus(at(y, i), wideDot(L, i * n, y, 0, i)), at(L, i * n + i)));
}

/** y := L^-T y. */
export function solveUpper(L: WideArray, n: number, y: WideArray): void {
  for (let i = n - 1; i >= 0; i--) {
    const value = over(at(y, i), at(L, i * n + i));
    put(y, i, value);
    wideAdd(y, 0, [-value[0], -value[1]], L, i * n, i);
  }
}
