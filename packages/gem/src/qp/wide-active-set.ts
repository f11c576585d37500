/**
 * The dual active-set method once more (see goldfarb-idnani.ts), plainly and in numbers of 32 digits. Where normals are a hair from dependent
 * or P a hair from singular, float64 cannot tell which constraints belong to the answer, or how good an answer is; here a problem may be
 * conditioned like 1e20 and still be answered to the last digit that float64 holds. It costs some thirty times as much, so it is asked only then.
 *
 * No factor is updated: with H = P + rho I = LL', W = L^-1 N over the active normals and W = QR by Gram-Schmidt,
 *
 *     y = L'(x - c) = Q a - (I - QQ') L^-1 g,   R'a = slack,   R u = a + Q' L^-1 g,
 *
 * is the minimum on the active set, and with g - t n_p for g the one in which the entering constraint p pulls with multiplier t.
 */

import { contradictionOf } from './farkas.ts';
import type { StandardForm } from './standard-form.ts';
import { maxAbs, sumAbs } from './vector.ts';
import {
  at,
  by,
  minus,
  over,
  plus,
  put,
  root,
  solveLower,
  solveUpper,
  type Wide,
  type WideArray,
  wideAdd,
  wideCholesky,
  wideCopy,
  wideDot,
  wideFrom,
  wideZeros,
} from './wide.ts';
import { ROUNDED_NORMAL, type WideData } from './wide-data.ts';

/** Unit roundoff of a wide number, with room for sums. */
const WIDE_EPS = 2 ** -100;
/** A violation relative to its terms that is worth an active-set step. */
const FEASIBLE = 2 ** -80;
/** Part of a normal that may be left outside of the others' span before it counts as independent. */
const DEPENDENT = 2 ** -84;
/** How far an inequality gives way at first where it contradicts others, relative to its terms; then twice as far each time. */
const GIVE = 2 ** -48;

export interface WideAnswer {
  readonly x: WideArray;
  /** Constraints and their multipliers, equalities' of either sign. */
  readonly active: readonly number[];
  readonly multipliers: readonly number[];
  /** x came from a proximal round with this weight. */
  readonly rho: number;
}

export type WideOutcome = WideAnswer | { readonly contradiction: ReadonlyMap<number, number> } | undefined;

/** `guess`: constraints to begin with. `steps`: how many it may take. Undefined if even this does not get there. */
export function solveWide(
  form: StandardForm,
  guess: readonly number[],
  tolerance: number,
  steps: number,
  data: WideData,
): WideOutcome {
  for (const rho of data.weights) {
    const L = wideCholesky(data.P, form.n, rho, rho === 0 ? data.smallestPivot : rho / 4);
    if (L === undefined) continue;
    const outcome = new WideActiveSet(form, data, L, rho, tolerance, steps).solve(guess);
    if (outcome !== undefined) return outcome;
  }
  return undefined;
}

class WideActiveSet {
  private readonly form: StandardForm;
  private readonly data: WideData;
  private readonly L: WideArray;
  private readonly rho: number;
  private readonly tolerance: number;
  private readonly sizeOfP: number;
  private readonly rows: WideArray;
  /** Part of a normal outside of the others' span that makes it independent. */
  private readonly dependent: number;
  private stepsLeft: number;
  private give = GIVE;
  private readonly active: number[] = [];
  /** Equalities that follow from others. */
  private readonly redundant = new Set<number>();
  /** The d_i, reconciled. */
  private readonly right: WideArray;
  /** L^-1 n_i of the constraints met so far. */
  private readonly columns = new Map<number, WideArray>();
  /** Q's columns, and R's, for the active set. */
  private Q: WideArray[] = [];
  private R: WideArray[] = [];
  private centre: WideArray;
  /** L^-1 (Pc + q). */
  private pull: WideArray;
  private move: WideArray;
  private x: WideArray;
  private u: Wide[] = [];

  constructor(form: StandardForm, data: WideData, L: WideArray, rho: number, tolerance: number, steps: number) {
    this.form = form;
    this.data = data;
    this.sizeOfP = maxAbs(data.P.hi) * form.n;
    this.L = L;
    this.rho = rho;
    this.tolerance = tolerance;
    this.dependent = data.dependent ?? DEPENDENT;
    this.stepsLeft = steps;
    this.rows = wideFrom(form.rows);
    this.right = wideFrom(form.rightHandSide);
    this.centre = wideZeros(form.n);
    this.pull = this.centre;
    this.move = this.centre;
    this.x = this.centre;
  }

  solve(guess: readonly number[]): WideOutcome {
    const { form, tolerance } = this;
    this.setCentre(wideZeros(form.n));
    const equalities = Array.from({ length: form.count }, (_, i) => i).filter((i) => form.isEquality[i] === 1);
    for (const i of equalities) if (!this.addIfIndependent(i, ROUNDED_NORMAL)) this.redundant.add(i);
    this.minimum();
    for (const i of this.redundant) {
      const [violation] = this.violation(i);
      const isMet = Math.abs(violation) <= 0.01 * tolerance * (Math.abs(form.rightHandSide[i]) + maxAbs(this.x.hi));
      // Not what others say: then it says something of its own, if in the last bits of its normal.
      if (isMet) continue;
      if (this.addIfIndependent(i)) {
        this.redundant.delete(i);
        continue;
      }
      const contradiction = this.contradiction(i, violation > 0 ? 1 : -1, this.solveR(this.split(this.column(i)).d));
      if (contradiction !== undefined) return { contradiction };
    }
    for (const i of guess) if (!this.active.includes(i) && !this.redundant.has(i)) this.addIfIndependent(i);
    for (let round = 0; round < this.data.rounds; round++) {
      const outcome = this.round();
      if (outcome !== 'optimal') return outcome;
      const settled = maxAbs(this.move.hi) <= 2 ** -84 * maxAbs(this.x.hi);
      if (this.rho === 0 || settled) return this.answer();
      this.setCentre(wideCopy(this.x));
    }
    return this.answer();
  }

  private answer(): WideAnswer | undefined {
    const answer = { x: this.x, active: this.active, multipliers: this.u.map(([hi]) => hi), rho: this.rho };
    return [...answer.x.hi, ...answer.multipliers].every(Number.isFinite) ? answer : undefined;
  }

  private setCentre(centre: WideArray): void {
    const { n } = this.form;
    const { P, q } = this.data;
    this.centre = centre;
    this.pull = wideZeros(n);
    for (let i = 0; i < n; i++) put(this.pull, i, wideDot(P, i * n, centre, 0, n, at(q, i)));
    solveLower(this.L, n, this.pull);
  }

  private round(): 'optimal' | { readonly contradiction: ReadonlyMap<number, number> } | undefined {
    this.dualFeasible();
    for (let p = this.mostViolated(); p !== undefined; p = this.mostViolated()) {
      const outcome = this.enter(p);
      if (outcome !== 'entered') return outcome;
    }
    return 'optimal';
  }

  /** x and u from the active set, which loses those whose multipliers are negative. */
  private dualFeasible(): void {
    this.minimum();
    for (let lowest = this.mostNegative(); lowest !== undefined; lowest = this.mostNegative()) {
      this.drop(lowest);
      this.minimum();
    }
  }

  private enter(p: number): 'entered' | { readonly contradiction: ReadonlyMap<number, number> } | undefined {
    const w = this.column(p);
    let t: Wide = [0, 0];
    for (;;) {
      if (this.stepsLeft-- <= 0) return undefined;
      const { d, rest } = this.split(w);
      const r = this.solveR(d);
      const free = wideDot(rest, 0, rest, 0, this.form.n);
      const isDependent = this.isDependent(free[0], w, r, this.dependent);
      const violation = this.violation(p);
      let blocking: number | undefined;
      let step: Wide | undefined;
      this.u.forEach((u, k) => {
        if (this.form.isEquality[this.active[k]] === 1 || !(r[k][0] > 0)) return;
        const ratio = over(u, r[k]);
        if (step !== undefined && minus(ratio, step)[0] >= 0) return;
        step = ratio;
        blocking = k;
      });
      if (isDependent && step === undefined) {
        const contradiction = this.contradiction(p, 1, r);
        if (contradiction !== undefined) return { contradiction };
        if (!this.reconcile(p, r, violation)) return undefined;
        this.dualFeasible();
        return 'entered';
      }
      const full = isDependent ? undefined : over(violation, free);
      if (full !== undefined && (step === undefined || minus(full, step)[0] <= 0)) {
        this.append(p, d, rest, free);
        this.minimum();
        // The others' multipliers were kept at zero or above by the length of the step, up to rounding.
        this.u = this.u.map((u, k) => (u[0] < 0 && this.form.isEquality[this.active[k]] === 0 ? [0, 0] : u));
        return 'entered';
      }
      t = plus(t, step!);
      this.drop(blocking!);
      this.minimum(p, t);
      this.u = this.u.map((u, k) => (u[0] < 0 && this.form.isEquality[this.active[k]] === 0 ? [0, 0] : u));
    }
  }

  /** The proof that p, n_p = N r, and the active constraints contradict each other. */
  private contradiction(p: number, sign: 1 | -1, r: readonly Wide[]): ReadonlyMap<number, number> | undefined {
    const weights = new Map(this.active.map((constraint, k): [number, number] => [constraint, r[k][0]]));
    return contradictionOf(this.form, p, sign, weights, this.tolerance, this.data.dependent ?? 0);
  }

  /**
   * Constraints that contradict each other by no more than the rounding of their right-hand sides are meant to hold together. With
   * n_p = N r that is d_p - r'd > 0. The inequalities among them give way first, by what nobody would call a violation, then all of them by one
   * small part of their terms; false if it is no small part.
   */
  private reconcile(p: number, r: readonly Wide[], [gap]: Wide): boolean {
    const { form, right, x } = this;
    const size = maxAbs(x.hi);
    const involved = [p, ...this.active].map((i, k) => {
      const row = i < form.rowCount ? sumAbs(form.rows.subarray(i * form.n, (i + 1) * form.n)) : 1;
      return { i, weight: k === 0 ? 1 : -r[k - 1][0], terms: Math.abs(form.rightHandSide[i]) + row * size };
    });
    const shift = (part: number, which: typeof involved): number =>
      which.reduce((sum, { i, weight, terms }) => {
        put(right, i, minus(at(right, i), [Math.sign(weight) * part * terms, 0]));
        return sum + Math.abs(weight) * part * terms;
      }, 0);
    const left =
      gap -
      shift(
        this.give,
        involved.filter(({ i, weight }) => weight > 0 && form.isEquality[i] === 0),
      );
    this.give *= 2;
    const terms = involved.reduce((sum, { weight, terms: size }) => sum + Math.abs(weight) * size, 0);
    if (left > 0) shift((1 + 2 ** -20) * (left / terms), involved);
    const limit = 0.4 * this.tolerance;
    return involved.every(({ i, terms: size }) => Math.abs(right.hi[i] - form.rightHandSide[i]) <= limit * size);
  }

  /** x and u on the active set, with constraint p pulling with multiplier t. */
  private minimum(p?: number, t: Wide = [0, 0]): void {
    const { n } = this.form;
    const pull = wideCopy(this.pull);
    if (p !== undefined) wideAdd(pull, 0, [-t[0], -t[1]], this.column(p), 0, n);
    const along = this.split(pull);
    const y = wideZeros(n);
    wideAdd(y, 0, [-1, 0], along.rest, 0, n);
    const a: Wide[] = [];
    this.active.forEach((constraint, k) => {
      let slack = this.violation(constraint, this.centre);
      for (let j = 0; j < k; j++) slack = minus(slack, by(at(this.R[k], j), a[j]));
      a.push(over(slack, at(this.R[k], k)));
      wideAdd(y, 0, a[k], this.Q[k], 0, n);
    });
    this.u = this.solveR(a.map((value, k) => plus(value, along.d[k])));
    solveUpper(this.L, n, y);
    this.move = y;
    this.x = wideCopy(this.centre);
    wideAdd(this.x, 0, [1, 0], y, 0, n);
  }

  private mostNegative(): number | undefined {
    const largest = Math.max(0, ...this.u.map(([hi]) => Math.abs(hi)));
    // N u balances Px + q, which is known to rounding.
    const noise = WIDE_EPS * (largest + this.sizeOfP * maxAbs(this.x.hi) + maxAbs(this.data.q.hi));
    let lowest: number | undefined;
    this.u.forEach(([hi], k) => {
      if (this.form.isEquality[this.active[k]] === 1 || hi >= -noise) return;
      if (lowest === undefined || hi < this.u[lowest][0]) lowest = k;
    });
    return lowest;
  }

  private mostViolated(): number | undefined {
    const { form, right } = this;
    const size = maxAbs(this.x.hi);
    let worst: number | undefined;
    let largest = 0;
    for (let i = 0; i < form.count; i++) {
      if (this.redundant.has(i) || this.active.includes(i)) continue;
      const [violation] = this.violation(i);
      if (violation <= largest || violation <= FEASIBLE * (Math.abs(right.hi[i]) + size)) continue;
      worst = i;
      largest = violation;
    }
    return worst;
  }

  /** d_i - n_i'x. */
  private violation(i: number, x: WideArray = this.x): Wide {
    const { right } = this;
    const { n, rowCount, variable, sign } = this.form;
    if (i >= rowCount) {
      const [hi, lo] = at(x, variable[i - rowCount]);
      const s = -sign[i - rowCount];
      return plus(at(right, i), [s * hi, s * lo]);
    }
    return minus(at(right, i), wideDot(this.rows, i * n, x, 0, n));
  }

  private column(i: number): WideArray {
    const known = this.columns.get(i);
    if (known !== undefined) return known;
    const { n, rowCount, variable, sign } = this.form;
    const w = i < rowCount ? wideCopy(this.rows, i * n, (i + 1) * n) : wideZeros(n);
    if (i >= rowCount) w.hi[variable[i - rowCount]] = sign[i - rowCount];
    solveLower(this.L, n, w);
    this.columns.set(i, w);
    return w;
  }

  /** Q'w and w - QQ'w, by two passes of Gram-Schmidt. */
  private split(w: WideArray): { d: Wide[]; rest: WideArray } {
    const { n } = this.form;
    const rest = wideCopy(w);
    const d = this.Q.map((): Wide => [0, 0]);
    for (let pass = 0; pass < 2; pass++) {
      this.Q.forEach((q, k) => {
        const share = wideDot(q, 0, rest, 0, n);
        wideAdd(rest, 0, [-share[0], -share[1]], q, 0, n);
        d[k] = plus(d[k], share);
      });
    }
    return { d, rest };
  }

  private solveR(d: readonly Wide[]): Wide[] {
    const r = [...d];
    for (let k = r.length - 1; k >= 0; k--) {
      r[k] = over(r[k], at(this.R[k], k));
      for (let i = 0; i < k; i++) r[i] = minus(r[i], by(r[k], at(this.R[k], i)));
    }
    return r;
  }

  private isDependent(free: number, w: WideArray, r: readonly Wide[], part: number): boolean {
    const { n } = this.form;
    const sizes = this.active.map((i) => maxAbs(this.column(i).hi));
    const terms = r.reduce((sum, [hi], k) => sum + Math.abs(hi) * sizes[k], maxAbs(w.hi));
    return Math.sqrt(Math.max(0, free)) <= part * n * terms;
  }

  private addIfIndependent(i: number, part = this.dependent): boolean {
    const w = this.column(i);
    const { d, rest } = this.split(w);
    const free = wideDot(rest, 0, rest, 0, this.form.n);
    if (this.isDependent(free[0], w, this.solveR(d), part)) return false;
    this.append(i, d, rest, free);
    return true;
  }

  private append(i: number, d: readonly Wide[], rest: WideArray, free: Wide): void {
    const { n } = this.form;
    const length = root(free);
    const q = wideZeros(n);
    wideAdd(q, 0, over([1, 0], length), rest, 0, n);
    const column = wideZeros(d.length + 1);
    [...d, length].forEach((value, k) => {
      put(column, k, value);
    });
    this.active.push(i);
    this.Q.push(q);
    this.R.push(column);
  }

  private drop(position: number): void {
    const after = this.active.splice(position).slice(1);
    this.Q = this.Q.slice(0, position);
    this.R = this.R.slice(0, position);
    for (const i of after) {
      const { d, rest } = this.split(this.column(i));
      this.append(i, d, rest, wideDot(rest, 0, rest, 0, this.form.n));
    }
  }
}
