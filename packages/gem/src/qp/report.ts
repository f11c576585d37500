/** From the solver's scaled constraint numbers back to the caller's words: candidates, certificates and trace steps. */

import type { DualActiveSet, DualStep } from './goldfarb-idnani.ts';
import { residualsAt } from './kkt.ts';
import {
  type CheckedProblem,
  type ConstraintRef,
  constraintKinds,
  type KKTResiduals,
  type QPCertificate,
  type QPMultipliers,
  type QPTraceRound,
  type QPTraceStep,
  zeroMultipliers,
} from './problem.ts';
import type { StandardForm } from './standard-form.ts';
import { EPS, maxAbs } from './vector.ts';
import { by, put, wideDot, wideFrom, wideZeros } from './wide.ts';
import type { WideAnswer } from './wide-active-set.ts';

/** An answer and its grade. */
export interface Candidate {
  readonly x: number[];
  readonly multipliers: QPMultipliers;
  readonly activeSet: ConstraintRef[];
  readonly kkt: KKTResiduals;
}

/** The origin inside the bounds, where nothing is known yet. */
export function originCandidate(checked: CheckedProblem): Candidate {
  const { n, lb, ub } = checked;
  const x = Array.from({ length: n }, (_, j) => (lb[j] <= ub[j] ? clamp(0, lb[j], ub[j]) : 0));
  const multipliers = zeroMultipliers(checked);
  return { x, multipliers, activeSet: [], kkt: residualsAt(checked, x, multipliers) };
}

/**
 * The solver's present point. Rounding may leave a variable a hair outside of its bounds; on them it is just as exact. And an entry below
 * the rounding of what x was computed from (x itself, and the scale of H^-1 q, with |H| near 1) may be the zero that it looks like; so may
 * a multiplier that balances no more than the pull of the proximal weights, rho |x - c|, or than rounding. The reading with the smallest residual stands.
 */
export function candidateOf(
  checked: CheckedProblem,
  form: StandardForm,
  solver: DualActiveSet,
  xScale: number,
): Candidate {
  const { lb, ub } = checked;
  const activeSet = sortedRefs(form, solver.active);
  const read = (smallestX: number, smallestMultiplier: number): Candidate => {
    const x = Array.from(solver.x, (value, j) =>
      clamp(Math.abs(value) > smallestX ? value * form.variableScale[j] : 0, lb[j], ub[j]),
    );
    const values = solver.multipliers.map((value) => (Math.abs(value) > smallestMultiplier ? value : 0));
    const multipliers = toMultipliers(checked, form, solver.active, values);
    return { x, multipliers, activeSet, kkt: residualsAt(checked, x, multipliers, xScale) };
  };
  const noise = form.n * EPS * Math.max(maxAbs(solver.x), maxAbs(form.q));
  const pull = Math.max(4 * form.n * solver.rho * maxAbs(solver.move), EPS * maxAbs(solver.x));
  const isBelow = (values: ArrayLike<number>, limit: number): boolean =>
    Array.from(values).some((value) => value !== 0 && Math.abs(value) <= limit);
  const smallestX = isBelow(solver.x, noise) ? [0, noise] : [0];
  const smallestMultiplier = isBelow(solver.multipliers, pull) ? [0, pull] : [0];
  return smallestX
    .flatMap((x) => smallestMultiplier.map((multiplier) => read(x, multiplier)))
    .reduce((best, candidate) => (candidate.kkt.relative < best.kkt.relative ? candidate : best));
}

function clamp(value: number, lower: number, upper: number): number {
  return Math.min(Math.max(value, lower), upper);
}

/** The caller's multipliers from scaled ones: y and bounds as they are, w with its sign turned, a fixed variable's by its sign. */
export function toMultipliers(
  checked: CheckedProblem,
  form: StandardForm,
  active: readonly number[],
  values: readonly number[],
): QPMultipliers {
  const multipliers = zeroMultipliers(checked);
  active.forEach((constraint, k) => {
    const { kind, index } = form.refs[constraint];
    const value = values[k] * form.multiplierScale[constraint];
    if (kind === 'equality') multipliers.equality[index] = -value;
    else if (form.isEquality[constraint] === 1 && value < 0) multipliers.upper[index] = -value;
    else multipliers[kind][index] = value;
  });
  return multipliers;
}

/** The wide solver's answer, in the caller's words. */
export function wideCandidate(
  checked: CheckedProblem,
  form: StandardForm,
  answer: WideAnswer,
  xScale: number,
): Candidate {
  const { lb, ub } = checked;
  const noise = 2 ** -90 * maxAbs(answer.x.hi);
  const x = Array.from(answer.x.hi, (value, j) =>
    clamp(Math.abs(value) > noise ? value * form.variableScale[j] : 0, lb[j], ub[j]),
  );
  // Of the proximal weight's pull, or of rounding, multipliers must not fall below zero.
  const values = answer.multipliers.map((u, k) => (form.isEquality[answer.active[k]] === 1 ? u : Math.max(0, u)));
  const multipliers = toMultipliers(checked, form, answer.active, values);
  const activeSet = sortedRefs(form, answer.active);
  return { x, multipliers, activeSet, kkt: residualsAt(checked, x, multipliers, xScale) };
}

function sortedRefs(form: StandardForm, active: readonly number[]): ConstraintRef[] {
  const rank = ({ kind }: ConstraintRef): number => constraintKinds.indexOf(kind);
  return active.map((i) => form.refs[i]).sort((a, b) => rank(a) - rank(b) || a.index - b.index);
}

/**
 * 1/2 x'Px + q'x, by terms that may be far larger than it is: where P is ill-conditioned they cancel, so they are summed wide, and scaled, so
 * that their products stay in range.
 */
export function objectiveAt({ n, P, q }: CheckedProblem, form: StandardForm, x: readonly number[]): number {
  const scaled = wideFrom(x.map((value, j) => value / form.variableScale[j]));
  const [scaledP, scaledQ] = [wideFrom(form.P), wideFrom(form.q)];
  const bent = wideZeros(n);
  for (let i = 0; i < n; i++) put(bent, i, by([0.5, 0], wideDot(scaledP, i * n, scaled, 0, n)));
  const value = wideDot(scaled, 0, bent, 0, n, wideDot(scaled, 0, scaledQ, 0, n))[0] / form.costScale;
  if (Number.isFinite(value)) return value;
  let objective = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j < n; j++) row += P[i][j] * x[j];
    objective += x[i] * (0.5 * row + q[i]);
  }
  return objective;
}

/** Farkas multipliers, scaled to a largest entry of 1, with the gap they leave. */
export function farkas({ h, b, lb, ub }: CheckedProblem, multipliers: QPMultipliers): QPCertificate {
  const largest = Math.max(...constraintKinds.map((kind) => maxAbs(multipliers[kind])));
  const [equality, inequality, lower, upper] = constraintKinds.map((kind) =>
    multipliers[kind].map((value) => value / largest),
  );
  const product = (weights: number[], values: ArrayLike<number>): number =>
    weights.reduce((sum, weight, i) => (weight === 0 ? sum : sum + weight * values[i]), 0);
  const gap = product(lower, lb) - product(upper, ub) - product(inequality, h) - product(equality, b);
  return { kind: 'infeasible', multipliers: { inequality, equality, lower, upper }, gap };
}

export function ray(form: StandardForm, scaled: Float64Array): QPCertificate {
  return { kind: 'unbounded', direction: toDirection(form, scaled) };
}

export function negativeCurvature({ n, P }: CheckedProblem, form: StandardForm, scaled: Float64Array): QPCertificate {
  const direction = toDirection(form, scaled);
  let curvature = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) curvature += direction[i] * P[i][j] * direction[j];
  return { kind: 'not-convex', direction, curvature };
}

/** In the caller's units, largest entry 1, free of entries that are only rounding. */
function toDirection(form: StandardForm, scaled: Float64Array): number[] {
  const negligible = EPS * maxAbs(scaled);
  const direction = Array.from(scaled, (value, j) =>
    Math.abs(value) > negligible ? value * form.variableScale[j] : 0,
  );
  const size = maxAbs(direction);
  return direction.map((value) => value / size);
}

export function toTraceStep(
  checked: CheckedProblem,
  form: StandardForm,
  step: DualStep,
  iteration: number,
  round: number,
): QPTraceStep {
  const ref = (constraint: number | null): ConstraintRef | null => (constraint === null ? null : form.refs[constraint]);
  // A step is a length of the entering multiplier, and has its units.
  const unit = step.entering === null ? 1 : form.multiplierScale[step.entering];
  const length = (value: number): number | null => (value === Infinity ? null : value * unit);
  const active = [...step.active];
  const multipliers = [...step.multipliers];
  if (step.entering !== null && step.added === null) {
    active.push(step.entering);
    multipliers.push(step.enteringMultiplier);
  }
  return {
    iteration,
    round,
    entering: ref(step.entering),
    dualStep: length(step.dualStep),
    primalStep: length(step.primalStep),
    step: step.step * unit,
    added: ref(step.added),
    dropped: ref(step.dropped),
    x: Array.from(step.x, (value, j) => value * form.variableScale[j]),
    multipliers: toMultipliers(checked, form, active, multipliers),
    activeSet: step.active.map((constraint) => form.refs[constraint]),
  };
}

/** rho/2 |x^ - c^|^2 of the scaled problem is 1/2 sum_j w_j (x_j - c_j)^2 of the caller's, w_j = rho / (s D_j^2). */
export function toTraceRound(
  form: StandardForm,
  round: number,
  iteration: number,
  centre: Float64Array,
  rho: number,
  active: readonly number[],
): QPTraceRound {
  const { variableScale, costScale, refs } = form;
  return {
    round,
    iteration,
    centre: Array.from(centre, (value, j) => value * variableScale[j]),
    weights: Array.from(variableScale, (scale) => rho / costScale / scale / scale),
    activeSet: active.map((constraint) => refs[constraint]),
  };
}
