/**
 * From a warm start to the constraints to begin with. The method may begin with any independent ones: those whose multipliers turn out
 * negative are dropped again. So a warm start can only save steps, and what is of no use in it (a constraint that this problem does not
 * have) is passed over.
 */

import { QPInputError, ShapeMismatchError } from '../errors.ts';
import type { ConstraintRef, QPVector, QPWarmStart } from './problem.ts';
import { rowDot, rowDotTerms, type StandardForm } from './standard-form.ts';

/** How nearly a constraint must hold with equality at x to be taken for active there, relative to its terms. */
const TIGHT = 1e-9;

/** @throws ShapeMismatchError, QPInputError for an x that is no point, or an active set that is no list of constraints. */
export function constraintsToStartFrom(
  form: StandardForm,
  warmStart: readonly ConstraintRef[] | QPWarmStart | undefined,
): number[] {
  if (warmStart === undefined) return [];
  const { activeSet, x } = Array.isArray(warmStart) ? { activeSet: warmStart } : (warmStart as QPWarmStart);
  if (activeSet !== undefined) return numbersOf(form, activeSet);
  return x === undefined ? [] : tightAt(form, x);
}

function numbersOf(form: StandardForm, wanted: readonly ConstraintRef[]): number[] {
  const key = ({ kind, index }: ConstraintRef): string => `${kind} ${index}`;
  const numbers = new Map(form.refs.map((ref, i) => [key(ref), i]));
  return Array.from(wanted, (ref: ConstraintRef | undefined, i) => {
    if (typeof ref?.kind === 'string' && Number.isInteger(ref.index)) return numbers.get(key(ref));
    const message = `activeSet[${i}] is ${JSON.stringify(ref)}, expected a constraint such as { kind: 'lower', index: 0 }`;
    throw new QPInputError('warmStart', message, { row: i });
  }).filter((i) => i !== undefined);
}

function tightAt(form: StandardForm, x: QPVector): number[] {
  const { n, count, variableScale, rightHandSide } = form;
  if (x.length !== n) {
    throw new ShapeMismatchError('solveQP', 'warmStart.x', x.length, n, `there are ${n} variables (the length of q)`);
  }
  const bad = Array.from(x).findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const message = `x[${bad}] is ${x[bad]}; every entry of x must be a finite number`;
    throw new QPInputError('warmStart', message, { row: bad });
  }
  const scaled = Float64Array.from(x, (value, j) => value / variableScale[j]);
  return Array.from({ length: count }, (_, i) => i).filter((i) => {
    const slack = Math.abs(rowDot(form, i, scaled) - rightHandSide[i]);
    return slack <= TIGHT * (rowDotTerms(form, i, scaled) + Math.abs(rightHandSide[i]));
  });
}
