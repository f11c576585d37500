/**
 * The convex quadratic program in the caller's words, what comes back, and the gate that lets only well-formed problems in.
 *
 *     min 1/2 x'Px + q'x   subject to   Gx <= h,   Ax = b,   lb <= x <= ub
 *
 * with the Lagrangian  1/2 x'Px + q'x + y'(Gx - h) + w'(Ax - b) + l'(lb - x) + u'(x - ub),  y, l, u >= 0.
 */

import { QPInputError, ShapeMismatchError } from '../errors.ts';

/** A vector: a plain array or any typed array of numbers. It is read, never written. */
export type QPVector = ArrayLike<number>;
/** A matrix as an array of rows, all of one length. */
export type QPMatrix = ArrayLike<QPVector>;

/** min 1/2 x'Px + q'x  s.t.  Gx <= h, Ax = b, lb <= x <= ub. The length of q sets n; only the symmetric part of P matters. */
export interface QPProblem {
  /** n x n, positive semidefinite; (P + P')/2 is used, which is the same objective. */
  readonly P: QPMatrix;
  /** n. */
  readonly q: QPVector;
  /** m x n; given together with h. */
  readonly G?: QPMatrix | undefined;
  /** m; +Infinity switches a row off. */
  readonly h?: QPVector | undefined;
  /** k x n; given together with b. */
  readonly A?: QPMatrix | undefined;
  /** k. */
  readonly b?: QPVector | undefined;
  /** n; -Infinity where a variable has no lower bound. */
  readonly lb?: QPVector | undefined;
  /** n; +Infinity where a variable has no upper bound. lb[j] = ub[j] fixes a variable; lb[j] > ub[j] is infeasible, not an error. */
  readonly ub?: QPVector | undefined;
}

/** The four kinds of constraint, in the order in which an active set lists them. */
export const constraintKinds = ['equality', 'inequality', 'lower', 'upper'] as const;
export type ConstraintKind = (typeof constraintKinds)[number];

/** One constraint in the caller's words: `index` is a row of A, a row of G, or a variable (lower, upper). */
export interface ConstraintRef {
  readonly kind: ConstraintKind;
  readonly index: number;
}

/** Lagrange multipliers: Px + q + G'inequality + A'equality - lower + upper = 0; all but `equality` are >= 0. */
export interface QPMultipliers {
  /** y, one per row of G. */
  readonly inequality: number[];
  /** w, one per row of A, of either sign. */
  readonly equality: number[];
  /** l, one per variable; 0 where there is no lower bound. */
  readonly lower: number[];
  /** u, one per variable; 0 where there is no upper bound. */
  readonly upper: number[];
}

/** How far a point is from optimal: absolute residuals in the problem's own units, and their largest ratio to the terms they are made of. */
export interface KKTResiduals {
  /** max |Px + q + G'y + A'w - l + u|. */
  readonly stationarity: number;
  /** The largest violation of a constraint. */
  readonly primal: number;
  /** The most negative multiplier of an inequality or bound, as a positive number. */
  readonly dual: number;
  /** The largest |multiplier * slack| of an inequality or bound. */
  readonly complementarity: number;
  /** The largest of the four, each divided by the size of the terms it is a difference of: about 1e-16 for a perfect answer. */
  readonly relative: number;
}

/** Proof that there is no optimum, in a form that anyone can check with a few dot products. */
export type QPCertificate =
  /** Farkas: G'y + A'w - l + u = 0 with y, l, u >= 0, and gap = -(h'y + b'w - lb'l + ub'u) > 0: no x can satisfy all constraints. */
  | { readonly kind: 'infeasible'; readonly multipliers: QPMultipliers; readonly gap: number }
  /** A ray of descent: Pd = 0, q'd < 0, Gd <= 0, Ad = 0, d >= 0 (<= 0) where lb (ub) is finite. */
  | { readonly kind: 'unbounded'; readonly direction: number[] }
  /** Negative curvature: d'Pd = curvature < 0. */
  | { readonly kind: 'not-convex'; readonly direction: number[]; readonly curvature: number };

/**
 * One step of the active-set method. A step adds at most one constraint to the active set and drops at most one. All of it is in the
 * caller's units; replay.ts derives every number anew.
 */
export interface QPTraceStep {
  /** Counts from 1 through the whole solve. */
  readonly iteration: number;
  /** The proximal round: 0 is the first, later rounds refine the answer (see solve.ts). */
  readonly round: number;
  /**
   * The violated constraint that this step works on. Null for a restart: x and the multipliers are taken from the factors again, and a
   * constraint whose multiplier is negative there is dropped.
   */
  readonly entering: ConstraintRef | null;
  /** Step at which the multiplier of an active constraint reaches zero; null if none does. Steps are lengths of the entering multiplier. */
  readonly dualStep: number | null;
  /** Step at which the entering constraint becomes satisfied; null if the active constraints leave no direction to move in. */
  readonly primalStep: number | null;
  /** The step taken: the smaller of the two. The entering constraint's multiplier grows by it. */
  readonly step: number;
  readonly added: ConstraintRef | null;
  readonly dropped: ConstraintRef | null;
  /** The iterate after the step, n. */
  readonly x: number[];
  readonly multipliers: QPMultipliers;
  /** After the step, in the order in which constraints were added. */
  readonly activeSet: ConstraintRef[];
}

/** The start of a proximal round: min 1/2 x'Px + q'x + 1/2 sum_j weights[j] (x_j - centre[j])^2 over the same constraints (see solve.ts). */
export interface QPTraceRound {
  readonly round: number;
  /** Steps taken before it. */
  readonly iteration: number;
  /** n. */
  readonly centre: number[];
  /** n; all zero where P is definite and the round only refines. */
  readonly weights: number[];
  /** What it starts from: the equalities and the warm start, or what the round before ended with. */
  readonly activeSet: ConstraintRef[];
}

/** Where to start from. A whole earlier solution fits. */
export interface QPWarmStart {
  /** The constraints to make active; taken instead of x where both are given. */
  readonly activeSet?: readonly ConstraintRef[] | undefined;
  /** n; the constraints that hold with equality here are made active. */
  readonly x?: QPVector | undefined;
}

export interface QPOptions {
  /** Record every step in `trace` and every round in `rounds`. Costs a copy of x and of the multipliers per step. Default false. */
  readonly trace?: boolean | undefined;
  /** Cap on active-set steps over the whole solve. Default 50 (n + number of constraints) + 1000. */
  readonly maxIterations?: number | undefined;
  /** Relative KKT residual up to which an answer may be called optimal, and to which constraints may contradict each other. Default 1e-9. */
  readonly tolerance?: number | undefined;
  /**
   * A size that the problem is known to make x from, where x itself may cancel to nothing: |c| for min |x - c|^2 on a cone. Violations are
   * weighed against max(|x|, xScale). Default 0.
   */
  readonly xScale?: number | undefined;
  /** An earlier solution, or an active set, to start from. Anything is safe: it changes the path, not the answer. */
  readonly warmStart?: readonly ConstraintRef[] | QPWarmStart | undefined;
}

export type QPStatus = 'optimal' | 'infeasible' | 'not-convex' | 'unbounded' | 'iteration-limit';

/** Plain data. Every number is finite; outside of 'optimal', x is the last iterate and only `certificate` is a statement. */
export interface QPSolution {
  readonly status: QPStatus;
  readonly x: number[];
  /** 1/2 x'Px + q'x. */
  readonly objective: number;
  readonly multipliers: QPMultipliers;
  /** The working set that determined x, sorted by kind then index. Inequalities and bounds in it may have a zero multiplier. */
  readonly activeSet: ConstraintRef[];
  /** Active-set steps. */
  readonly iterations: number;
  /** Recomputed from the problem and this answer alone (see kkt.ts). */
  readonly kkt: KKTResiduals;
  /** Present for 'infeasible', 'unbounded' and 'not-convex'. */
  readonly certificate?: QPCertificate;
  /** Present when asked for: `iterations` steps, which replayTrace checks. */
  readonly trace?: QPTraceStep[];
  /** Present with `trace`. */
  readonly rounds?: QPTraceRound[];
}

/** A problem that passed the gate: absent parts filled in, so that nobody downstream asks again. Aliases the caller's arrays. */
export interface CheckedProblem {
  readonly n: number;
  readonly P: QPMatrix;
  readonly q: QPVector;
  readonly G: QPMatrix;
  readonly h: QPVector;
  readonly A: QPMatrix;
  readonly b: QPVector;
  readonly lb: QPVector;
  readonly ub: QPVector;
}

/** One zero per row of G and A and per variable, twice. */
export function zeroMultipliers({ n, G, A }: CheckedProblem): QPMultipliers {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return { inequality: zeros(G.length), equality: zeros(A.length), lower: zeros(n), upper: zeros(n) };
}

/**
 * Fills in what is absent and refuses what is malformed.
 * @throws ShapeMismatchError when a row or vector has the wrong length
 * @throws QPInputError when a part is missing or is no array, or holds a NaN or an infinity where none is allowed
 */
export function checkProblem(problem: QPProblem): CheckedProblem {
  const q = vector('q', problem.q);
  const n = q.length;
  const P = matrix('P', problem.P, n);
  if (P.length !== n)
    throw new ShapeMismatchError('solveQP', 'P', P.length, n, `P must be ${n} x ${n}, as q has length ${n}`);
  const [G, h] = rowsWithRightHandSide('G', problem.G, 'h', problem.h, n, Infinity);
  const [A, b] = rowsWithRightHandSide('A', problem.A, 'b', problem.b, n, undefined);
  const lb = bounds('lb', problem.lb, n, -Infinity);
  const ub = bounds('ub', problem.ub, n, Infinity);
  return { n, P, q, G, h, A, b, lb, ub };
}

/** Refuses a point, or multipliers, that are not of this problem. @throws ShapeMismatchError, QPInputError as checkProblem. */
export function checkPoint({ n, G, A }: CheckedProblem, x: QPVector, multipliers: QPMultipliers): void {
  const { inequality, equality, lower, upper } = multipliers;
  const want = (name: string, value: QPVector, length: number, why: string): void => {
    if (vector(name, value).length === length) return;
    throw new ShapeMismatchError('kktResiduals', name, value.length, length, why);
  };
  const variables = `there are ${n} variables (the length of q)`;
  want('x', x, n, variables);
  want('multipliers.inequality', inequality, G.length, `G has ${G.length} rows`);
  want('multipliers.equality', equality, A.length, `A has ${A.length} rows`);
  want('multipliers.lower', lower, n, variables);
  want('multipliers.upper', upper, n, variables);
}

function vector(name: string, value: QPVector | undefined, allowed?: number): QPVector {
  requireArray(name, value);
  for (let i = 0; i < value.length; i++) {
    if (Number.isFinite(value[i]) || value[i] === allowed) continue;
    const also = allowed === undefined ? '' : ` or ${allowed}`;
    throw new QPInputError(
      name,
      `${name}[${i}] is ${value[i]}; every entry of ${name} must be a finite number${also}`,
      { row: i },
    );
  }
  return value;
}

function matrix(name: string, value: QPMatrix | undefined, columns: number): QPMatrix {
  requireArray(name, value);
  for (let i = 0; i < value.length; i++) {
    const row: QPVector | undefined = value[i];
    requireArray(`${name}[${i}]`, row);
    if (row.length !== columns) {
      throw new ShapeMismatchError(
        'solveQP',
        `${name}[${i}]`,
        row.length,
        columns,
        `there are ${columns} variables (the length of q)`,
      );
    }
    for (let j = 0; j < columns; j++) {
      if (Number.isFinite(row[j])) continue;
      const message = `${name}[${i}][${j}] is ${row[j]}; every entry of ${name} must be a finite number`;
      throw new QPInputError(name, message, { row: i, column: j });
    }
  }
  return value;
}

function rowsWithRightHandSide(
  name: string,
  rows: QPMatrix | undefined,
  rightName: string,
  right: QPVector | undefined,
  n: number,
  allowed: number | undefined,
): [QPMatrix, QPVector] {
  if (rows === undefined && right === undefined) return [[], []];
  if (rows === undefined) throw new QPInputError(name, `${rightName} is given without ${name}`);
  if (right === undefined) throw new QPInputError(rightName, `${name} is given without ${rightName}`);
  const checkedRows = matrix(name, rows, n);
  const checkedRight = vector(rightName, right, allowed);
  if (checkedRight.length !== checkedRows.length) {
    const why = `${name} has ${checkedRows.length} rows`;
    throw new ShapeMismatchError('solveQP', rightName, checkedRight.length, checkedRows.length, why);
  }
  return [checkedRows, checkedRight];
}

function bounds(name: string, value: QPVector | undefined, n: number, absent: number): QPVector {
  if (value === undefined) return new Float64Array(n).fill(absent);
  const checked = vector(name, value, absent);
  if (checked.length !== n) {
    throw new ShapeMismatchError('solveQP', name, checked.length, n, `there are ${n} variables (the length of q)`);
  }
  return checked;
}

function requireArray<T>(name: string, value: ArrayLike<T> | undefined): asserts value is ArrayLike<T> {
  const isArray = typeof value === 'object' && value !== null && Number.isInteger(value.length);
  if (!isArray) throw new QPInputError(name, `${name} is ${String(value)}, expected an array`);
}
