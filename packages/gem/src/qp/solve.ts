/**
 * solveQP: convex quadratic programs to the last digits float64 holds, semidefinite ones included.
 *
 * Goldfarb-Idnani needs a positive definite Hessian. A semidefinite P (the GEM dual's GG' with repeated or opposed rows; a linear program
 * is P = 0) is served by the proximal point method: from a centre c, solve the strictly convex
 *
 *     x+ = argmin 1/2 x'Px + q'x + rho/2 |x - c|^2   over the same constraints,      c := x+.
 *
 * Its fixed points are exactly the solutions of the problem itself, so nothing is perturbed, whatever rho is (Rockafellar, SIAM J. Control
 * Optim. 14, 1976; on a dual active set: Arnstrom, Bemporad & Axehill, IEEE TAC 67, 2022). The stationarity residual that is left is
 * rho (x+ - c). An error along a direction of curvature lambda shrinks by rho / (rho + lambda) per round; where the objective falls along
 * a flat direction without end, x+ - c turns into that ray, which then proves that the problem is unbounded. Each round starts from the
 * active set of the last one and so costs a few O(n^2) operations. After it the objective is followed along x+ - c to its minimum there
 * or to the first constraint, which makes linear programs end in a step or two.
 *
 * Each round is posed in x - c with the gradient Pc + q recomputed from the data: with rho = 0 the very same loop is iterative
 * refinement, and removes the rounding of the factors. The answer is the round with the smallest KKT residual.
 *
 * It ends: each round is finite (see goldfarb-idnani.ts), rounds are capped, and steps are capped over all rounds.
 */

import { QPInputError } from '../errors.ts';
import { type Budget, DualActiveSet } from './goldfarb-idnani.ts';
import {
  type CheckedProblem,
  checkProblem,
  type QPCertificate,
  type QPOptions,
  type QPProblem,
  type QPSolution,
  type QPStatus,
  type QPTraceStep,
} from './problem.ts';
import { findRay } from './recession.ts';
import {
  type Candidate,
  candidateOf,
  farkas,
  findConstraints,
  negativeCurvature,
  objectiveAt,
  originCandidate,
  ray,
  toMultipliers,
  toTraceStep,
} from './report.ts';
import { findContradiction, rowDot, type StandardForm, toStandardForm } from './standard-form.ts';
import { dot, EPS, maxAbs } from './vector.ts';
import { cholesky, WorkingSet } from './working-set.ts';

/**
 * Below this Cholesky pivot (of a P scaled to a diagonal near 1) the problem is treated as semidefinite. A pivot p leaves rounding of EPS / p
 * in the later ones, so only pivots above sqrt(EPS) can be told from zero.
 */
const DEFINITE = 1e-7;
/** The proximal weight on that scale: far above rounding (1e-16 n), far below the curvature of a definite problem. */
const PROXIMAL_WEIGHT = 1e-10;
const MAX_ROUNDS = 100;
/** Rounds without a better answer before the loop believes that there is none: a ray or a tiny curvature takes its time to show. */
const PATIENCE = { definite: 3, semidefinite: 12 };
/** A relative KKT residual that rounding alone explains. */
const PERFECT = 2 * EPS;

/**
 * Solves min 1/2 x'Px + q'x s.t. Gx <= h, Ax = b, lb <= x <= ub (shapes: see QPProblem). Never returns NaN, never mutates its input.
 *
 * - 'optimal': `kkt.relative` is at most `tolerance`, usually near 1e-16.
 * - 'infeasible', 'unbounded', 'not-convex': `certificate` is the proof. Non-convexity of P is reported even where constraints hide it.
 * - 'iteration-limit': `maxIterations` was reached, or rounding kept the residual above `tolerance`; x is the best iterate.
 *
 * @throws ShapeMismatchError, QPInputError naming the argument, row and column to blame
 */
export function solveQP(problem: QPProblem, options: QPOptions = {}): QPSolution {
  const checked = checkProblem(problem);
  const tolerance = positive('tolerance', options.tolerance ?? 1e-9);
  const maxIterations = positive('maxIterations', options.maxIterations ?? Infinity);
  const xScale = options.xScale ?? 0;
  if (!(xScale >= 0)) throw new QPInputError('xScale', `options.xScale is ${xScale}, expected a number >= 0`);
  const trace: QPTraceStep[] | undefined = options.trace === true ? [] : undefined;
  const finish = (status: QPStatus, answer: Candidate, iterations: number, proof?: QPCertificate): QPSolution => ({
    status,
    x: answer.x,
    objective: objectiveAt(checked, answer.x),
    multipliers: answer.multipliers,
    activeSet: answer.activeSet,
    iterations,
    kkt: answer.kkt,
    ...(proof === undefined ? {} : { certificate: proof }),
    ...(trace === undefined ? {} : { trace }),
  });

  const origin = originCandidate(problem, checked);
  const contradiction = findContradiction(checked);
  if (contradiction !== undefined) return finish('infeasible', origin, 0, farkas(checked, contradiction));
  const factored = factor(checked, xScale);
  if ('proof' in factored) return finish('not-convex', origin, 0, factored.proof);
  const { form, rho, L } = factored;

  const budget: Budget = { used: 0, limit: Math.min(maxIterations, 50 * (form.n + form.count) + 1000) };
  let round = 0;
  const solver = new DualActiveSet(form, new WorkingSet(form, L, rho), budget, tolerance, (step) => {
    trace?.push(toTraceStep(checked, form, step, budget.used, round));
  });
  const toFarkas = (weights: ReadonlyMap<number, number>): QPCertificate =>
    farkas(checked, toMultipliers(checked, form, [...weights.keys()], [...weights.values()]));
  const impossible = solver.start(findConstraints(form, options.warmStart ?? []));
  if (impossible !== undefined) return finish('infeasible', origin, budget.used, toFarkas(impossible));

  const patience = rho === 0 ? PATIENCE.definite : PATIENCE.semidefinite;
  let best = origin;
  let stale = 0;
  let centre: Float64Array = new Float64Array(form.n);
  for (; round < MAX_ROUNDS && stale < patience; round++) {
    const outcome = solver.solve(centre, gradientAt(form, centre));
    const answer = candidateOf(problem, checked, form, solver, xScale);
    if (typeof outcome === 'object') {
      return finish('infeasible', answer, budget.used, toFarkas(outcome.contradiction));
    }
    stale = round > 0 && answer.kkt.relative > 0.5 * best.kkt.relative ? stale + 1 : 0;
    if (round === 0 || answer.kkt.relative < best.kkt.relative) best = answer;
    if (outcome === 'iteration-limit' || best.kkt.relative <= PERFECT) break;

    const { move } = solver;
    centre = solver.x.slice();
    // The first centre, the origin, need not be feasible, so the first move says nothing about descent.
    if (rho === 0 || round === 0) continue;
    const length = descentLength(form, centre, move);
    if (length < Infinity) {
      for (let j = 0; j < form.n; j++) centre[j] += length * move[j];
      // Still far off and getting on: a linear program walks from constraint to constraint here.
      if (length > 1 && best.kkt.relative > tolerance) stale = 0;
    } else {
      const direction = findRay(form, tolerance);
      if (direction !== undefined) return finish('unbounded', answer, budget.used, ray(form, direction));
    }
  }
  if (best.kkt.relative <= tolerance) return finish('optimal', best, budget.used);
  const direction = rho === 0 ? undefined : findRay(form, tolerance);
  if (direction !== undefined) return finish('unbounded', best, budget.used, ray(form, direction));
  return finish('iteration-limit', best, budget.used);
}

/** The scaling and factor to work with: P itself where it is definite, P + rho I where it is semidefinite to rounding. */
function factor(
  checked: CheckedProblem,
  xScale: number,
): { form: StandardForm; rho: number; L: Float64Array } | { proof: QPCertificate } {
  const { n } = checked;
  const form = toStandardForm(checked, xScale);
  const definite = cholesky(form.P, n, 0);
  if ('L' in definite && definite.smallestPivot >= DEFINITE) return { form, rho: 0, L: definite.L };
  const rounding = cholesky(form.P, n, 32 * EPS * n);
  if ('direction' in rounding) return { proof: negativeCurvature(checked, form, rounding.direction) };
  const regularised = cholesky(form.P, n, PROXIMAL_WEIGHT);
  if ('direction' in regularised) return { proof: negativeCurvature(checked, form, regularised.direction) };
  return { form, rho: PROXIMAL_WEIGHT, L: regularised.L };
}

/** How much further along `move` the objective falls: to its minimum there, or to the first constraint; Infinity along a ray of descent. */
function descentLength(form: StandardForm, x: Float64Array, move: Float64Array): number {
  const { n, P } = form;
  const slope = dot(gradientAt(form, x), 0, move, 0, n);
  if (slope >= 0) return 0;
  let curvature = 0;
  for (let i = 0; i < n; i++) curvature += move[i] * dot(P, i * n, move, 0, n);
  const negligible = 32 * EPS * n * maxAbs(move);
  let length = curvature <= negligible * maxAbs(move) ? Infinity : -slope / curvature;
  for (let i = 0; i < form.count; i++) {
    const rate = rowDot(form, i, move);
    if (rate >= -negligible || form.isEquality[i] === 1) continue;
    length = Math.min(length, Math.max(0, (form.rightHandSide[i] - rowDot(form, i, x)) / rate));
  }
  return length;
}

/** Px + q. */
function gradientAt(form: StandardForm, x: Float64Array): Float64Array {
  return form.q.map((q, i) => q + dot(form.P, i * form.n, x, 0, form.n));
}

function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new QPInputError(name, `options.${name} is ${value}, expected a positive number`);
}
