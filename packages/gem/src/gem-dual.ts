/**
 * GEM's dual quadratic program (Lopez-Paz & Ranzato 2017, eq. 11) from inner products alone:
 *
 *     min 1/2 v'(GG' + ridge I)v + (Gg)'v   subject to   v >= bound,      z = G'v + g.
 *
 * Whoever holds g and G as tensors computes the t x t Gram matrix and the t dots there, calls this, and makes z in one pass; gradients are
 * never copied out. The problem is posed for rows of length one, so nothing depends on their lengths; zero rows drop out.
 *
 * A Gram matrix knows angles only to the square root of its rounding: for rows within 1e-8 of opposed (1e-4 in float32 sums) it cannot
 * promise more than <z, g_k> >= -1e-8 |g||g_k|. projectGradient works on the rows and has no such limit.
 */

import { NonFiniteGradientError, ProjectionFailedError, ShapeMismatchError } from './errors.ts';
import { type ProfileName, type ProfileOptions, type ResolvedProfile, resolveProfile } from './profiles.ts';
import type { KKTResiduals, QPSolution, QPTraceStep } from './qp/problem.ts';
import { solveQP } from './qp/solve.ts';
import { EPS } from './qp/vector.ts';
import { wantArray } from './row-geometry.ts';

export interface ProjectionOptions extends ProfileOptions {
  /** Record the active-set method's steps in `steps`. Default false. */
  readonly trace?: boolean | undefined;
}

/** One step of the active-set method, told in rows of G instead of constraints of a quadratic program. */
export interface ProjectionStep {
  /** The row whose multiplier left its bound, if one did. */
  readonly entered: number | null;
  /** The row whose multiplier went back to its bound, if one did. */
  readonly left: number | null;
  /** Length of the step, for rows and g of length one. */
  readonly step: number;
  /** v after the step, t. Intermediate entries may be below their bound. */
  readonly v: number[];
}

/** Plain, JSON-serialisable data. t is the number of rows of G. */
export interface DualProjection {
  readonly profile: ProfileName;
  readonly memoryStrength: number;
  readonly ridge: number;
  /** Did the gate open, that is, was some dot negative? If not, v = 0 and z = g. */
  readonly projected: boolean;
  /** z = g + G'v, t. */
  readonly v: number[];
  /** Rows with <g, g_k> < 0. */
  readonly violated: number[];
  /** Rows whose multiplier is off its bound: the constraints that hold with equality (without a ridge) and shape z. */
  readonly active: number[];
  /** <g, g_k>, t. */
  readonly dots: number[];
  /** <z, g_k>, t. */
  readonly dotsAfter: number[];
  /** GG', t x t. */
  readonly gram: number[][];
  /** Of the dual problem for rows and g of length one, at v before `added` gamma; all zero if the gate stayed closed. */
  readonly kkt: KKTResiduals;
  /** Active-set steps. */
  readonly iterations: number;
  /** Added to the diagonal of the unit-row Gram matrix because it was not positive semidefinite to rounding; 0 in good health. */
  readonly shift: number;
  /** Present when asked for. */
  readonly steps?: ProjectionStep[];
}

/** The problem for unit rows: cosines of angles, and the lengths to go back with. */
export interface UnitDual {
  /** cos(g_k, g_l), t x t; rows and columns of zero rows are zero. */
  readonly cosines: readonly (readonly number[])[];
  /** cos(g, g_k), or anything proportional to it with `gLength` to match. */
  readonly cosinesWithG: readonly number[];
  /** |g_k|. */
  readonly lengths: readonly number[];
  /** |g| > 0. */
  readonly gLength: number;
}

export interface DualAnswer {
  readonly v: number[];
  readonly active: number[];
  readonly kkt: KKTResiduals;
  readonly iterations: number;
  readonly shift: number;
  readonly steps: ProjectionStep[] | undefined;
}

export const noResiduals: KKTResiduals = { stationarity: 0, primal: 0, dual: 0, complementarity: 0, relative: 0 };

/**
 * GEM's multipliers from the Gram matrix (t x t, GG') and the dots (t, Gg) alone.
 *
 * @throws ShapeMismatchError, NonFiniteGradientError naming the row; InvalidOptionError, also for what is no array
 */
export function projectFromGram(
  gram: ArrayLike<ArrayLike<number>>,
  dots: ArrayLike<number>,
  options: ProjectionOptions = {},
): DualProjection {
  const operation = 'projectFromGram';
  const resolved = resolveProfile(operation, options);
  checkInnerProducts(operation, gram, dots);
  const t = dots.length;
  const indices = Array.from({ length: t }, (_, k) => k);
  const violated = indices.filter((k) => dots[k] < 0);
  const projected = violated.length > 0;
  const answer = projected ? solveDual(operation, unitDual(gram, dots), resolved, options.trace === true) : undefined;
  const v = answer?.v ?? new Array<number>(t).fill(0);
  return {
    profile: resolved.profile.name,
    memoryStrength: resolved.memoryStrength,
    ridge: resolved.ridge,
    projected,
    v,
    violated,
    active: answer?.active ?? [],
    dots: Array.from(dots),
    dotsAfter: indices.map((k) => indices.reduce((sum, l) => sum + gram[k][l] * v[l], dots[k])),
    gram: Array.from(gram, (row) => Array.from(row)),
    kkt: answer?.kkt ?? noResiduals,
    iterations: answer?.iterations ?? 0,
    shift: answer?.shift ?? 0,
    ...(options.trace === true ? { steps: answer?.steps ?? [] } : {}),
  };
}

/**
 * With n_k = |(g_k, sqrt(ridge))|: P_kl = <g_k, g_l> / (n_k n_l), P_kk = 1, q_k = <g, g_k> / (n_k |g|), and v_k = |g| / n_k times x_k. Where
 * the bounds are so far above that they would overflow, a larger length stands for |g|.
 */
export function solveDual(operation: string, unit: UnitDual, resolved: ResolvedProfile, trace: boolean): DualAnswer {
  const { cosines, cosinesWithG, lengths, gLength } = unit;
  const { profile, memoryStrength, ridge } = resolved;
  const isAdded = profile.gamma === 'added';
  const bound = isAdded ? 0 : memoryStrength;
  const sizes = lengths.map((length) => Math.hypot(length, Math.sqrt(ridge)) || 1);
  const shares = lengths.map((length, k) => length / sizes[k]);
  const P = cosines.map((row, k) =>
    row.map((cos, l) => (k === l ? (lengths[k] > 0 || ridge > 0 ? 1 : 0) : shares[k] * shares[l] * cos)),
  );
  const length = Math.max(gLength, bound * (2 ** -1000 * Math.max(...sizes)));
  const q = cosinesWithG.map((cos, k) => shares[k] * cos * (gLength / length));
  const lb = sizes.map((size) => (bound === 0 ? 0 : bound * (size / length)));
  const { solution, shift } = solveShifted(operation, P, q, lb, trace);

  const atBound = new Set(solution.activeSet.filter(({ kind }) => kind === 'lower').map(({ index }) => index));
  const toV = (x: readonly number[]): number[] => x.map((value, k) => value * (length / sizes[k]));
  const v = toV(solution.x).map((value, k) => (atBound.has(k) ? bound : value));
  return {
    v: isAdded ? v.map((value) => value + memoryStrength) : v,
    active: v.flatMap((value, k) => (value > bound && lengths[k] > 0 ? [k] : [])),
    kkt: solution.kkt,
    iterations: solution.iterations,
    shift,
    steps: solution.trace?.map((step) => toStep(step, toV)),
  };
}

/**
 * A Gram matrix summed in lower precision can be indefinite, or contradict the dots; then the smallest diagonal shift that makes sense of
 * it. (An exact one needs none: the projection onto a cone always exists.)
 */
function solveShifted(
  operation: string,
  P: readonly (readonly number[])[],
  q: readonly number[],
  lb: readonly number[],
  trace: boolean,
): { solution: QPSolution; shift: number } {
  for (let shift = 0; ; shift = shift === 0 ? 4 * EPS * P.length : 4 * shift) {
    const shifted = P.map((row, k) => row.map((value, l) => (k === l ? value + shift : value)));
    const solution = solveQP({ P: shifted, q, lb }, { trace });
    if (solution.status === 'optimal') return { solution, shift };
    if (shift > 1) throw new ProjectionFailedError(operation, solution.status, solution.kkt.relative);
  }
}

/** In the dual quadratic program a row is active when its multiplier's bound is not. */
function toStep(step: QPTraceStep, toV: (x: readonly number[]) => number[]): ProjectionStep {
  return {
    entered: step.dropped?.index ?? null,
    left: step.added?.index ?? null,
    step: step.step,
    v: toV(step.x),
  };
}

function unitDual(gram: ArrayLike<ArrayLike<number>>, dots: ArrayLike<number>): UnitDual {
  const lengths = Array.from(gram, (row, k) => Math.sqrt(Math.max(0, row[k])));
  const perLength = (value: number, length: number): number => (length === 0 ? 0 : value / length);
  const alongRows = Array.from(dots, (value, k) => perLength(value, lengths[k]));
  // |g| itself is not known; the longest of its components along the rows serves as well.
  const gLength = Math.max(...alongRows.map(Math.abs)) || 1;
  return {
    cosines: Array.from(gram, (row, k) =>
      Array.from(row, (value, l) => perLength(perLength(0.5 * value + 0.5 * gram[l][k], lengths[k]), lengths[l])),
    ),
    cosinesWithG: alongRows.map((value) => value / gLength),
    lengths,
    gLength,
  };
}

function checkInnerProducts(operation: string, gram: ArrayLike<ArrayLike<number>>, dots: ArrayLike<number>): void {
  wantArray(operation, 'dots', dots);
  wantArray(operation, 'gram', gram);
  const t = dots.length;
  const requireFinite = (name: string, row: number | undefined, values: ArrayLike<number>): void => {
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i])) throw new NonFiniteGradientError(operation, name, row, i, values[i]);
    }
  };
  requireFinite('dots', undefined, dots);
  if (gram.length !== t) throw new ShapeMismatchError(operation, 'gram', gram.length, t, `dots has length ${t}`);
  for (let k = 0; k < t; k++) {
    wantArray(operation, `gram[${k}]`, gram[k]);
    if (gram[k].length !== t) {
      throw new ShapeMismatchError(operation, `gram[${k}]`, gram[k].length, t, `dots has length ${t}`);
    }
    requireFinite(`gram[${k}]`, k, gram[k]);
  }
}
