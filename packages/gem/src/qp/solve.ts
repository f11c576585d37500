/**
 * solveQP: convex quadratic programs to the last digits float64 holds, semidefinite ones included.
 *
 * The problem is checked, scaled (standard-form.ts) and factored; the work is done in proximal rounds of the dual active-set method
 * (proximal.ts, goldfarb-idnani.ts). A definite P needs no proximal weight and a semidefinite one the smallest that the factors can bear. Should
 * rounding defeat that, which takes constraints that are dependent to about 1e-9 and yet not quite, larger weights are tried: they make
 * the factors smaller and the rounds more, and the solutions are the same.
 *
 * It ends: each round is finite (see goldfarb-idnani.ts), rounds are capped, and steps are capped over all rounds.
 */

import { QPInputError } from '../errors.ts';
import type { Budget } from './goldfarb-idnani.ts';
import {
  checkProblem,
  type QPCertificate,
  type QPOptions,
  type QPProblem,
  type QPSolution,
  type QPStatus,
} from './problem.ts';
import { type ProximalOutcome, proximalRounds, type Solve } from './proximal.ts';
import { type Candidate, farkas, negativeCurvature, objectiveAt, originCandidate } from './report.ts';
import { findContradiction, toStandardForm } from './standard-form.ts';
import { EPS } from './vector.ts';
import { constraintsToStartFrom } from './warm-start.ts';
import { cholesky } from './working-set.ts';

/**
 * Below this Cholesky pivot (of a P scaled to a diagonal near 1) the problem is treated as semidefinite. A pivot p leaves rounding of EPS / p
 * in the later ones, so only pivots above sqrt(EPS) can be told from zero.
 */
const DEFINITE = 1e-7;
/** The proximal weights to try on that scale. The first is far above rounding (1e-16 n), far below the curvature of a definite problem. */
const WEIGHTS = [1e-10, 1e-6, 1e-2];

/**
 * Solves min 1/2 x'Px + q'x s.t. Gx <= h, Ax = b, lb <= x <= ub (shapes: see QPProblem). Never returns NaN, never mutates its input.
 *
 * - 'optimal': `kkt.relative` is at most `tolerance`, usually near 1e-16.
 * - 'infeasible', 'unbounded', 'not-convex': `certificate` is the proof. Non-convexity of P is reported even where constraints hide it.
 * - 'iteration-limit': `maxIterations` was reached, or rounding kept the residual above `tolerance` (that takes constraints a hair from
 *   dependent, and a tolerance or a scale beyond what float64 resolves there); x is the best iterate.
 *
 * @throws ShapeMismatchError, QPInputError naming the argument, row and column to blame
 */
export function solveQP(problem: QPProblem, options: QPOptions = {}): QPSolution {
  const checked = checkProblem(problem);
  const tolerance = positive('tolerance', options.tolerance ?? 1e-9);
  const maxIterations = positive('maxIterations', options.maxIterations ?? Infinity);
  const xScale = options.xScale ?? 0;
  if (!(xScale >= 0)) throw new QPInputError('xScale', `options.xScale is ${xScale}, expected a number >= 0`);
  const budget: Budget = { used: 0, limit: maxIterations };
  const trace: QPSolution['trace'] & object = [];
  const rounds: QPSolution['rounds'] & object = [];
  const finish = (status: QPStatus, answer: Candidate, proof?: QPCertificate): QPSolution => ({
    status,
    x: answer.x,
    objective: objectiveAt(checked, answer.x),
    multipliers: answer.multipliers,
    activeSet: answer.activeSet,
    iterations: budget.used,
    kkt: answer.kkt,
    ...(proof === undefined ? {} : { certificate: proof }),
    ...(options.trace === true ? { trace, rounds } : {}),
  });

  const origin = originCandidate(problem, checked);
  const form = toStandardForm(checked, xScale);
  const start = constraintsToStartFrom(form, options.warmStart);
  const contradiction = findContradiction(checked);
  if (contradiction !== undefined) return finish('infeasible', origin, farkas(checked, contradiction));
  const rounding = cholesky(form.P, form.n, 32 * EPS * form.n);
  if ('direction' in rounding) {
    return finish('not-convex', origin, negativeCurvature(checked, form, rounding.direction));
  }

  const recording = options.trace === true ? { trace, rounds } : undefined;
  const solve: Solve = { problem, checked, form, start, origin, tolerance, xScale, maxIterations, budget, recording };
  let best: ProximalOutcome = { status: 'iteration-limit', answer: origin };
  for (const weight of [0, ...WEIGHTS]) {
    const factor = cholesky(form.P, form.n, weight);
    if ('direction' in factor || (weight === 0 && factor.smallestPivot < DEFINITE)) continue;
    const outcome = proximalRounds(solve, factor.L, weight);
    if (outcome.status !== 'iteration-limit') return finish(outcome.status, outcome.answer, outcome.proof);
    if (best.answer === origin || outcome.answer.kkt.relative < best.answer.kkt.relative) best = outcome;
    if (budget.used >= maxIterations) break;
  }
  return finish(best.status, best.answer);
}

function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new QPInputError(name, `options.${name} is ${value}, expected a positive number`);
}
