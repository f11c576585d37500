// A step is data. What GEM did in one training step, as plain JSON-serialisable numbers: printing, plotting, tests and audits read
// this record and never the algorithm. Notation is the paper's: g is the gradient of the current batch, g_k that of the memory of past
// task k, z the projected gradient, v the multipliers in z = g + sum_k v_k g_k.

import { gramCondition } from './eigenvalues.ts';
import type { DualProjection } from './gem-dual.ts';
import type { KKTResiduals } from './qp/problem.ts';

export interface StepRecord {
  /** Training steps before this one, over all tasks. */
  readonly step: number;
  /** Tasks trained on before the current one. */
  readonly experience: number;
  /** The loss on the current batch. */
  readonly loss: number;
  readonly profile: string;
  /** gamma. */
  readonly memoryStrength: number;
  /** What was added to the diagonal of the Gram matrix. */
  readonly ridge: number;
  /** The past tasks k: every list below has one entry for each, in this order. */
  readonly tasks: readonly number[];
  /** <g, g_k>: below 0 where the plain step would raise the loss on task k's memory. */
  readonly dots: readonly number[];
  /** |g|. */
  readonly gradientNorm: number;
  /** Positions (in `tasks`) of the negative dots. Empty: z = g, and `projection` is null. */
  readonly violated: readonly number[];
  readonly projection: ProjectionRecord | null;
}

/** The part of a record that exists when a constraint was violated. */
export interface ProjectionRecord {
  /** GG': <g_j, g_k>. */
  readonly gram: readonly (readonly number[])[];
  /** Largest over smallest eigenvalue of GG'; null where the g_k are linearly dependent. */
  readonly conditionNumber: number | null;
  /** Multipliers, one for each task. */
  readonly v: readonly number[];
  /** Positions of the constraints that the solution rests on: those whose multiplier is off its bound. */
  readonly active: readonly number[];
  /** <z, g_k>, from the dots and the Gram matrix. */
  readonly dotsAfter: readonly number[];
  /** |z| */
  readonly projectedNorm: number;
  /** |g_k| */
  readonly memoryNorms: readonly number[];
  /** Angles in degrees between g and g_k, z and g_k, g and z; null where a vector is zero. */
  readonly anglesBefore: readonly (number | null)[];
  readonly anglesAfter: readonly (number | null)[];
  readonly turn: number | null;
  /** Of the quadratic program. */
  readonly kkt: KKTResiduals;
}

/** The angle in degrees between two vectors of given norms and inner product; null where one of them is zero. */
function angle(inner: number, norms: number): number | null {
  return norms === 0 ? null : (Math.acos(Math.min(1, Math.max(-1, inner / norms))) * 180) / Math.PI;
}

/**
 * Everything there is to say about a projection, from inner products alone: |z|^2 = |g|^2 + <v, Gg> + <v, Gz>, and so on.
 */
export function projectionRecord(
  gradientNorm: number,
  { dots, dotsAfter, gram, v, active, kkt }: DualProjection,
): ProjectionRecord {
  const alongV = (values: readonly number[]) => values.reduce((sum, value, k) => sum + v[k]! * value, 0);
  const alongG = gradientNorm ** 2 + alongV(dots);
  const projectedNorm = Math.sqrt(Math.max(0, alongG + alongV(dotsAfter)));
  const memoryNorms = gram.map((row, k) => Math.sqrt(row[k]!));
  return {
    gram,
    conditionNumber: gramCondition(gram),
    v,
    active,
    dotsAfter,
    projectedNorm,
    memoryNorms,
    anglesBefore: dots.map((d, k) => angle(d, gradientNorm * memoryNorms[k]!)),
    anglesAfter: dotsAfter.map((d, k) => angle(d, projectedNorm * memoryNorms[k]!)),
    turn: angle(alongG, gradientNorm * projectedNorm),
    kkt,
  };
}
