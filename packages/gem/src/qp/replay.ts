/**
 * The solver's trace, checked by other means. A trace claims that after each step x minimises the round's objective with the active
 * constraints met and the entering constraint's multiplier at t, the sum of its steps so far (subproblem.ts). So the decisions alone,
 * what was added and dropped and the step lengths, determine every iterate: here each is computed anew from them and compared.
 *
 * What a step says about itself is checked too: that the entering constraint was violated, that one added is met with equality, and that the
 * multiplier of one dropped has reached zero.
 */

import { TraceMismatchError } from '../errors.ts';
import {
  type CheckedProblem,
  type ConstraintRef,
  checkProblem,
  constraintKinds,
  type QPMultipliers,
  type QPProblem,
  type QPSolution,
  type QPTraceRound,
  type QPTraceStep,
} from './problem.ts';
import { normalOf, Subproblem, type SubproblemSolution } from './subproblem.ts';
import { dot } from './vector.ts';

export interface QPReplay {
  /** How many steps were checked. */
  readonly iterations: number;
  /** The last iterate, n. */
  readonly x: number[];
  readonly activeSet: ConstraintRef[];
  /** The largest difference between the trace and what was computed here, relative to the sizes at that step. */
  readonly deviation: number;
}

export interface QPReplayOptions {
  /**
   * The largest relative deviation to accept. Default 1e-3: rounding makes 1e-16 times condition numbers, and where P is semidefinite that of
   * P + diag(weights) is 1e10 or more.
   */
  readonly tolerance?: number | undefined;
}

/**
 * Computes every iterate of a traced solution anew and compares: `replayTrace(problem, solveQP(problem, { trace: true }))`.
 * @throws TraceMismatchError naming the first step that does not fit; QPInputError, ShapeMismatchError as solveQP does
 */
export function replayTrace(
  problem: QPProblem,
  { trace, rounds }: Pick<QPSolution, 'trace' | 'rounds'>,
  { tolerance = 1e-3 }: QPReplayOptions = {},
): QPReplay {
  if (trace === undefined || rounds === undefined) {
    throw new TraceMismatchError(0, 'the trace', 'missing', 'an answer of solveQP(problem, { trace: true })');
  }
  const replay = new Replay(checkProblem(problem), tolerance);
  rounds.forEach((round, i) => {
    replay.begin(round);
    for (const step of trace.slice(round.iteration, rounds[i + 1]?.iteration)) replay.follow(step);
  });
  return replay.result();
}

/** Largest |x_j| that counts as something beside nothing: keeps 0 / 0 out. */
const TINY = Number.MIN_VALUE;

/**
 * A step that makes x shorter leaves the rounding of what it was, until the solver takes x from its factors again: it does once x has shrunk
 * by 1e4, but not in the middle of letting a constraint in, which may take two or three steps.
 */
const MEMORY = 1e-2;

class Replay {
  private readonly problem: CheckedProblem;
  private readonly tolerance: number;
  private subproblem!: Subproblem;
  private active: ConstraintRef[] = [];
  private entering: ConstraintRef | null = null;
  /** t. */
  private multiplier = 0;
  private x: Float64Array = new Float64Array(0);
  /** The rounding in x is proportional to this: how large x has been lately. */
  private size = 0;
  private iteration = 0;
  private deviation = 0;

  constructor(problem: CheckedProblem, tolerance: number) {
    this.problem = problem;
    this.tolerance = tolerance;
  }

  result(): QPReplay {
    const { iteration, x, active, deviation } = this;
    return { iterations: iteration, x: Array.from(x), activeSet: active, deviation };
  }

  begin(round: QPTraceRound): void {
    this.subproblem = new Subproblem(this.problem, round);
    this.active = [...round.activeSet];
    this.enter(null);
    this.x = this.minimum().x;
    this.size = this.subproblem.sizeOf(this.x);
  }

  follow(step: QPTraceStep): void {
    this.iteration++;
    this.same('iteration', step.iteration, this.iteration);
    const { entering, dropped } = step;
    if (entering === null) {
      this.enter(null);
      if (dropped !== null) this.drop(dropped);
      this.compare(step, this.minimum());
    } else {
      if (this.entering === null || !sameConstraint(this.entering, entering)) {
        this.enter(entering);
        this.small('slack of the entering constraint', Math.max(0, this.slackOf(entering)));
      }
      this.move(step, entering);
    }
    this.same('activeSet', JSON.stringify(step.activeSet), JSON.stringify(this.active));
  }

  private move(step: QPTraceStep, entering: ConstraintRef): void {
    const { dualStep, primalStep, added, dropped } = step;
    this.same('step', step.step, Math.min(dualStep ?? Infinity, primalStep ?? Infinity));
    this.same('added or dropped', added === null, dropped !== null);
    this.multiplier += step.step;
    this.same(
      `the multiplier of ${nameOf(entering)}`,
      step.multipliers[entering.kind][entering.index],
      this.multiplier,
    );
    if (added !== null) {
      this.same('added', nameOf(added), nameOf(entering));
      this.active.push(added);
      this.enter(null);
      this.compare(step, this.minimum());
    } else if (dropped !== null) {
      this.compare(step, this.minimum());
      this.drop(dropped);
    }
  }

  private enter(entering: ConstraintRef | null): void {
    this.entering = entering;
    this.multiplier = 0;
  }

  private drop(dropped: ConstraintRef): void {
    const at = this.active.findIndex((ref) => sameConstraint(ref, dropped));
    this.same('dropped is an active constraint', at >= 0, true);
    this.active.splice(at, 1);
  }

  private minimum(): SubproblemSolution {
    return this.subproblem.minimum(this.active, this.entering, this.multiplier);
  }

  /** The recorded x and multipliers against those computed here. */
  private compare({ x, multipliers }: QPTraceStep, solution: SubproblemSolution): void {
    const { problem, active, entering } = this;
    this.same('the length of x', x.length, problem.n);
    const { subproblem } = this;
    const difference = subproblem.sizeOf(solution.x.map((value, j) => value - x[j]));
    this.small('x', difference / Math.max(subproblem.sizeOf(solution.x), solution.reach, TINY));
    this.x = Float64Array.from(x);
    this.size = Math.max(subproblem.sizeOf(x), MEMORY * this.size);
    for (const ref of active) this.small(`the slack of ${nameOf(ref)}`, Math.abs(this.slackOf(ref)));

    // Of nearly dependent normals the multipliers are not well determined one by one; the force that they exert together is. One
    // that was just dropped is among them, and zero in the trace.
    const differences = active.map((ref, k) => signedMultiplier(problem, multipliers, ref) - solution.multipliers[k]);
    this.small('the multipliers', subproblem.forceOf(active, differences) / Math.max(solution.force, TINY));
    const atWork = new Set([...active, ...(entering === null ? [] : [entering])].map(nameOf));
    for (const kind of constraintKinds) {
      multipliers[kind].forEach((value, index) => {
        const isAtWork = atWork.has(nameOf({ kind, index })) || (kind === 'upper' && isFixed(problem, index));
        if (!isAtWork) this.same(`the multiplier of ${nameOf({ kind, index })}`, value, 0);
      });
    }
  }

  /** n'x - d, relative to what its terms would be were all of x as large as its largest entry. */
  private slackOf(ref: ConstraintRef): number {
    const { normal, right } = normalOf(this.problem, ref);
    const { lengths } = this.subproblem;
    const terms = normal.reduce((sum, value, j) => sum + Math.abs(value / lengths[j]) * this.size, Math.abs(right));
    return (dot(normal, 0, this.x, 0, normal.length) - right) / Math.max(terms, TINY);
  }

  private small(what: string, deviation: number): void {
    if (!(deviation <= this.tolerance)) {
      throw new TraceMismatchError(this.iteration, `the deviation in ${what}`, deviation, `at most ${this.tolerance}`);
    }
    this.deviation = Math.max(this.deviation, deviation);
  }

  private same<T>(what: string, found: T, expected: T): void {
    if (found !== expected) throw new TraceMismatchError(this.iteration, what, String(found), String(expected));
  }
}

const nameOf = ({ kind, index }: ConstraintRef): string => `${kind} ${index}`;
const sameConstraint = (a: ConstraintRef, b: ConstraintRef): boolean => a.kind === b.kind && a.index === b.index;
const isFixed = ({ lb, ub }: CheckedProblem, index: number): boolean => lb[index] === ub[index];

/** The multiplier of n'x >= d: that of an equality has the other sign, and one constraint stands for both bounds of a fixed variable. */
function signedMultiplier(problem: CheckedProblem, multipliers: QPMultipliers, { kind, index }: ConstraintRef): number {
  const value = multipliers[kind][index];
  if (kind === 'equality') return -value;
  return kind === 'lower' && isFixed(problem, index) ? value - multipliers.upper[index] : value;
}
