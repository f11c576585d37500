// Factors of square matrices, [..., n, n], by halving: with A = [[A11, A12], [A21, A22]],
//
//   L X = B:     X1 = L11 \ B1,     X2 = L22 \ (B2 - L21 X1)
//   A = L L':    L11 from A11,      L21 = (L11 \ A21')',     L22 from A22 - L21 L21'
//   A = L U:     L11, U11 from A11, U12 = L11 \ A12,         L21 = (U11' \ A21')',     L22, U22 from A22 - L21 U12
//
// down to single elements. Nearly all the work is matrix products, and all of it is primitives, so that derivatives of every
// order follow. Source: Golub and Van Loan, Matrix Computations (4th ed.), 3.1, 3.2 and 4.2; recursion as in Gustavson, IBM J. R&D 41(6), 1997.

import { where } from './elementwise.ts';
import type { LinalgOps } from './linalg.ts';
import { concat } from './reduce.ts';
import type { SliceSpec } from './views.ts';

/** Rows and columns of the last two axes. */
function block<T extends LinalgOps<T>>(x: T, rows: SliceSpec, columns: SliceSpec = null): T {
  return x.slice(...x.shape.slice(2).map(() => null), rows, columns);
}

/** The quarters of square matrices, cut at the same place. */
function quarters<T extends LinalgOps<T>>(a: T): [T, T, T, T] {
  const half = a.shape.at(-1)! >> 1;
  const [low, high] = [[0, half] as const, [half] as const];
  return [block(a, low, low), block(a, low, high), block(a, high, low), block(a, high, high)];
}

function joined<T extends LinalgOps<T>>(a11: T, a12: T, a21: T, a22: T): T {
  return concat<T>([concat<T>([a11, a12], -1), concat<T>([a21, a22], -1)], -2);
}

/** A row of B by the diagonal element of L that belongs to it. */
export type Divide<T> = (b: T, diagonal: T) => T;

/**
 * L \ B, reading only the lower triangle of l; `divide` says what the diagonal does. b [..., n, m] has the leading axes of the
 * result, those of l broadcast to them.
 */
export function lowerSolve<T extends LinalgOps<T>>(l: T, b: T, divide: Divide<T>): T {
  const n = l.shape.at(-1)!;
  if (n === 0) return b;
  if (n === 1) return divide(b, l);
  const [l11, , l21, l22] = quarters(l);
  const half = n >> 1;
  const x1 = lowerSolve(l11, block(b, [0, half]), divide);
  const x2 = lowerSolve(l22, block(b, [half]).sub(l21.matmul(x1)), divide);
  return concat<T>([x1, x2], -2);
}

/** U \ B, reading only the upper triangle of u: back to front it is a lower one. */
export function upperSolve<T extends LinalgOps<T>>(u: T, b: T, divide: Divide<T>): T {
  return lowerSolve(u.flip([-2, -1]), b.flip(-2), divide).flip(-2);
}

/** The L with L L' = A, from the lower triangle of a; NaN or 0 on its diagonal from the first minor on that is not positive. */
export function choleskyFactor<T extends LinalgOps<T>>(a: T): T {
  if (a.shape.at(-1)! <= 1) return a.sqrt();
  const [a11, , a21, a22] = quarters(a);
  const l11 = choleskyFactor(a11);
  const l21 = lowerSolve(l11, a21.transpose(), (b, l) => b.div(l)).transpose();
  const l22 = choleskyFactor(a22.sub(l21.matmul(l21.transpose())));
  const zero = l11.lift('cholesky', 0, l11.dtype).expand(l21.transpose().shape);
  return joined(l11, zero, l21, l22);
}

/**
 * L and U with L U = A in one matrix: U on and above the diagonal, L (whose diagonal is 1) below. No rows are exchanged. A zero
 * pivot divides as 1: `pivotOrder` leaves one only where all that is left is 0.
 */
export function luFactor<T extends LinalgOps<T>>(a: T): T {
  if (a.shape.at(-1)! <= 1) return a;
  const [a11, a12, a21, a22] = quarters(a);
  const lu11 = luFactor(a11);
  const u12 = lowerSolve(lu11, a12, (b) => b);
  const safely: Divide<T> = (b, u) => b.div(where<T>(u.eq(0), 1, u));
  const l21 = lowerSolve(lu11.transpose(), a21.transpose(), safely).transpose();
  return joined(lu11, u12, l21, luFactor(a22.sub(l21.matmul(u12))));
}

/** An order of rows and of columns for elimination, and the sign of the two permutations together. */
export interface PivotOrder {
  readonly rows: number[];
  readonly columns: number[];
  readonly sign: 1 | -1;
}

/**
 * Complete pivoting: each pivot is the largest element that is left (the first of equals). Zero pivots come last, so that those
 * before them tell the rank. `a` holds the n by n matrix from `start` on. Source: Golub and Van Loan, 3.4.8.
 */
export function pivotOrder(a: ArrayLike<number>, start: number, n: number): PivotOrder {
  const left = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => a[start + i * n + j]!));
  const rows = [...left.keys()];
  const columns = [...left.keys()];
  let sign: 1 | -1 = 1;
  const swap = (list: unknown[], i: number, j: number) => {
    [list[i], list[j]] = [list[j], list[i]];
  };
  for (let k = 0; k < n; k++) {
    let [row, column, largest] = [k, k, 0];
    for (let i = k; i < n; i++) {
      for (let j = k; j < n; j++) {
        const size = Math.abs(left[i]![j]!);
        if (size > largest) [row, column, largest] = [i, j, size];
      }
    }
    if (largest === 0) break;
    if ((row !== k) !== (column !== k)) sign = sign === 1 ? -1 : 1;
    for (const list of [left, rows]) swap(list, k, row);
    for (const list of [columns, ...left]) swap(list, k, column);
    for (let i = k + 1; i < n; i++) {
      const factor = left[i]![k]! / left[k]![k]!;
      for (let j = k + 1; j < n; j++) left[i]![j]! -= factor * left[k]![j]!;
    }
  }
  return { rows, columns, sign };
}
