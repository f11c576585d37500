// Quadratic programs at random, small and degenerate on purpose: repeated, opposed and zero rows, integer data with ties, fixed
// variables; and the few dense operations that the tests check answers with.

import fc from 'fast-check';
import type { QPProblem } from '../../src/qp/index.ts';

/** How many problems a law is tried on: so many, or FC_NUM. */
export const runs = (usual: number) => ({ numRuns: Number(process.env.FC_NUM ?? usual) });

export const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
export const times = (M: readonly (readonly number[])[], x: readonly number[]) => M.map((row) => dot(row, x));
export const transposed = (M: readonly (readonly number[])[], n: number) =>
  Array.from({ length: n }, (_, j) => M.map((row) => row[j]!));

export const entry = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -1000, max: 1000 }).map((x) => x / 100) },
  { weight: 1, arbitrary: fc.integer({ min: -1, max: 1 }) },
);
export const vectorOf = (n: number) => fc.array(entry, { minLength: n, maxLength: n });
export const matrixOf = (m: number, n: number) => fc.array(vectorOf(n), { minLength: m, maxLength: m });

export interface Mixed extends QPProblem {
  readonly P: number[][];
  readonly q: number[];
  readonly G: number[][];
  readonly h: number[];
  readonly A: number[][];
  readonly b: number[];
  readonly lb: number[];
  readonly ub: number[];
}

export interface Kind {
  readonly definite: boolean;
  readonly feasible: boolean;
  /** With repeated, opposed and zero rows, and ties; default true. */
  readonly degenerate?: boolean;
}

/**
 * P = B'B + c I with B [rank, n]: strictly convex for c > 0, semidefinite for c = 0 and rank < n. Constraints with repeats, opposites
 * and zero rows; a feasible point is there if `feasible`, since right-hand sides are then set from one.
 */
export function problems({ definite, feasible, degenerate = true }: Kind): fc.Arbitrary<Mixed> {
  return fc.integer({ min: 1, max: 6 }).chain((n) =>
    fc
      .record({
        B: fc.integer({ min: definite ? 1 : 0, max: n }).chain((rank) => matrixOf(rank, n)),
        q: vectorOf(n),
        G: fc.integer({ min: 0, max: 8 }).chain((m) => matrixOf(m, n)),
        again: fc.array(fc.record({ row: fc.nat(7), factor: fc.constantFrom(1, -1, 0, 2) }), {
          maxLength: degenerate ? 4 : 0,
        }),
        A: fc.integer({ min: 0, max: 2 }).chain((m) => matrixOf(m, n)),
        point: vectorOf(n),
        slack: fc.array(fc.constantFrom(...(degenerate ? [0, 0, 0.5, 3] : [0.5, 1.25, 3])), {
          minLength: 40,
          maxLength: 40,
        }),
        right: vectorOf(20),
        bounded: fc.array(fc.constantFrom('free', 'lower', 'upper', 'both', 'fixed'), { minLength: n, maxLength: n }),
      })
      .map(({ B, q, G: rows, again, A, point, slack, right, bounded }) => {
        let taken = 0;
        const take = () => slack[taken++]!;
        const G = [
          ...rows,
          ...again.flatMap(({ row, factor }) => (rows[row] ? [rows[row].map((x) => x * factor)] : [])),
        ];
        const P = q.map((_, i) =>
          q.map((__, j) => B.reduce((sum, r) => sum + r[i]! * r[j]!, 0) + (definite && i === j ? 1 : 0)),
        );
        const h = times(G, point).map((x, i) => (feasible ? x + take() : right[i]!));
        const b = times(A, point).map((x, i) => (feasible ? x : right[12 + i]!));
        const low = new Set(['lower', 'both', 'fixed']);
        const high = new Set(['upper', 'both', 'fixed']);
        return {
          P,
          q,
          G,
          h,
          A,
          b,
          lb: point.map((x, j) => (low.has(bounded[j]!) ? x - (bounded[j] === 'fixed' ? 0 : take()) : -Infinity)),
          ub: point.map((x, j) => (high.has(bounded[j]!) ? x + (bounded[j] === 'fixed' ? 0 : take()) : Infinity)),
        };
      }),
  );
}
