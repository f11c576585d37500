/**
 * One equality-constrained subproblem of the active-set method, solved from scratch, in the caller's units:
 *
 *     argmin 1/2 x'Px + q'x + 1/2 sum_j w_j (x_j - c_j)^2 - t n_p'x   subject to   n_k'x = d_k for all active k.
 *
 * With LL' = P + diag(w) and x = c + L^-T y it reads  min 1/2 |y - r|^2  s.t.  V'y = s,  where V = L^-1 N = QR (Gram-Schmidt, twice),
 * r = L^-1 (t n_p - P c - q) and s = d - N'c. So y = r + Q (R^-T s - Q'r), and the multipliers are u = R^-1 (R^-T s - Q'r).
 *
 * The solver updates factors from step to step; this does not, and shares nothing with it but Cholesky's method. That makes it the plain
 * form by which replay.ts checks the solver.
 */

import { TraceMismatchError } from '../errors.ts';
import type { CheckedProblem, ConstraintRef, QPTraceRound, QPVector } from './problem.ts';
import { addScaled, dot, norm } from './vector.ts';
import { cholesky } from './working-set.ts';

export interface SubproblemSolution {
  readonly x: Float64Array;
  /** u, in the order of the active set. */
  readonly multipliers: Float64Array;
  /** |L^-1 t n_p| + |L^-1 (P c + q)| + |R^-T s|: the sizes of what the multipliers balance. */
  readonly force: number;
  /** The sizes of (P + diag(w))^-1 times t n_p and P c + q: how far these would carry x by themselves. In flat directions that is far. */
  readonly reach: number;
}

export class Subproblem {
  /** The square roots of the diagonal of P + diag(w): x_j times its length has the same scale for all j. */
  readonly lengths: Float64Array;
  private readonly problem: CheckedProblem;
  private readonly centre: Float64Array;
  /** P c + q. */
  private readonly gradient: Float64Array;
  private readonly L: Float64Array;

  /** @throws TraceMismatchError if the round does not belong to the problem */
  constructor(problem: CheckedProblem, { centre, weights, iteration }: QPTraceRound) {
    const { n, P, q } = problem;
    for (const [name, { length }] of Object.entries({ centre, weights })) {
      if (length !== n) throw new TraceMismatchError(iteration, `the length of ${name}`, length, String(n));
    }
    const H = new Float64Array(n * n);
    const gradient = Float64Array.from(q);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        H[i * n + j] = 0.5 * P[i][j] + 0.5 * P[j][i];
        gradient[i] += H[i * n + j] * centre[j];
      }
      H[i * n + i] += weights[i];
    }
    const factor = cholesky(H, n, 0);
    if (!('L' in factor)) throw new TraceMismatchError(iteration, 'P + diag(weights)', 'not definite', 'definite');
    this.problem = problem;
    this.centre = Float64Array.from(centre);
    this.gradient = gradient;
    this.lengths = Float64Array.from({ length: n }, (_, i) => Math.sqrt(H[i * n + i]));
    this.L = factor.L;
  }

  /** The minimum with the given constraints active, and the multiplier of `entering` held at t. */
  minimum(active: readonly ConstraintRef[], entering: ConstraintRef | null, t: number): SubproblemSolution {
    const { problem, centre } = this;
    const { n } = problem;
    const pull = entering === null ? new Float64Array(n) : normalOf(problem, entering).normal.map((value) => t * value);
    const falling = this.solveL(this.gradient);
    const r = this.solveL(pull);
    const force = norm(r) + norm(falling);
    const reach = this.sizeOf(this.solveTransposed(r)) + this.sizeOf(this.solveTransposed(falling));
    addScaled(r, 0, -1, falling, 0, n);
    const Q: Float64Array[] = [];
    const R: Float64Array[] = [];
    const slack = new Float64Array(active.length);
    active.forEach((ref, k) => {
      const { normal, right } = normalOf(problem, ref);
      const rest = this.solveL(normal);
      const column = new Float64Array(k + 1);
      for (let pass = 0; pass < 2; pass++) {
        Q.forEach((direction, j) => {
          const share = dot(direction, 0, rest, 0, n);
          addScaled(rest, 0, -share, direction, 0, n);
          column[j] += share;
        });
      }
      column[k] = norm(rest);
      slack[k] = (right - dot(normal, 0, centre, 0, n) - dot(column, 0, slack, 0, k)) / column[k];
      Q.push(rest.map((value) => value / column[k]));
      R.push(column);
    });
    const y = r.slice();
    const multipliers = slack.map((s, k) => s - dot(Q[k], 0, r, 0, n));
    Q.forEach((direction, k) => {
      addScaled(y, 0, multipliers[k], direction, 0, n);
    });
    for (let k = R.length - 1; k >= 0; k--) {
      multipliers[k] /= R[k][k];
      addScaled(multipliers, 0, -multipliers[k], R[k], 0, k);
    }
    const move = this.solveTransposed(y);
    return { x: centre.map((c, j) => c + move[j]), multipliers, force: force + norm(slack), reach };
  }

  /** max |x_j|, in units in which P + diag(w) has a diagonal of ones: rounding is as large in every direction. */
  sizeOf(x: ArrayLike<number>): number {
    return this.lengths.reduce((size, length, j) => Math.max(size, Math.abs(length * x[j])), 0);
  }

  /** |L^-1 N u| for the normals of some constraints: how much force these multipliers exert, to be compared with `force`. */
  forceOf(constraints: readonly ConstraintRef[], multipliers: ArrayLike<number>): number {
    const { n } = this.problem;
    const sum = new Float64Array(n);
    constraints.forEach((ref, k) => {
      addScaled(sum, 0, multipliers[k], normalOf(this.problem, ref).normal, 0, n);
    });
    return norm(this.solveL(sum));
  }

  /** L^-1 b. */
  private solveL(b: Float64Array): Float64Array {
    const { n } = this.problem;
    const y = b.slice();
    for (let i = 0; i < n; i++) y[i] = (y[i] - dot(this.L, i * n, y, 0, i)) / this.L[i * n + i];
    return y;
  }

  /** L^-T b. */
  private solveTransposed(b: Float64Array): Float64Array {
    const { n } = this.problem;
    const x = b.slice();
    for (let i = n - 1; i >= 0; i--) {
      x[i] /= this.L[i * n + i];
      addScaled(x, 0, -x[i], this.L, i * n, i);
    }
    return x;
  }
}

/** A constraint as n'x >= d, or = d for an equality. */
export function normalOf(
  { n, G, h, A, b, lb, ub }: CheckedProblem,
  { kind, index }: ConstraintRef,
): { normal: Float64Array; right: number } {
  const unit = (sign: number): Float64Array => new Float64Array(n).fill(sign, index, index + 1);
  const negated = (row: QPVector): Float64Array => Float64Array.from(row, (value) => -value);
  switch (kind) {
    case 'equality':
      return { normal: Float64Array.from(A[index]), right: b[index] };
    case 'inequality':
      return { normal: negated(G[index]), right: -h[index] };
    case 'lower':
      return { normal: unit(1), right: lb[index] };
    case 'upper':
      return { normal: unit(-1), right: -ub[index] };
  }
}
