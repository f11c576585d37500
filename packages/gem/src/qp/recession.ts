/**
 * Is a feasible convex problem unbounded below? It is if and only if there is a ray of descent
 *
 *     d :  Pd = 0,   q'd < 0,   n_i'd >= 0  (= 0 for equalities),
 *
 * and the projection of -q onto the cone of those d (without q'd < 0) decides: it is 0 if there is none, and else itself the steepest
 * ray, as q'd = -|d|^2. That projection is one more strictly convex problem, min 1/2 |d + q|^2, for the same dual active-set method.
 * Source: Rockafellar, Convex Analysis, sections 8 and 27; the dichotomy for quadratics is the Frank-Wolfe theorem (1956).
 */

import { DualActiveSet } from './goldfarb-idnani.ts';
import type { ConstraintRef } from './problem.ts';
import { rowDot, type StandardForm } from './standard-form.ts';
import { dot, EPS, maxAbs, norm } from './vector.ts';
import { WorkingSet } from './working-set.ts';

/**
 * A P that was summed in float64 is known to rounding only: along d it may have a curvature c <= eps |d|'|P||d| that it does not show. Where that
 * would already stop the descent at a distance below this (in units of |q| / |P|), d is no proof. GEM's dual, P = GG' and q = Gg, always has a
 * minimum and yet |q'd| = |g'(G'd)| up to |g| sqrt(c), 1e8 such units if |q| is |g||G|; this leaves |q| room to be a hundredth of that. A P
 * that is exactly flat along d hides nothing.
 */
const FAR = 1e10;

/** The steepest ray of descent, largest entry 1, in scaled coordinates; undefined if the objective is bounded below. */
export function findRay(form: StandardForm, tolerance: number): Float64Array | undefined {
  const { n, q } = form;
  const cone = recessionCone(form);
  const steepest = project(cone, q, tolerance);
  if (steepest === undefined || maxAbs(steepest) <= 64 * EPS * n * maxAbs(q)) return undefined;
  // The projection is a difference of numbers as large as q. Projecting it once more makes it accurate relative to itself.
  const size = maxAbs(steepest);
  const ray = project(
    cone,
    steepest.map((value) => -value / size),
    tolerance,
  );
  return ray !== undefined && isRay(form, ray, tolerance) ? ray.map((value) => value / maxAbs(ray)) : undefined;
}

/**
 * Weights of constraints that contradict one another, undefined if a point fulfils all: asked of the point nearest to the origin, since
 * far out along a ray a violation is lost in rounding.
 */
export function findConflict(form: StandardForm, tolerance: number): ReadonlyMap<number, number> | undefined {
  const { n } = form;
  const nearest = { ...form, P: identity(n), xScale: 0 };
  const solver = new DualActiveSet(nearest, new WorkingSet(nearest, nearest.P, 0), patient(nearest), tolerance);
  const ofEqualities = solver.start([]);
  if (ofEqualities !== undefined) return ofEqualities;
  const outcome = solver.solve(new Float64Array(n), new Float64Array(n));
  return typeof outcome === 'object' ? outcome.contradiction : undefined;
}

/** argmin 1/2 |d|^2 + g'd over the cone. */
function project(cone: StandardForm, g: Float64Array, tolerance: number): Float64Array | undefined {
  const { n } = cone;
  const solver = new DualActiveSet(cone, new WorkingSet(cone, cone.P, 0), patient(cone), tolerance);
  if (solver.start([]) !== undefined) return undefined;
  return solver.solve(new Float64Array(n), g) === 'optimal' ? solver.x : undefined;
}

function isRay(form: StandardForm, d: Float64Array, tolerance: number): boolean {
  const { n, P, q } = form;
  const size = maxAbs(d);
  if (!(size > 0.5)) return false;
  let curvature = 0;
  let rounding = 0;
  for (let i = 0; i < n; i++) {
    const bend = dot(P, i * n, d, 0, n);
    if (Math.abs(bend) > tolerance * size) return false;
    curvature += d[i] * bend;
    for (let j = 0; j < n; j++) rounding += Math.abs(d[i] * P[i * n + j] * d[j]);
  }
  for (let i = 0; i < form.count; i++) {
    const rate = rowDot(form, i, d);
    if (rate < -tolerance * size || (form.isEquality[i] === 1 && rate > tolerance * size)) return false;
  }
  const descent = -dot(q, 0, d, 0, n);
  return descent > FAR * maxAbs(q) * (Math.max(0, curvature) + EPS * rounding);
}

/** The same constraints with right-hand sides 0, the rows of P as further equalities, and the identity for a Hessian. */
function recessionCone(form: StandardForm): StandardForm {
  const { n, P, rows, rowCount } = form;
  const curved: number[] = [];
  for (let i = 0; i < n; i++) if (norm(P, i * n, (i + 1) * n) > EPS * n) curved.push(i);
  const count = curved.length;
  const coneRows = new Float64Array((count + rowCount) * n);
  curved.forEach((i, k) => {
    const length = norm(P, i * n, (i + 1) * n);
    for (let j = 0; j < n; j++) coneRows[k * n + j] = P[i * n + j] / length;
  });
  coneRows.set(rows, count * n);
  const isEquality = new Uint8Array(count + form.count).fill(1, 0, count);
  isEquality.set(form.isEquality, count);
  const curvatureRefs: ConstraintRef[] = curved.map((index) => ({ kind: 'equality', index }));
  return {
    ...form,
    P: identity(n),
    xScale: maxAbs(form.q),
    count: count + form.count,
    rowCount: count + rowCount,
    rows: coneRows,
    rightHandSide: new Float64Array(count + form.count),
    isEquality,
    refs: [...curvatureRefs, ...form.refs],
  };
}

function identity(n: number): Float64Array {
  const I = new Float64Array(n * n);
  for (let i = 0; i < n; i++) I[i * n + i] = 1;
  return I;
}

const patient = ({ n, count }: StandardForm) => ({ used: 0, limit: 50 * (n + count) + 1000 });
