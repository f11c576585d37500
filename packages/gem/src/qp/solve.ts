/**
 * solveQP: convex quadratic programs to the last digits float64 holds, semidefinite ones included.
 *
 * The problem is checked, scaled (standard-form.ts) and factored; the work is done in proximal rounds of the dual active-set method
 * (proximal.ts, goldfarb-idnani.ts). A definite P needs no proximal weight and a semidefinite one the smallest that the factors can bear. Should
 * rounding defeat that, which takes constraints that are dependent to about 1e-9 and yet not quite, the method is run again in numbers of 32
 * digits; and larger weights are tried: they make the factors smaller and the rounds more, and the solutions are the same.
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
import {
  type Candidate,
  farkas,
  negativeCurvature,
  objectiveAt,
  originCandidate,
  toMultipliers,
  wideCandidate,
} from './report.ts';
import { findContradiction, type StandardForm, toStandardForm } from './standard-form.ts';
import { EPS, maxAbs } from './vector.ts';
import { constraintsToStartFrom } from './warm-start.ts';
import { solveWide } from './wide-active-set.ts';
import { asGiven, type WideData, withRoundedP, withRoundedRows } from './wide-data.ts';
import { cholesky } from './working-set.ts';

/**
 * Below this Cholesky pivot (of a P scaled to a diagonal near 1) the problem is treated as semidefinite. A pivot p leaves rounding of EPS / p
 * in the later ones, so only pivots above sqrt(EPS) can be told from zero.
 */
const DEFINITE = 1e-7;
/** The proximal weights to try on that scale. The first is far above rounding (1e-16 n), far below the curvature of a definite problem. */
const WEIGHTS = [1e-10, 1e-6, 1e-2];
/**
 * There an answer may have no residual to speak of and yet an objective that is off by 1e-8. Then, and where rounding defeats the method,
 * it is run once more in numbers of 32 digits (wide-active-set.ts), in problems of up to so many variables and in so many steps.
 */
const BLURRED = 1e-13;
const WIDE_SIZE = 60;
const wideSteps = ({ n, count }: StandardForm): number => Math.min(3 * (n + count) + 100, 100 + 5e7 / n ** 3);

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
  const form = toStandardForm(checked, xScale);
  const budget: Budget = { used: 0, limit: maxIterations };
  const trace: QPSolution['trace'] & object = [];
  const rounds: QPSolution['rounds'] & object = [];
  const finish = (status: QPStatus, answer: Candidate, proof?: QPCertificate): QPSolution => ({
    status,
    x: answer.x,
    objective: objectiveAt(checked, form, answer.x),
    multipliers: answer.multipliers,
    activeSet: answer.activeSet,
    iterations: budget.used,
    kkt: answer.kkt,
    ...(proof === undefined ? {} : { certificate: proof }),
    ...(options.trace === true ? { trace, rounds } : {}),
  });

  const origin = originCandidate(checked);
  const start = constraintsToStartFrom(form, options.warmStart);
  const contradiction = findContradiction(checked);
  if (contradiction !== undefined) return finish('infeasible', origin, farkas(checked, contradiction));
  const rounding = cholesky(form.P, form.n, 32 * EPS * form.n);
  if ('direction' in rounding) {
    return finish('not-convex', origin, negativeCurvature(checked, form, rounding.direction));
  }

  const recording = options.trace === true ? { trace, rounds } : undefined;
  const solve: Solve = { checked, form, start, origin, tolerance, xScale, maxIterations, budget, recording };
  let best: ProximalOutcome = { status: 'iteration-limit', answer: origin };
  const isSmall = form.n <= WIDE_SIZE;
  const isUncertain = rounding.smallestPivot < DEFINITE && maxAbs(form.P) > 0;
  for (const weight of [0, ...WEIGHTS]) {
    const factor = cholesky(form.P, form.n, weight);
    if ('direction' in factor || (weight === 0 && factor.smallestPivot < DEFINITE)) continue;
    const isFirst = best.answer === origin;
    const outcome = proximalRounds(solve, factor.L, weight);
    if (isFirst || outcome.status !== 'iteration-limit' || isBetter(outcome.answer, best.answer)) best = outcome;
    if (budget.used >= maxIterations) break;
    const isStuck = best.status === 'iteration-limit';
    // No residual at all is a proof; next to none is not where curvature is low.
    const isDelicate = best.status === 'optimal' && best.answer.kkt.relative > (isUncertain ? 0 : BLURRED);
    // An answer that stands is refined as far as P is known: curvature below its rounding would only make noise.
    if (isSmall && isDelicate) best = widened(solve, best, withRoundedP(form));
    if (isSmall && isStuck && isFirst) best = widened(solve, best, asGiven(form));
    if (best.status !== 'iteration-limit') break;
  }
  const isStuck = best.status === 'iteration-limit' && budget.used < maxIterations;
  if (isSmall && isStuck) best = widened(solve, best, withRoundedRows(form));
  return finish(best.status, best.answer, best.proof);
}

const isBetter = (a: Candidate, b: Candidate): boolean => a.kkt.relative < b.kkt.relative;

/** What numbers of 32 digits make of an answer that is as good as float64 can tell, or none. */
function widened(
  { checked, form, tolerance, xScale }: Solve,
  before: ProximalOutcome,
  data: WideData,
): ProximalOutcome {
  const guess = constraintsToStartFrom(form, before.answer.activeSet);
  const outcome = solveWide(form, guess, tolerance, wideSteps(form), data);
  if (outcome === undefined) return before;
  if ('contradiction' in outcome) {
    if (before.status === 'optimal') return before;
    const multipliers = toMultipliers(
      checked,
      form,
      [...outcome.contradiction.keys()],
      [...outcome.contradiction.values()],
    );
    return { status: 'infeasible', answer: before.answer, proof: farkas(checked, multipliers) };
  }
  const answer = wideCandidate(checked, form, outcome, xScale);
  const isGood = answer.kkt.relative <= Math.max(before.answer.kkt.relative, (16 + 8 * form.n) * EPS);
  if (before.status === 'optimal') return isGood ? { ...before, answer } : before;
  if (answer.kkt.relative <= tolerance) return { status: 'optimal', answer };
  return isBetter(answer, before.answer) ? { ...before, answer } : before;
}

function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new QPInputError(name, `options.${name} is ${value}, expected a positive number`);
}
