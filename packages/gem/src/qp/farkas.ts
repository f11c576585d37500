/**
 * The proof that constraints contradict each other. Farkas' lemma: no x satisfies  n_i'x >= d_i (= d_i for equalities)  if and only if there
 * are weights y, y_i >= 0 on inequalities, with
 *
 *     sum y_i n_i = 0   and   sum y_i d_i > 0.
 *
 * The dual active-set method meets them when a violated constraint's normal is a combination of the active ones, n_p = N r, with no r_k > 0
 * on an inequality: then y_p = 1 and y_k = -r_k. In float64 such weights prove something only beyond rounding, and that is checked.
 */

import { addRow, addRowTerms, type StandardForm } from './standard-form.ts';
import { EPS, maxAbs } from './vector.ts';
import type { WorkingSet } from './working-set.ts';

/**
 * Weights from constraint p (weight `sign`) and the active set, or undefined if they are no proof. Weights that are rounding themselves
 * only blur it, so it is tried without the small ones first.
 */
export function contradiction(
  form: StandardForm,
  working: WorkingSet,
  p: number,
  sign: 1 | -1,
  tolerance: number,
): ReadonlyMap<number, number> | undefined {
  const r = working.combination(p);
  return contradictionOf(form, p, sign, new Map(working.active.map((constraint, k) => [constraint, r[k]])), tolerance);
}

/**
 * The same for n_p = sum_k r_k n_k, given the r_k by constraint. `blur`: how well the normals are known, in units of their length; 0 if to
 * the last bit.
 */
export function contradictionOf(
  form: StandardForm,
  p: number,
  sign: 1 | -1,
  combination: ReadonlyMap<number, number>,
  tolerance: number,
  blur = 0,
): ReadonlyMap<number, number> | undefined {
  const largest = maxAbs([...combination.values()]);
  for (const negligible of [1e-10 * largest, 64 * EPS * largest]) {
    const weights = new Map<number, number>([[p, sign]]);
    for (const [constraint, r] of combination) {
      const weight = -sign * r;
      const isFree = form.isEquality[constraint] === 1;
      if (weight > negligible || (isFree && weight < -negligible)) weights.set(constraint, weight);
    }
    absorbIntoBounds(form, weights);
    if (isProof(form, weights, tolerance, blur)) return weights;
  }
  return undefined;
}

/**
 * What sum y_i n_i leaves over, and be it by rounding, is cancelled to the last bit wherever the variable has a bound on the right side: with
 * the weight that the leftover asks for, at the price that the bound asks of the gap.
 */
function absorbIntoBounds(form: StandardForm, weights: Map<number, number>): void {
  const { rowCount, variable, sign, isEquality } = form;
  const leftOver = new Float64Array(form.n);
  for (const [constraint, weight] of weights) if (constraint < rowCount) addRow(form, constraint, weight, leftOver);
  for (let k = 0; k < variable.length; k++) {
    const constraint = rowCount + k;
    const needed = -sign[k] * leftOver[variable[k]];
    if (needed > 0 || (needed !== 0 && isEquality[constraint] === 1)) weights.set(constraint, needed);
    else weights.delete(constraint);
  }
}

/**
 * Is sum y_i d_i > 0 by more than `tolerance` times its terms, and sum y_i n_i = 0 as closely, in each coordinate by itself? A single
 * coordinate left over would let a far enough x close the gap. A bound's weight is a difference of terms, and counts for as much as they do.
 */
function isProof(form: StandardForm, weights: ReadonlyMap<number, number>, tolerance: number, blur: number): boolean {
  const { rowCount, variable, rightHandSide } = form;
  const leftOver = new Float64Array(form.n);
  const terms = new Float64Array(form.n);
  for (const [constraint, weight] of weights) {
    addRow(form, constraint, weight, leftOver);
    addRowTerms(form, constraint, weight, terms);
  }
  let gap = 0;
  let gapTerms = 0;
  for (const [constraint, weight] of weights) {
    gap += weight * rightHandSide[constraint];
    const size = constraint < rowCount ? Math.abs(weight) : terms[variable[constraint - rowCount]];
    gapTerms += size * Math.abs(rightHandSide[constraint]);
  }
  const unknown = blur * maxAbs(terms);
  const cancels = leftOver.every((left, j) => Math.abs(left) <= Math.max(tolerance * terms[j], unknown));
  return cancels && gap > tolerance * gapTerms;
}
