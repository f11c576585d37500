/**
 * How the wide solver (wide-active-set.ts) is to read a problem's numbers: as they are, or as numbers that float64 has rounded. P = GG' may be
 * indefinite, or q = Gg fall where P is flat, by rounding alone; and rows that are meant to be one may differ in their last bits.
 */

import type { StandardForm } from './standard-form.ts';
import { EPS } from './vector.ts';
import { type WideArray, wideFrom } from './wide.ts';

/** Data of a problem that float64 does not hold, and the proximal weights to try on it. */
export interface WideData {
  readonly P: WideArray;
  readonly q: WideArray;
  readonly weights: readonly number[];
  /** Without a weight: the least Cholesky pivot of P that counts. */
  readonly smallestPivot: number;
  /** With a weight: how many rounds at most. */
  readonly rounds: number;
  /** Part of a normal that may be left outside of the others' span before it counts as independent; absent: the rounding of 32 digits. */
  readonly dependent?: number;
}

/** Rounds that take the pull of any of these weights out of the answer. */
export const WIDE_ROUNDS = 40;
/** A part of a normal that float64's rounding may have left outside of the others' span. */
export const ROUNDED_NORMAL = 2 ** -46;

/** As they are. The weights are for a P that is singular even so, or that the rounding of float64 made indefinite. */
export const asGiven = ({ P, q }: StandardForm): WideData => ({
  P: wideFrom(P),
  q: wideFrom(q),
  weights: [0, 1e-20, 1e-13],
  smallestPivot: 2 ** -76,
  rounds: WIDE_ROUNDS,
});

/**
 * P to its rounding, n eps on the scale of its diagonal: as it is where it has more curvature in every direction, and else with a weight of
 * that size. Three rounds take the weight out of what P determines; along what it does not, x stays as short as rounding lets it be.
 */
export const withRoundedP = ({ P, q, n }: StandardForm): WideData => ({
  P: wideFrom(P),
  q: wideFrom(q),
  weights: [0, n * EPS, 8 * n * EPS, 64 * n * EPS],
  smallestPivot: 32 * n * EPS,
  rounds: 3,
});

/**
 * The rows to their rounding: where they are dependent to that, they are dependent. The weight is large, so that L^-1 N is not much closer to
 * dependent than N.
 */
export const withRoundedRows = (form: StandardForm): WideData => ({
  ...asGiven(form),
  weights: [1e-2],
  dependent: ROUNDED_NORMAL,
});
