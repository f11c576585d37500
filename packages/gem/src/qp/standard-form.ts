/**
 * One kind of constraint, one scale. The caller's problem becomes, with x = D x^,
 *
 *     min 1/2 x^'P^x^ + q^'x^   subject to   n_i'x^ >= d_i  (or = d_i),      P^ = s D P D,  q^ = s D q,  n_i = +-D a_i / e_i,
 *
 * where D, e and s equilibrate [P A'; A 0] so that the largest entry of each row is near one (Ruiz, A scaling algorithm to equilibrate
 * both rows and columns norms in matrices, RAL-TR-2001-034), and the n_i have unit length. All scales are powers of two, so the scaled problem *is* the caller's
 * problem, to the last bit. Bounds stay implicit (their normal is +-1 at one coordinate); a fixed variable is an equality.
 */

import { type CheckedProblem, type ConstraintRef, type QPMultipliers, zeroMultipliers } from './problem.ts';
import { maxAbs, norm, powerOfTwo } from './vector.ts';

/** Ruiz' iteration halves the error in the exponent; fifteen passes bring a spread of 1e300 to a factor below two. */
const SCALING_PASSES = 15;

export interface StandardForm {
  readonly n: number;
  /** n x n, symmetric, largest entry in [1, 2) unless P = 0. */
  readonly P: Float64Array;
  readonly q: Float64Array;
  /** Number of constraints: first the `rowCount` general ones, then the bounds. */
  readonly count: number;
  readonly rowCount: number;
  /** rowCount x n. */
  readonly rows: Float64Array;
  /** For constraint rowCount + k: the variable it bounds, and +1 for a lower, -1 for an upper bound. */
  readonly variable: Int32Array;
  readonly sign: Float64Array;
  readonly rightHandSide: Float64Array;
  readonly isEquality: Uint8Array;
  readonly refs: readonly ConstraintRef[];
  /** x = variableScale * x^. */
  readonly variableScale: Float64Array;
  /** The caller's multiplier is multiplierScale * the scaled one, up to the sign conventions of `toMultipliers`. */
  readonly multiplierScale: Float64Array;
  /** s. */
  readonly costScale: number;
  /** QPOptions.xScale for x^. */
  readonly xScale: number;
}

interface Row {
  readonly ref: ConstraintRef;
  readonly coefficients: ArrayLike<number>;
  readonly rightHandSide: number;
}

export function toStandardForm(problem: CheckedProblem, xScale: number): StandardForm {
  const { n, lb, ub } = problem;
  const general = generalRows(problem);
  const D = equilibrate(problem, general);
  const P = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) P[i * n + j] = (0.5 * problem.P[i][j] + 0.5 * problem.P[j][i]) * D[i] * D[j];
  }
  const q = Float64Array.from(problem.q, (value, j) => value * D[j]);
  const costScale = 1 / powerOfTwo(maxAbs(P) || maxAbs(q) || 1);
  for (let i = 0; i < P.length; i++) P[i] *= costScale;
  for (let j = 0; j < n; j++) q[j] *= costScale;

  const refs: ConstraintRef[] = general.map((row) => row.ref);
  const variable: number[] = [];
  const sign: number[] = [];
  const right: number[] = [];
  const equality: number[] = [];
  const scale: number[] = [];
  const rows = new Float64Array(general.length * n);
  general.forEach(({ ref, coefficients, rightHandSide }, i) => {
    const direction = ref.kind === 'inequality' ? -1 : 1;
    const row = rows.subarray(i * n, (i + 1) * n);
    for (let j = 0; j < n; j++) row[j] = coefficients[j] * D[j];
    const size = powerOfTwo(maxAbs(row));
    for (let j = 0; j < n; j++) row[j] *= direction / size;
    const length = powerOfTwo(norm(row));
    for (let j = 0; j < n; j++) row[j] /= length;
    right.push((direction * rightHandSide) / size / length);
    equality.push(ref.kind === 'equality' ? 1 : 0);
    scale.push(1 / (size * length * costScale));
  });
  const addBound = (kind: 'lower' | 'upper', index: number, value: number, fixed: boolean): void => {
    const direction = kind === 'lower' ? 1 : -1;
    refs.push({ kind, index });
    variable.push(index);
    sign.push(direction);
    right.push((direction * value) / D[index]);
    equality.push(fixed ? 1 : 0);
    scale.push(1 / (D[index] * costScale));
  };
  for (let j = 0; j < n; j++) {
    const fixed = lb[j] === ub[j];
    if (lb[j] !== -Infinity) addBound('lower', j, lb[j], fixed);
    if (ub[j] !== Infinity && !fixed) addBound('upper', j, ub[j], false);
  }

  return {
    n,
    P,
    q,
    count: refs.length,
    rowCount: general.length,
    rows,
    variable: Int32Array.from(variable),
    sign: Float64Array.from(sign),
    rightHandSide: Float64Array.from(right),
    isEquality: Uint8Array.from(equality),
    refs,
    variableScale: D,
    multiplierScale: Float64Array.from(scale),
    costScale,
    xScale: n === 0 ? 0 : xScale / maxAbs(D),
  };
}

/** n_i'x. */
export function rowDot(form: StandardForm, constraint: number, x: Float64Array): number {
  const { n, rows, rowCount } = form;
  if (constraint >= rowCount) return form.sign[constraint - rowCount] * x[form.variable[constraint - rowCount]];
  let sum = 0;
  const at = constraint * n;
  for (let j = 0; j < n; j++) sum += rows[at + j] * x[j];
  return sum;
}

/** sum_j |n_ij x_j|: what rounding in n_i'x is proportional to. */
export function rowDotTerms(form: StandardForm, constraint: number, x: Float64Array): number {
  const { n, rows, rowCount } = form;
  if (constraint >= rowCount) return Math.abs(x[form.variable[constraint - rowCount]]);
  let sum = 0;
  const at = constraint * n;
  for (let j = 0; j < n; j++) sum += Math.abs(rows[at + j] * x[j]);
  return sum;
}

/** y += scale * n_i. */
export function addRow(form: StandardForm, constraint: number, scale: number, y: Float64Array): void {
  const { n, rows, rowCount } = form;
  if (constraint >= rowCount) {
    y[form.variable[constraint - rowCount]] += scale * form.sign[constraint - rowCount];
    return;
  }
  const at = constraint * n;
  for (let j = 0; j < n; j++) y[j] += scale * rows[at + j];
}

/** terms += |scale * n_i|, entry by entry. */
export function addRowTerms(form: StandardForm, constraint: number, scale: number, terms: Float64Array): void {
  const { n, rows, rowCount } = form;
  if (constraint >= rowCount) {
    terms[form.variable[constraint - rowCount]] += Math.abs(scale);
    return;
  }
  const at = constraint * n;
  for (let j = 0; j < n; j++) terms[j] += Math.abs(scale * rows[at + j]);
}

/** Farkas multipliers of a constraint that no x satisfies on its own: a zero row with a right-hand side out of reach, or lb > ub. */
export function findContradiction(problem: CheckedProblem): QPMultipliers | undefined {
  const { n, G, h, A, b, lb, ub } = problem;
  const isZero = (row: ArrayLike<number>): boolean => maxAbs(row, n) === 0;
  const multipliers = zeroMultipliers(problem);
  for (let i = 0; i < G.length; i++) {
    if (h[i] >= 0 || !isZero(G[i])) continue;
    multipliers.inequality[i] = 1;
    return multipliers;
  }
  for (let i = 0; i < A.length; i++) {
    if (b[i] === 0 || !isZero(A[i])) continue;
    multipliers.equality[i] = -Math.sign(b[i]);
    return multipliers;
  }
  for (let j = 0; j < n; j++) {
    if (lb[j] <= ub[j]) continue;
    multipliers.lower[j] = 1;
    multipliers.upper[j] = 1;
    return multipliers;
  }
  return undefined;
}

/** Rows that say something: not zero, not switched off by h = Infinity. */
function generalRows({ n, G, h, A, b }: CheckedProblem): Row[] {
  const rows: Row[] = [];
  const collect = (kind: 'equality' | 'inequality', matrix: ArrayLike<ArrayLike<number>>, right: ArrayLike<number>) => {
    for (let index = 0; index < matrix.length; index++) {
      if (right[index] === Infinity || maxAbs(matrix[index], n) === 0) continue;
      rows.push({ ref: { kind, index }, coefficients: matrix[index], rightHandSide: right[index] });
    }
  };
  collect('equality', A, b);
  collect('inequality', G, h);
  return rows;
}

/**
 * P to a unit diagonal where it has curvature: within a factor of n the best conditioning that scaling can give it (van der Sluis, Numer.
 * Math. 14, 1969). Where it has none, columns of the constraints to a largest entry near one, by Ruiz' iteration on rows and columns.
 */
function equilibrate({ n, P }: CheckedProblem, rows: Row[]): Float64Array {
  const D = new Float64Array(n);
  for (let j = 0; j < n; j++) D[j] = P[j][j] > 0 ? 1 / Math.sqrt(P[j][j]) : 1;
  const E = new Float64Array(rows.length).fill(1);
  const column = new Float64Array(n);
  for (let pass = 0; pass < SCALING_PASSES; pass++) {
    column.fill(0);
    rows.forEach(({ coefficients }, i) => {
      let rowMax = 0;
      for (let j = 0; j < n; j++) {
        const size = (Math.abs(coefficients[j]) * D[j]) / E[i];
        column[j] = Math.max(column[j], size);
        rowMax = Math.max(rowMax, size);
      }
      E[i] *= Math.sqrt(rowMax);
    });
    for (let j = 0; j < n; j++) if (!(P[j][j] > 0) && column[j] > 0) D[j] /= Math.sqrt(column[j]);
  }
  return D.map(powerOfTwo);
}
