/**
 * The factors that make one active-set step cost O(n^2): for H = LL' and N = the active normals as columns,
 *
 *     J = L^-T Q  with  J'HJ = I   and   J'N = [R; 0],  R upper triangular.
 *
 * The first columns J1 of J span what the active constraints fix, the rest J2 the directions they leave free. Adding a normal n reflects
 * J2 so that J2'n has one nonzero entry (Householder); dropping one chases R back to a triangle (Givens). Only orthogonal transformations
 * touch J, so it never loses accuracy. Source: Goldfarb & Idnani, Mathematical Programming 27 (1983), section 4.
 */

import { addRow, rowDot, rowDotTerms, type StandardForm } from './standard-form.ts';
import { addScaled, dot, EPS, maxAbs, norm, sumAbs } from './vector.ts';

/** The lower Cholesky factor, or the direction d with d'Hd <= 0 that shows there is none. */
export type Cholesky =
  | { readonly L: Float64Array; readonly smallestPivot: number }
  | { readonly direction: Float64Array };

/** LL' = H + shift I, H n x n symmetric. The smallest pivot tells how far H is from singular (H should be scaled to a diagonal near 1). */
export function cholesky(H: Float64Array, n: number, shift: number): Cholesky {
  const L = new Float64Array(n * n);
  let smallestPivot = Infinity;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) L[i * n + j] = (H[i * n + j] - dot(L, i * n, L, j * n, j)) / L[j * n + j];
    const pivot = H[i * n + i] + shift - dot(L, i * n, L, i * n, i);
    if (!(pivot > 0)) return { direction: singularDirection(L, n, i) };
    smallestPivot = Math.min(smallestPivot, pivot);
    L[i * n + i] = Math.sqrt(pivot);
  }
  return { L, smallestPivot };
}

/** With row i of L solved for but its pivot <= 0: d = [-L11^-T l; 1; 0] has d'Hd = that pivot. */
function singularDirection(L: Float64Array, n: number, i: number): Float64Array {
  const direction = new Float64Array(n);
  direction[i] = 1;
  for (let j = i - 1; j >= 0; j--) {
    let sum = L[i * n + j];
    for (let k = j + 1; k < i; k++) sum += L[k * n + j] * direction[k];
    direction[j] = -sum / L[j * n + j];
  }
  return direction;
}

export class WorkingSet {
  readonly form: StandardForm;
  /** Active constraints in the order of the columns of R. */
  readonly active: number[] = [];
  /** H = P + rho I; 0 where P itself is definite. */
  readonly rho: number;
  /** Row j is column j of J, so that every pass runs over contiguous memory. */
  private readonly J: Float64Array;
  /** Column k of R at k * n. */
  private readonly R: Float64Array;
  /** |J| in the Frobenius norm, which rotations do not change: the scale of rounding in J'n. */
  private readonly sizeOfJ: number;

  /** H = LL' = P + rho I. */
  constructor(form: StandardForm, L: Float64Array, rho: number) {
    const { n } = form;
    this.form = form;
    this.rho = rho;
    this.J = invertTriangle(L, n);
    this.R = new Float64Array(n * n);
    this.sizeOfJ = norm(this.J);
  }

  /** d = J'n for a constraint's normal n. */
  transformNormal(constraint: number): Float64Array {
    const { n, rowCount, variable, sign, rows } = this.form;
    const d = new Float64Array(n);
    if (constraint < rowCount) {
      for (let j = 0; j < n; j++) d[j] = dot(this.J, j * n, rows, constraint * n, n);
    } else {
      const column = variable[constraint - rowCount];
      const s = sign[constraint - rowCount];
      for (let j = 0; j < n; j++) d[j] = s * this.J[j * n + column];
    }
    return d;
  }

  /** J'y. */
  transform(y: Float64Array): Float64Array {
    const { n } = this.form;
    const d = new Float64Array(n);
    for (let j = 0; j < n; j++) d[j] = dot(this.J, j * n, y, 0, n);
    return d;
  }

  /**
   * Do the active normals already span the one with coordinates d and r = R^-1 d1, to rounding? What J2 sees of a dependent n = N r is the
   * rounding of J2'N, times r.
   */
  isDependent(d: Float64Array, r: Float64Array): boolean {
    const free = norm(d, this.active.length);
    return free <= 16 * EPS * Math.sqrt(this.form.n) * Math.max(norm(d), this.sizeOfJ) * (1 + sumAbs(r));
  }

  /** z = J2 d2: the way to move so that the active constraints stay active and the one with coordinates d gains |d2|^2 per unit. */
  freeDirection(d: Float64Array): Float64Array {
    const { n } = this.form;
    const z = new Float64Array(n);
    for (let j = this.active.length; j < n; j++) addScaled(z, 0, d[j], this.J, j * n, n);
    return z;
  }

  /** r = R^-1 d1. */
  solveR(d: Float64Array): Float64Array {
    const { n } = this.form;
    const count = this.active.length;
    const r = d.slice(0, count);
    for (let k = count - 1; k >= 0; k--) {
      r[k] /= this.R[k * n + k];
      for (let i = 0; i < k; i++) r[i] -= r[k] * this.R[k * n + i];
    }
    return r;
  }

  /** r with n = N r for a dependent normal: R^-1 J1'n, then the same again for what is left of it. */
  combination(constraint: number): Float64Array {
    const r = this.solveR(this.transformNormal(constraint));
    for (let pass = 0; pass < 2; pass++) {
      const left = new Float64Array(this.form.n);
      addRow(this.form, constraint, 1, left);
      this.active.forEach((active, k) => {
        addRow(this.form, active, -r[k], left);
      });
      addScaled(r, 0, 1, this.solveR(this.transform(left)), 0, r.length);
    }
    return r;
  }

  /**
   * The minimiser of 1/2 e'He + g'e with n_i'e = slack_i on the active set, and its multipliers u with He + g = Nu. One round of iterative
   * refinement against H and N themselves takes out what the factors lost (|J| is large when H is nearly singular); a last one, for the
   * constraints alone, takes out what a large gradient leaks into them.
   */
  subspaceMinimum(gradient: Float64Array, slack: Float64Array): { move: Float64Array; multipliers: Float64Array } {
    const { n, P } = this.form;
    const move = new Float64Array(n);
    const multipliers = new Float64Array(this.active.length);
    const improve = (alongFree: Float64Array, alongActive: Float64Array): void => {
      const slackLeft = slack.map((s, k) => this.residual(this.active[k], s, move));
      this.addFactoredSolution(alongFree, alongActive, slackLeft, move, multipliers);
    };
    improve(gradient, gradient);
    const gradientThere = gradient.map((g, i) => g + dot(P, i * n, move, 0, n) + this.rho * move[i]);
    const left = gradientThere.slice();
    this.active.forEach((constraint, k) => {
      addRow(this.form, constraint, -multipliers[k], left);
    });
    // Nu should vanish along the free directions. In a definite problem it does, and its rounding (large where u is: nearly opposed
    // normals) must not get in there; in a semidefinite one J2'N is the larger error, and Nu has to be seen to be corrected.
    improve(this.rho === 0 ? gradientThere : left, left);
    const nothing = new Float64Array(n);
    improve(nothing, nothing);
    return { move, multipliers };
  }

  /** a = R^-T slack,  e += J1 a - J2 J2'g,  u += R^-1 (a + J1'g), with a g of its own for J2 and for J1. */
  private addFactoredSolution(
    alongFree: Float64Array,
    alongActive: Float64Array,
    slack: Float64Array,
    move: Float64Array,
    multipliers: Float64Array,
  ): void {
    const { n } = this.form;
    const count = this.active.length;
    const a = new Float64Array(count);
    const right = new Float64Array(count);
    for (let k = 0; k < count; k++) {
      a[k] = (slack[k] - dot(this.R, k * n, a, 0, k)) / this.R[k * n + k];
      addScaled(move, 0, a[k], this.J, k * n, n);
      right[k] = a[k] + dot(this.J, k * n, alongActive, 0, n);
    }
    for (let j = count; j < n; j++) {
      addScaled(move, 0, -dot(this.J, j * n, alongFree, 0, n), this.J, j * n, n);
    }
    addScaled(multipliers, 0, 1, this.solveR(right), 0, count);
  }

  /** Makes a constraint active; d = transformNormal(constraint), not dependent. */
  add(constraint: number, d: Float64Array): void {
    const { n } = this.form;
    const count = this.active.length;
    const length = norm(d, count);
    const pivot = d[count] > 0 ? -length : length;
    // Reflect J2 along v = d2 - pivot e1, which sends d2 to pivot e1.
    const v = d.slice(count);
    v[0] -= pivot;
    const beta = dot(v, 0, v, 0, v.length);
    if (beta > 0) {
      const combined = new Float64Array(n);
      for (let j = 0; j < v.length; j++) addScaled(combined, 0, v[j], this.J, (count + j) * n, n);
      for (let j = 0; j < v.length; j++) addScaled(this.J, (count + j) * n, (-2 * v[j]) / beta, combined, 0, n);
    }
    this.R.set(d.subarray(0, count), count * n);
    this.R[count * n + count] = pivot;
    this.active.push(constraint);
  }

  /** Drops the constraint at this position of `active`. */
  drop(position: number): void {
    const { n } = this.form;
    this.active.splice(position, 1);
    const count = this.active.length;
    for (let k = position; k < count; k++) this.R.copyWithin(k * n, (k + 1) * n, (k + 1) * n + k + 2);
    for (let k = position; k < count; k++) {
      const a = this.R[k * n + k];
      const b = this.R[k * n + k + 1];
      const length = Math.hypot(a, b);
      if (length === 0 || b === 0) continue;
      const c = a / length;
      const s = b / length;
      for (let column = k; column < count; column++) rotate(this.R, column * n + k, column * n + k + 1, 1, c, s);
      rotate(this.J, k * n, (k + 1) * n, n, c, s);
    }
  }

  /** d_k - n_k'x over the active set. */
  activeSlack(x: Float64Array): Float64Array {
    return Float64Array.from(this.active, (k) => this.residual(k, this.form.rightHandSide[k], x));
  }

  /**
   * right - n'x, or 0 if rounding explains it: nearly parallel normals would turn that rounding into a large move. In a definite problem x
   * has rounding as large in every direction. At a bound, though, x_j is its own and can be met exactly; and in a semidefinite problem x
   * may be huge along flat directions only.
   */
  private residual(constraint: number, right: number, x: Float64Array): number {
    const { n, rowCount } = this.form;
    const residual = right - rowDot(this.form, constraint, x);
    const size = constraint < rowCount && this.rho === 0 ? Math.max(maxAbs(x), this.form.xScale) : 0;
    const terms = Math.abs(right) + rowDotTerms(this.form, constraint, x) + size;
    return Math.abs(residual) > EPS * (2 + Math.sqrt(n)) * terms ? residual : 0;
  }
}

/** (x, y) <- (cx + sy, cy - sx) over two stretches of one array. */
function rotate(M: Float64Array, xAt: number, yAt: number, length: number, c: number, s: number): void {
  for (let i = 0; i < length; i++) {
    const x = M[xAt + i];
    const y = M[yAt + i];
    M[xAt + i] = c * x + s * y;
    M[yAt + i] = c * y - s * x;
  }
}

/** L^-1, lower triangular like L. */
function invertTriangle(L: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) addScaled(inverse, i * n, -L[i * n + k], inverse, k * n, k + 1);
    for (let j = 0; j < i; j++) inverse[i * n + j] /= L[i * n + i];
    inverse[i * n + i] = 1 / L[i * n + i];
  }
  return inverse;
}
