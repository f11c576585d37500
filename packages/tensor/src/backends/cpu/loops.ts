// Inner loops of the elementwise and folding primitives over strided typed arrays. The common ones are written out, each with
// an expression of its own, because one loop that calls a passed-in function for every element is several times
// slower once V8 has seen many such functions; the rare ones go through that general loop.

import type { DType, TypedArray } from '../../dtype.ts';
import type { Binary, Compare, Scan, Unary } from '../../primitives.ts';
import * as scalar from '../../scalar.ts';
import { exp } from './exp.ts';

/** out[o + i*so] = f(a[x + i*sx]) for i < n. */
export type Loop1 = (n: number, out: TypedArray, o: number, so: number, a: TypedArray, x: number, sx: number) => void;
/** out[o + i*so] = f(a[x + i*sx], b[y + i*sy]) for i < n. */
export type Loop2 = (
  n: number,
  out: TypedArray,
  o: number,
  so: number,
  a: TypedArray,
  x: number,
  sx: number,
  b: TypedArray,
  y: number,
  sy: number,
) => void;
/** The fold of n elements a[x + i*sx]. */
export type Fold = (n: number, a: TypedArray, x: number, sx: number) => number;

// Windows make many short runs, and in those the loop itself is most of the work: it goes by eights.

export const copy: Loop1 = (n, out, o, so, a, x, sx) => {
  let i = 0;
  if (so === 1 && sx === 1) {
    if (n > 64) {
      out.set(a.subarray(x, x + n), o);
      return;
    }
    for (; i < n - 7; i += 8, o += 8, x += 8) {
      out[o] = a[x]!;
      out[o + 1] = a[x + 1]!;
      out[o + 2] = a[x + 2]!;
      out[o + 3] = a[x + 3]!;
      out[o + 4] = a[x + 4]!;
      out[o + 5] = a[x + 5]!;
      out[o + 6] = a[x + 6]!;
      out[o + 7] = a[x + 7]!;
    }
  } else if (so === 1 && sx === 0) {
    out.fill(a[x]!, o, o + n);
    return;
  }
  for (; i < n; i++, o += so, x += sx) out[o] = a[x]!;
};

/** out[o + i*so] += a[x + i*sx] for i < n. */
export const addLoop: Loop1 = (n, out, o, so, a, x, sx) => {
  let i = 0;
  if (so === 1 && sx === 1) {
    for (; i < n - 7; i += 8, o += 8, x += 8) {
      out[o]! += a[x]!;
      out[o + 1]! += a[x + 1]!;
      out[o + 2]! += a[x + 2]!;
      out[o + 3]! += a[x + 3]!;
      out[o + 4]! += a[x + 4]!;
      out[o + 5]! += a[x + 5]!;
      out[o + 6]! += a[x + 6]!;
      out[o + 7]! += a[x + 7]!;
    }
  }
  for (; i < n; i++, o += so, x += sx) out[o]! += a[x]!;
};

/** out[o + i*so] = the larger of it and a[x + i*sx], for i < n; NaN wins, and -0 is smaller than 0. */
export const keepMaxLoop: Loop1 = (n, out, o, so, a, x, sx) => {
  for (let i = 0; i < n; i++, o += so, x += sx) out[o] = Math.max(out[o]!, a[x]!);
};

/** out[o + i*so] = the smaller of it and a[x + i*sx], for i < n; NaN wins, and -0 is smaller than 0. */
export const keepMinLoop: Loop1 = (n, out, o, so, a, x, sx) => {
  for (let i = 0; i < n; i++, o += so, x += sx) out[o] = Math.min(out[o]!, a[x]!);
};

const mapped =
  (f: (v: number) => number): Loop1 =>
  (n, out, o, so, a, x, sx) => {
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = f(a[x]!);
  };

const zipped =
  (f: (v: number, w: number) => number): Loop2 =>
  (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = f(a[x]!, b[y]!);
  };

const unaryLoops: { readonly [P in Unary]?: Loop1 } = {
  neg: (n, out, o, so, a, x, sx) => {
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = -a[x]!;
  },
  relu: (n, out, o, so, a, x, sx) => {
    for (let i = 0; i < n; i++, o += so, x += sx) {
      const v = a[x]!;
      out[o] = v > 0 || Number.isNaN(v) ? v : 0;
    }
  },
  exp: (n, out, o, so, a, x, sx) => {
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = Math.exp(a[x]!);
  },
  log: (n, out, o, so, a, x, sx) => {
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = Math.log(a[x]!);
  },
  sqrt: (n, out, o, so, a, x, sx) => {
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = Math.sqrt(a[x]!);
  },
};

const floatLoops: { readonly [P in Binary]?: Loop2 } = {
  add: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! + b[y]!;
  },
  sub: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! - b[y]!;
  },
  mul: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! * b[y]!;
  },
  div: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! / b[y]!;
  },
};

/** out[o + i*so] = a[x + i*sx] + scale b[y + i*sy] for i < n: the product is rounded to the dtype, then the sum. */
export function addScaledLoop(scale: number, dtype: DType): Loop2 {
  if (dtype === 'float64') return zipped((v, w) => v + scale * w);
  const factor = Math.fround(scale);
  return (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! + Math.fround(factor * b[y]!);
  };
}

/** out[o + i*so] = x[..] <= 0 ? 0 : g[..] for i < n. */
export const reluBackwardLoop: Loop2 = zipped((x, g) => (x <= 0 ? 0 : g));

const compareLoops: { readonly [P in Compare]: Loop2 } = {
  eq: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! === b[y]! ? 1 : 0;
  },
  lt: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! < b[y]! ? 1 : 0;
  },
  le: (n, out, o, so, a, x, sx, b, y, sy) => {
    for (let i = 0; i < n; i++, o += so, x += sx, y += sy) out[o] = a[x]! <= b[y]! ? 1 : 0;
  },
};

/** Results in float64 keep Math.exp, by which exp(1) is Math.E; rounded to float32 the two are the same. */
const exp32: Loop1 = (n, out, o, so, a, x, sx) => {
  for (let i = 0; i < n; i++, o += so, x += sx) out[o] = exp(a[x]!);
};

export function unaryLoop(op: Unary, dtype: DType): Loop1 {
  if (op === 'exp' && dtype === 'float32') return exp32;
  return unaryLoops[op] ?? mapped(scalar.unary[op]);
}

export function binaryLoop(op: Binary, dtype: DType): Loop2 {
  return (dtype === 'int32' ? undefined : floatLoops[op]) ?? zipped(scalar.binary(op, dtype));
}

export function compareLoop(op: Compare): Loop2 {
  return compareLoops[op];
}

/** A sum that wraps at every step: float64 holds sums of int32 only up to 2^53. */
export const int32Sum: Fold = (n, a, x, sx) => {
  let total = 0;
  for (let i = 0; i < n; i++, x += sx) total = (total + a[x]!) | 0;
  return total;
};

const floatScans: { readonly [P in Scan]: Loop1 } = {
  cumsum: (n, out, o, so, a, x, sx) => {
    let total = 0;
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = total += a[x]!;
  },
  cumprod: (n, out, o, so, a, x, sx) => {
    let total = 1;
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = total *= a[x]!;
  },
};

const int32Scans: { readonly [P in Scan]: Loop1 } = {
  cumsum: (n, out, o, so, a, x, sx) => {
    let total = 0;
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = total = (total + a[x]!) | 0;
  },
  cumprod: (n, out, o, so, a, x, sx) => {
    let total = 1;
    for (let i = 0; i < n; i++, o += so, x += sx) out[o] = total = Math.imul(total, a[x]!);
  },
};

/** out[o + i*so] = the sum or product of a[x + j*sx] over j <= i, for i < n. */
export function scanLoop(op: Scan, dtype: DType): Loop1 {
  return (dtype === 'int32' ? int32Scans : floatScans)[op];
}

/**
 * For i < n: the element of `table` that index[at + i*si] points at (index times `stride`, from t + i*st on), and the
 * element of `other` at y + i*sy.
 */
export type IndexedLoop = (
  n: number,
  index: TypedArray,
  at: number,
  si: number,
  stride: number,
  table: TypedArray,
  t: number,
  st: number,
  other: TypedArray,
  y: number,
  sy: number,
) => void;

export const gatherLoop: IndexedLoop = (n, index, at, si, stride, table, t, st, other, y, sy) => {
  // One index for the whole run: whole rows are taken, as indexSelect does along the first axis.
  if (si === 0) copy(n, other, y, sy, table, t + index[at]! * stride, st);
  else for (let i = 0; i < n; i++, at += si, t += st, y += sy) other[y] = table[t + index[at]! * stride]!;
};

export const scatterSetLoop: IndexedLoop = (n, index, at, si, stride, table, t, st, other, y, sy) => {
  for (let i = 0; i < n; i++, at += si, t += st, y += sy) table[t + index[at]! * stride] = other[y]!;
};

export const scatterAddLoop: IndexedLoop = (n, index, at, si, stride, table, t, st, other, y, sy) => {
  for (let i = 0; i < n; i++, at += si, t += st, y += sy) table[t + index[at]! * stride]! += other[y]!;
};

/** out[o + i*so] = c[z + i*sc] ? a[x + i*sx] : b[y + i*sy] for i < n. */
export function whereLoop(
  n: number,
  out: TypedArray,
  o: number,
  so: number,
  c: TypedArray,
  z: number,
  sc: number,
  a: TypedArray,
  x: number,
  sx: number,
  b: TypedArray,
  y: number,
  sy: number,
): void {
  for (let i = 0; i < n; i++, o += so, z += sc, x += sx, y += sy) out[o] = c[z] !== 0 ? a[x]! : b[y]!;
}
