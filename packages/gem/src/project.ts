/**
 * The projection at the heart of GEM (Lopez-Paz & Ranzato 2017, eq. 9-12). Given the gradient g and the memories' gradients as rows g_k of G,
 *
 *     z = argmin 1/2 |z - g|^2   subject to   <z, g_k> >= 0 for all k,
 *
 * whose dual has one variable per memory:  min 1/2 v'GG'v + (Gg)'v,  v >= 0,  z = G'v + g.  It is solved only if some <g, g_k> < 0;
 * otherwise z = g.
 *
 * With the rows at hand the exact profile never forms GG', which would square the condition number. In an orthonormal basis Q of the rows'
 * span the problem is  min 1/2 |y - Q'g|^2,  (Q'g_k)'y >= 0:  the identity for a Hessian and the v as multipliers. z = g + Q(y - Q'g) then
 * keeps <z, g_k> at rounding even where v is huge (nearly opposed rows) or not unique (repeated ones). Rows and g are scaled to length
 * one first: the projection does not depend on the rows' lengths. The other profiles are defined by the dual and solve it (gem-dual.ts).
 */

import { projectWide } from './cone-wide.ts';
import { ProjectionFailedError, ShapeMismatchError } from './errors.ts';
import { type DualAnswer, type DualProjection, noResiduals, type ProjectionOptions, solveDual } from './gem-dual.ts';
import { resolveProfile } from './profiles.ts';
import { kktResiduals } from './qp/kkt.ts';
import type { KKTResiduals } from './qp/problem.ts';
import { solveQP } from './qp/solve.ts';
import { addScaled, dot, norm } from './qp/vector.ts';
import {
  clampFinite,
  combine,
  coordinatesOf,
  cosine,
  innerProduct,
  lengthOf,
  orthonormalSpan,
  type ScaledVector,
  scaleRows,
  scaleVector,
  unscale,
  wantArray,
} from './row-geometry.ts';

export { type DualProjection, type ProjectionOptions, type ProjectionStep, projectFromGram } from './gem-dual.ts';

/** Plain, JSON-serialisable data; t rows of length p. `gram` and `dots` are clamped to finite numbers where float64 would overflow. */
export interface GradientProjection extends DualProjection {
  /** The projected gradient, p. */
  readonly z: number[];
  /** cos of the angle between g and each g_k, t; 0 for zero rows. Meaningful at any scale. */
  readonly cosines: number[];
  /** cos of the angle between z and each g_k, t. */
  readonly cosinesAfter: number[];
}

/**
 * Projects g (length p) so that it no longer opposes any row of G (t x p); any mixture of plain and typed arrays, none of them written.
 *
 * Profile `exact`: z is the nearest point of the cone Gz >= 0, exact to rounding for duplicated, opposed, zero and nearly parallel rows at
 * any scale; with memoryStrength gamma, gamma * (sum of the rows) is added. Profiles `reference` and `avalanche`: v >= gamma and a ridge, as
 * the published code does, with the guarantee Gz + ridge v >= 0.
 *
 * @throws NonFiniteGradientError, ShapeMismatchError naming the row; InvalidOptionError, also for what is no array
 */
export function projectGradient(
  g: ArrayLike<number>,
  G: ArrayLike<ArrayLike<number>>,
  options: ProjectionOptions = {},
): GradientProjection {
  const operation = 'projectGradient';
  const resolved = resolveProfile(operation, options);
  const trace = options.trace === true;
  const gradient = scaleVector(operation, 'g', undefined, g);
  const rows = scaleRows(operation, G, g.length);
  const cosines = rows.map((row) => cosine(gradient, row));
  const violated = cosines.flatMap((cos, k) => (cos < 0 ? [k] : []));
  const cosinesOfRows = rows.map((a) => rows.map((b) => cosine(a, b)));
  const projected = violated.length > 0;

  const onCone = resolved.profile.gamma === 'added' && resolved.ridge === 0;
  let z = gradient;
  let answer: DualAnswer | undefined;
  if (projected && onCone) {
    const nearest = projectOntoCone(operation, gradient, rows, trace);
    const gamma = resolved.memoryStrength;
    z = combine(nearest.z, rows, new Float64Array(rows.length).fill(gamma));
    const kkt = dualResiduals(cosinesOfRows, cosines, nearest.multipliers, nearest.z, gradient, rows);
    answer = { ...nearest, v: nearest.v.map((value) => value + gamma), kkt, shift: 0 };
  } else if (projected) {
    const lengths = rows.map(lengthOf);
    const unit = { cosines: cosinesOfRows, cosinesWithG: cosines, lengths, gLength: lengthOf(gradient) };
    answer = solveDual(operation, unit, resolved, trace);
    z = combine(gradient, rows, answer.v);
  }

  return {
    profile: resolved.profile.name,
    memoryStrength: resolved.memoryStrength,
    ridge: resolved.ridge,
    projected,
    z: projected ? unscale(z) : Array.from(g),
    v: answer?.v ?? rows.map(() => 0),
    violated,
    active: answer?.active ?? [],
    dots: rows.map((row) => innerProduct(gradient, row)),
    dotsAfter: rows.map((row) => innerProduct(z, row)),
    cosines,
    cosinesAfter: rows.map((row) => cosine(z, row)),
    gram: rows.map((a) => rows.map((b) => innerProduct(a, b))),
    kkt: answer?.kkt ?? noResiduals,
    iterations: answer?.iterations ?? 0,
    shift: answer?.shift ?? 0,
    ...(trace ? { steps: answer?.steps ?? [] } : {}),
  };
}

/** A-GEM's projection, with its multiplier. Plain, JSON-serialisable data. */
export interface AverageProjection {
  /** p. */
  readonly z: number[];
  /** z = g + v gRef. */
  readonly v: number;
  /** Was <g, gRef> negative? If not, v = 0 and z = g. */
  readonly projected: boolean;
  readonly dot: number;
  readonly dotAfter: number;
  readonly cosine: number;
}

/**
 * Averaged GEM: one constraint, the gradient gRef on a sample of all memories, in closed form: z = g - (<g, gRef> / <gRef, gRef>) gRef if
 * <g, gRef> < 0, else z = g. Lengths p. Source: Chaudhry et al., Efficient Lifelong Learning with A-GEM (ICLR 2019), eq. 11.
 *
 * @throws NonFiniteGradientError, ShapeMismatchError; InvalidOptionError for what is no array
 */
export function projectAverageGradient(g: ArrayLike<number>, gRef: ArrayLike<number>): AverageProjection {
  const operation = 'projectAverageGradient';
  const gradient = scaleVector(operation, 'g', undefined, g);
  wantArray(operation, 'gRef', gRef);
  if (gRef.length !== g.length) {
    throw new ShapeMismatchError(operation, 'gRef', gRef.length, g.length, `g has length ${g.length}`);
  }
  const reference = scaleVector(operation, 'gRef', undefined, gRef);
  const cos = cosine(gradient, reference);
  const projected = cos < 0;
  const v = projected ? clampFinite(-cos * (lengthOf(gradient) / lengthOf(reference))) : 0;
  const z = projected ? orthogonalTo(gradient, reference) : gradient;
  return {
    z: projected ? unscale(z) : Array.from(g),
    v,
    projected,
    dot: innerProduct(gradient, reference),
    dotAfter: innerProduct(z, reference),
    cosine: cos,
  };
}

/** a without its part along b; twice, so that what is left is orthogonal relative to its own length. */
function orthogonalTo(a: ScaledVector, b: ScaledVector): ScaledVector {
  const values = a.values.slice();
  for (let pass = 0; pass < 2; pass++) {
    const share = dot(values, 0, b.values, 0, values.length) / (b.length * b.length);
    addScaled(values, 0, -share, b.values, 0, values.length);
  }
  return { scale: a.scale, values, length: norm(values) };
}

/** A row with less than this outside of the others' span costs float64 more than half of its digits. */
const NARROW = 1e-6;

/** The nearest point of the cone, with v for the rows as they are and `multipliers` for rows and g of length one. */
function projectOntoCone(
  operation: string,
  g: ScaledVector,
  rows: readonly ScaledVector[],
  trace: boolean,
): Omit<DualAnswer, 'kkt' | 'shift'> & { readonly z: ScaledVector; readonly multipliers: number[] } {
  const { basis, coordinates, narrowest } = orthonormalSpan(rows);
  const target = coordinatesOf(g.values, basis);
  const cone = {
    P: basis.map((_, i) => basis.map((__, j) => (i === j ? 1 : 0))),
    q: target.map((value) => -value),
    G: coordinates.map((row) => row.map((value) => -value)),
    h: new Float64Array(rows.length),
  };
  const solution = solveQP(cone, { trace, xScale: g.length });
  if (solution.status !== 'optimal') throw new ProjectionFailedError(operation, solution.status, solution.kkt.relative);

  const values = g.values.slice();
  const moveInSpan = (from: Float64Array): void => {
    basis.forEach((direction, j) => {
      addScaled(values, 0, solution.x[j] - from[j], direction, 0, values.length);
    });
  };
  moveInSpan(target);
  // Once more from where that led: the span's part of z is then right relative to z, which may be much shorter than g.
  moveInSpan(coordinatesOf(values, basis));

  const found = {
    z: { scale: g.scale, values, length: norm(values) },
    multipliers: solution.multipliers.inequality.map((value) => value / g.length),
  };
  const guess = found.multipliers.flatMap((value, k) => (value > 0 ? [k] : []));
  const nonzero = rows.filter((row) => row.length > 0).length;
  const wide = narrowest < NARROW ? projectWide(g, rows, guess, basis.length < nonzero) : undefined;
  const { z, multipliers } = wide ?? found;
  const toV = (scaled: readonly number[]): number[] =>
    scaled.map((value, k) => (value === 0 ? 0 : clampFinite(value * (g.scale / (rows[k].scale * rows[k].length)))));
  return {
    z,
    multipliers,
    v: toV(multipliers.map((value) => value * g.length)),
    active: multipliers.flatMap((value, k) => (value > 0 ? [k] : [])),
    iterations: solution.iterations,
    steps: solution.trace?.map((step) => ({
      entered: step.added?.index ?? null,
      left: step.dropped?.index ?? null,
      step: step.step / g.length,
      v: toV(step.multipliers.inequality),
    })),
  };
}

/** The residuals of the dual problem min 1/2 v'Cv + c'v, v >= 0, whose bounds' multipliers are the <z, g_k> (all for length one). */
function dualResiduals(
  C: number[][],
  c: number[],
  v: number[],
  z: ScaledVector,
  g: ScaledVector,
  rows: readonly ScaledVector[],
): KKTResiduals {
  const ratio = z.length / g.length;
  const lower = rows.map((row) => Math.max(0, cosine(z, row) * ratio));
  const upper = rows.map(() => 0);
  return kktResiduals({ P: C, q: c, lb: upper }, v, { inequality: [], equality: [], lower, upper });
}
