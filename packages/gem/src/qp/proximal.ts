/**
 * The proximal point method over the dual active set.
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
 */

import { type Budget, DualActiveSet } from './goldfarb-idnani.ts';
import type { CheckedProblem, QPCertificate, QPStatus, QPTraceRound, QPTraceStep } from './problem.ts';
import { findConflict, findRay } from './recession.ts';
import { type Candidate, candidateOf, farkas, ray, toMultipliers, toTraceRound, toTraceStep } from './report.ts';
import { rowDot, type StandardForm } from './standard-form.ts';
import { dot, EPS, maxAbs } from './vector.ts';
import { WorkingSet } from './working-set.ts';

const MAX_ROUNDS = 100;
/** Rounds without a better answer before the loop believes that there is none: a ray or a tiny curvature takes its time to show. */
const PATIENCE = { definite: 3, semidefinite: 12 };
/** A relative KKT residual that rounding alone explains. */
const PERFECT = 2 * EPS;
/** Steps that a round may take which only refines an answer: where many active sets fit it to rounding, it could try them all. */
const REFINING_STEPS = 100;

/** What a call of solveQP is about, whatever weight it is tried with. */
export interface Solve {
  readonly checked: CheckedProblem;
  readonly form: StandardForm;
  /** Constraints to begin with. */
  readonly start: readonly number[];
  readonly origin: Candidate;
  readonly tolerance: number;
  readonly xScale: number;
  readonly maxIterations: number;
  readonly budget: Budget;
  readonly recording: { readonly trace: QPTraceStep[]; readonly rounds: QPTraceRound[] } | undefined;
}

export interface ProximalOutcome {
  readonly status: QPStatus;
  readonly answer: Candidate;
  readonly proof?: QPCertificate;
}

/** Rounds with LL' = P + rho I until the answer is as good as it gets. */
export function proximalRounds(solve: Solve, L: Float64Array, rho: number): ProximalOutcome {
  const { checked, form, start, origin, tolerance, xScale, budget, recording } = solve;
  const limit = Math.min(solve.maxIterations, budget.used + 50 * (form.n + form.count) + 1000);
  budget.limit = limit;
  const firstRound = recording?.rounds.length ?? 0;
  let round = 0;
  const solver = new DualActiveSet(form, new WorkingSet(form, L, rho), budget, tolerance, (step) => {
    recording?.trace.push(toTraceStep(checked, form, step, budget.used, firstRound + round));
  });
  const infeasible = (answer: Candidate, weights: ReadonlyMap<number, number>): ProximalOutcome => {
    const multipliers = toMultipliers(checked, form, [...weights.keys()], [...weights.values()]);
    return { status: 'infeasible', answer, proof: farkas(checked, multipliers) };
  };
  const unbounded = (answer: Candidate, direction: Float64Array): ProximalOutcome => {
    const conflict = findConflict(form, tolerance);
    return conflict ? infeasible(answer, conflict) : { status: 'unbounded', answer, proof: ray(form, direction) };
  };
  const impossible = solver.start(start);
  if (impossible !== undefined) return infeasible(origin, impossible);

  const patience = rho === 0 ? PATIENCE.definite : PATIENCE.semidefinite;
  let best = origin;
  let stale = 0;
  let centre: Float64Array = new Float64Array(form.n);
  for (; round < MAX_ROUNDS && stale < patience; round++) {
    if (round > 0 && best.kkt.relative <= tolerance) budget.limit = Math.min(limit, budget.used + REFINING_STEPS);
    recording?.rounds.push(toTraceRound(form, firstRound + round, budget.used, centre, rho, solver.active));
    const outcome = solver.solve(centre, gradientAt(form, centre));
    const answer = candidateOf(checked, form, solver, xScale);
    if (typeof outcome === 'object') return infeasible(answer, outcome.contradiction);
    stale = round > 0 && answer.kkt.relative > 0.5 * best.kkt.relative ? stale + 1 : 0;
    const { move } = solver;
    // Residuals in the caller's units do not see a small variable's: there the weight may still pull.
    const isSettled = rho * maxAbs(move) <= EPS * Math.max(maxAbs(solver.x), maxAbs(form.q));
    const isAsGood = answer.kkt.relative <= (rho === 0 ? 0 : PERFECT);
    if (round === 0 || isAsGood || answer.kkt.relative < best.kkt.relative) best = answer;
    if (outcome === 'iteration-limit' || (isSettled && best.kkt.relative <= PERFECT)) break;

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
      if (direction !== undefined) return unbounded(answer, direction);
    }
  }
  const isGood = best.kkt.relative <= tolerance;
  // Far out on a ray the rounding of Px is as large as q, and any point looks stationary.
  const isClear = best.kkt.stationarity <= tolerance * maxAbs(checked.q);
  if (isGood && isClear) return { status: 'optimal', answer: best };
  const direction = rho === 0 ? undefined : findRay(form, tolerance);
  if (direction !== undefined) return unbounded(best, direction);
  return { status: isGood ? 'optimal' : 'iteration-limit', answer: best };
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
