/**
 * The dual active-set method of Goldfarb and Idnani (Mathematical Programming 27, 1983, pp. 1-33) for a strictly convex problem
 *
 *     min f(x) = 1/2 (x - c)'H(x - c) + g'(x - c)   subject to   n_i'x >= d_i  (or = d_i),     H = LL' positive definite.
 *
 * The idea: the minimum of f without constraints is known, so start there and let the violated constraints in, one at a time. Throughout,
 * (x, A) is a *solution pair*: x minimises f subject to the active constraints A alone, with multipliers u >= 0. To let a violated
 * constraint p in, raise its multiplier u_p from 0 by t. Stationarity H(x - c) + g = N u + u_p n_p then moves
 *
 *     x by t z,   z = J2 J2' n_p  (free directions: the active constraints stay active),      u by -t r,   r = R^-1 J1' n_p.
 *
 *   - primal step  t2 = (d_p - n_p'x) / z'n_p : p becomes satisfied; it joins A.          (t2 = infinity when z = 0)
 *   - dual step    t1 = min u_k / r_k, r_k > 0 : a multiplier reaches zero; k leaves A, and p is tried again.
 *   - neither: n_p = N r with r <= 0, so  n_p'x >= d_p  contradicts the active constraints: -r and 1 are Farkas multipliers.
 *
 * Every constraint that joins raises f strictly, and f is determined by A, so no A comes back: the method ends. In float64 an A that does
 * come back therefore proves that rounding has taken over, and so does an endless tour of new ones; the feasibility tolerance is then
 * raised, so the method ends there as well.
 */

import { contradiction } from './farkas.ts';
import { rowDot, rowDotTerms, type StandardForm } from './standard-form.ts';
import { EPS, maxAbs, norm, sumAbs } from './vector.ts';
import type { WorkingSet } from './working-set.ts';

/** What one inner step did, in scaled coordinates; `x` and `multipliers` are the solver's own arrays and must be copied to be kept. */
export interface DualStep {
  readonly entering: number | null;
  readonly dualStep: number;
  readonly primalStep: number;
  readonly step: number;
  readonly added: number | null;
  readonly dropped: number | null;
  readonly x: Float64Array;
  readonly active: readonly number[];
  readonly multipliers: readonly number[];
  /** The multiplier of `entering` while it is not yet in the active set. */
  readonly enteringMultiplier: number;
}

/** Steps taken, over all rounds of a solve, and how many may be. */
export interface Budget {
  used: number;
  limit: number;
}

/** Steps for each variable and constraint after which a round that has not ended is believed to wander about in its rounding. */
const PATIENCE = 4;

/** `contradiction`: see farkas.ts. */
export type DualOutcome = 'optimal' | 'iteration-limit' | { readonly contradiction: ReadonlyMap<number, number> };

export class DualActiveSet {
  x: Float64Array;
  /** x - c, without the rounding of that difference; valid when `solve` has returned 'optimal'. */
  move: Float64Array;
  /** u, in the order of `working.active`. */
  multipliers: number[] = [];
  private readonly form: StandardForm;
  private readonly working: WorkingSet;
  private readonly budget: Budget;
  private readonly tolerance: number;
  private readonly record: ((step: DualStep) => void) | undefined;
  private readonly isActive: Uint8Array;
  /** Violations up to this are known to be rounding: those of redundant constraints that contradict the active ones by less than `tolerance`. */
  private readonly tolerated: Float64Array;
  /** The largest row sum of |P|. */
  private readonly sizeOfP: number;
  private readonly visited = new Set<string>();
  private centre: Float64Array;
  private gradient: Float64Array;
  private feasibility: number;
  /** x and u come straight from the factors, with no steps accumulated since. */
  private isFresh = false;
  /** The largest |x| since then: the steps' rounding is proportional to it. */
  private peak = 0;

  constructor(
    form: StandardForm,
    working: WorkingSet,
    budget: Budget,
    tolerance: number,
    record: ((step: DualStep) => void) | undefined = undefined,
  ) {
    this.form = form;
    this.working = working;
    this.budget = budget;
    this.tolerance = tolerance;
    this.record = record;
    this.isActive = new Uint8Array(form.count);
    this.tolerated = new Float64Array(form.count);
    this.x = new Float64Array(form.n);
    this.move = this.x;
    this.centre = this.x;
    this.gradient = this.x;
    this.sizeOfP = 0;
    for (let i = 0; i < form.n; i++) {
      this.sizeOfP = Math.max(this.sizeOfP, sumAbs(form.P.subarray(i * form.n, (i + 1) * form.n)));
    }
    this.feasibility = 8 * EPS * Math.sqrt(form.n + 4);
  }

  /**
   * Makes all equalities active, then as many of `guess` as are independent. Returns the contradiction if the equalities have one.
   * A dependent equality that agrees with the others is redundant and needs no further thought.
   */
  start(guess: readonly number[]): ReadonlyMap<number, number> | undefined {
    const { form, working } = this;
    const redundant: number[] = [];
    for (let i = 0; i < form.count; i++) {
      if (form.isEquality[i] === 1 && !this.addIfIndependent(i)) redundant.push(i);
    }
    this.refresh();
    for (const i of redundant) {
      this.isActive[i] = 1;
      const residual = rowDot(form, i, this.x) - form.rightHandSide[i];
      const proof = contradiction(form, working, i, residual > 0 ? -1 : 1, this.tolerance);
      if (proof !== undefined) return proof;
    }
    for (const i of guess) if (this.isActive[i] === 0) this.addIfIndependent(i);
    return undefined;
  }

  /** Sets c and g (the gradient of f at c), keeps the active set as far as its multipliers stay nonnegative, and solves. */
  solve(centre: Float64Array, gradient: Float64Array): DualOutcome {
    this.centre = centre;
    this.gradient = gradient;
    this.visited.clear();
    this.refresh();
    for (;;) {
      const entering = this.mostViolated();
      if (entering === undefined) {
        if (this.isFresh) return 'optimal';
        this.refresh();
        continue;
      }
      const outcome = this.enter(entering);
      if (outcome !== undefined) return outcome;
    }
  }

  /** The active constraints, in the order of `multipliers`. */
  get active(): readonly number[] {
    return this.working.active;
  }

  /** The proximal weight, 0 if there is none. */
  get rho(): number {
    return this.working.rho;
  }

  private enter(entering: number): DualOutcome | undefined {
    const { form, working, multipliers } = this;
    let enteringMultiplier = 0;
    for (;;) {
      if (this.budget.used >= this.budget.limit) return 'iteration-limit';
      const d = working.transformNormal(entering);
      const r = working.solveR(d);
      const blocking = this.blockingMultiplier(r);
      const dualStep = blocking === undefined ? Infinity : multipliers[blocking] / r[blocking];
      const free = norm(d, working.active.length);
      const violation = Math.max(0, form.rightHandSide[entering] - rowDot(form, entering, this.x));
      let primalStep = working.isDependent(d, r) ? Infinity : violation / (free * free);
      if (blocking === undefined && primalStep === Infinity) {
        const proof = contradiction(form, working, entering, 1, this.tolerance);
        if (proof !== undefined) return { contradiction: proof };
        // No proof, so rounding is at work: that of the steps, then that of the verdict "dependent", then that of redundant constraints.
        if (!this.isFresh) {
          this.restart();
          return undefined;
        }
        if (free <= 4 * EPS * norm(d) * (1 + sumAbs(r))) {
          this.tolerated[entering] = 2 * violation;
          return undefined;
        }
        primalStep = violation / (free * free);
      }

      const step = Math.min(dualStep, primalStep);
      if (primalStep < Infinity) {
        const z = working.freeDirection(d);
        for (let j = 0; j < form.n; j++) this.x[j] += step * z[j];
      }
      for (let k = 0; k < multipliers.length; k++) multipliers[k] = this.clip(k, multipliers[k] - step * r[k]);
      enteringMultiplier += step;
      this.isFresh = false;
      this.budget.used++;

      const joins = primalStep <= dualStep;
      const dropped = joins ? null : this.drop(blocking as number);
      if (joins) this.add(entering, d, enteringMultiplier);
      this.record?.({
        entering,
        dualStep,
        primalStep,
        step,
        added: joins ? entering : null,
        dropped,
        x: this.x,
        active: working.active,
        multipliers,
        enteringMultiplier,
      });
      if (joins) {
        this.guardAgainstRounding();
        return undefined;
      }
    }
  }

  /** The position of the multiplier that reaches zero first; among ties the one that falls fastest. */
  private blockingMultiplier(r: Float64Array): number | undefined {
    const { working, multipliers, form } = this;
    const negligible = 16 * EPS * maxAbs(r);
    let blocking: number | undefined;
    let smallest = Infinity;
    for (let k = 0; k < r.length; k++) {
      if (r[k] <= negligible || form.isEquality[working.active[k]] === 1) continue;
      const ratio = multipliers[k] / r[k];
      if (ratio < smallest || (ratio === smallest && r[k] > r[blocking as number])) {
        blocking = k;
        smallest = ratio;
      }
    }
    return blocking;
  }

  /**
   * The constraint that x violates most, beyond what rounding explains: that of n'x, and that of x, which is as large in every direction as
   * in the largest.
   */
  private mostViolated(): number | undefined {
    const { form, x } = this;
    const size = Math.max(maxAbs(x), form.xScale);
    let worst: number | undefined;
    let largest = 0;
    for (let i = 0; i < form.count; i++) {
      if (this.isActive[i] === 1) continue;
      const violation = form.rightHandSide[i] - rowDot(form, i, x);
      if (violation <= largest || violation <= this.tolerated[i]) continue;
      if (violation <= this.feasibility * (Math.abs(form.rightHandSide[i]) + rowDotTerms(form, i, x) + size)) continue;
      worst = i;
      largest = violation;
    }
    return worst;
  }

  /** Gives up on the entering constraint for now and starts again from the active set alone. */
  private restart(): void {
    this.budget.used++;
    this.refresh(true);
  }

  /** x and u from the factors; constraints whose multipliers are negative there leave, the most negative first. */
  private refresh(isStep = false): void {
    const { working, form } = this;
    let dropped: number | null = null;
    for (;;) {
      const { move, multipliers } = working.subspaceMinimum(this.gradient, working.activeSlack(this.centre));
      this.move = move;
      this.x = move.map((step, j) => this.centre[j] + step);
      // N u balances Px + q, which is known to rounding: a multiplier below that is none.
      const noise = EPS * (this.sizeOfP * maxAbs(this.x) + maxAbs(form.q));
      this.multipliers = Array.from(multipliers, (u) => (Math.abs(u) > noise ? u : 0));
      this.isFresh = true;
      this.peak = maxAbs(this.x);
      if (isStep || dropped !== null) this.recordRestart(dropped);
      const negligible = this.feasibility * maxAbs(multipliers) + noise;
      let lowest: number | undefined;
      for (let k = 0; k < multipliers.length; k++) {
        if (form.isEquality[working.active[k]] === 1 || multipliers[k] >= -negligible) continue;
        if (lowest === undefined || multipliers[k] < multipliers[lowest]) lowest = k;
      }
      if (lowest === undefined) break;
      this.budget.used++;
      dropped = this.drop(lowest);
    }
    this.multipliers = this.multipliers.map((u, k) => this.clip(k, u));
  }

  private recordRestart(dropped: number | null): void {
    this.record?.({
      entering: null,
      dualStep: 0,
      primalStep: Infinity,
      step: 0,
      added: null,
      dropped,
      x: this.x,
      active: this.working.active,
      multipliers: this.multipliers,
      enteringMultiplier: 0,
    });
  }

  private guardAgainstRounding(): void {
    const size = maxAbs(this.x);
    this.peak = Math.max(this.peak, size);
    // x has shrunk so far that the rounding of the steps, proportional to what x was, shows: take it from the factors instead.
    if (size < 1e-4 * this.peak) this.refresh();
    const key = [...this.working.active].sort((a, b) => a - b).join();
    if (this.visited.has(key) || this.visited.size > PATIENCE * (this.form.n + this.form.count)) {
      this.feasibility *= 8;
      this.visited.clear();
    }
    this.visited.add(key);
  }

  private clip(position: number, multiplier: number): number {
    return this.form.isEquality[this.working.active[position]] === 1 ? multiplier : Math.max(0, multiplier);
  }

  private add(constraint: number, d: Float64Array, multiplier: number): void {
    this.working.add(constraint, d);
    this.multipliers.push(multiplier);
    this.isActive[constraint] = 1;
  }

  private addIfIndependent(constraint: number): boolean {
    const d = this.working.transformNormal(constraint);
    if (this.working.isDependent(d, this.working.solveR(d))) return false;
    this.add(constraint, d, 0);
    return true;
  }

  private drop(position: number): number {
    const constraint = this.working.active[position];
    this.working.drop(position);
    this.multipliers.splice(position, 1);
    this.isActive[constraint] = 0;
    return constraint;
  }
}
