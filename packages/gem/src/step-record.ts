// A step is data. What GEM did in one training step, as plain JSON-serialisable numbers: printing, plotting, tests and audits read
// this record and never the algorithm. Notation is the paper's: g is what is projected, the gradient of the current batch (or the update that the
// optimizer was about to make: see `project`), g_k the gradient of the loss on the memory of past task k, z the projection of g, v the multipliers in
// z = g + sum_k v_k g_k.
//
// Most of it comes with the step. What costs more (`details`) is taken in the steps that the plugin's option `record` names.

import type { DualProjection } from './gem-dual.ts';
import type { KKTResiduals } from './qp/problem.ts';

export interface StepRecord {
  /** Training steps before this one, over all tasks. */
  readonly step: number;
  /** Tasks trained on before the current one. */
  readonly experience: number;
  /** The loss on the current batch; null where it was not finite. */
  readonly loss: number | null;
  readonly profile: string;
  /** gamma. */
  readonly memoryStrength: number;
  /** What was added to the diagonal of the Gram matrix. */
  readonly ridge: number;
  /**
   * What g and z are: 'gradient', that of the batch and that which the optimizer got instead; or 'update', theta - theta' for the
   * optimizer's theta' and for the one that took its place.
   */
  readonly project: 'gradient' | 'update';
  /** What `tasks` counts: past experiences ('experience'), labels ('class'), blocks of the stream ('blocks'), or groups of one's own ('custom'). */
  readonly groups: 'experience' | 'class' | 'blocks' | 'custom';
  /** The past tasks k, or whatever memories are grouped by: every list below has one entry for each, in this order. */
  readonly tasks: readonly number[];
  /** The loss on the memory of k before the step; null where it was not finite. */
  readonly memoryLosses: readonly (number | null)[];
  /** <g, g_k>: below 0 where the plain step would raise the loss on task k's memory. */
  readonly dots: readonly number[];
  /** |g|. */
  readonly gradientNorm: number;
  /** Positions (in `tasks`) of the negative dots. Empty: z = g, and `projection` is null. */
  readonly violated: readonly number[];
  /** GG': <g_j, g_k>; null where neither a projection nor the details asked for it. */
  readonly gram: readonly (readonly number[])[] | null;
  readonly projection: ProjectionRecord | null;
  /** null in steps that `record` does not name. */
  readonly details: StepDetails | null;
}

/** The part of a record that exists when a constraint was violated. */
export interface ProjectionRecord {
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
  /** Residuals of the quadratic program's optimality conditions. */
  readonly kkt: KKTResiduals;
}

/** What takes a further look at the gradients, or at the model after the step. */
export interface StepDetails {
  /** Largest over smallest eigenvalue of GG'; null where the g_k are linearly dependent. */
  readonly conditionNumber: number | null;
  /** |theta' - theta|, all that the parameters moved in this step. */
  readonly updateNorm: number;
  /**
   * The realised <theta' - theta, g_k>: the change of the loss on task k's memory to first order. Where the optimizer has momentum,
   * scales or decays, it may be positive although <z, g_k> >= 0, unless it is the update that is projected.
   */
  readonly realised: readonly number[];
  /** By how much the loss on task k's memory did change; null unless `actualChange` asked for it, or where it was not finite. */
  readonly actualChange: readonly (number | null)[] | null;
  /** Where in the model the conflict is, parameter by parameter. */
  readonly layers: readonly LayerConflict[];
}

/** The share of one parameter: the sums of these dots over all parameters are the step's. */
export interface LayerConflict {
  /** Its path in the model. */
  readonly name: string;
  /** Of its part of g. */
  readonly norm: number;
  /** Of its part of g_k. */
  readonly memoryNorms: readonly number[];
  /** <g, g_k> over its entries. */
  readonly dots: readonly number[];
  /** The cosines of the angles between these parts; null where one is zero. */
  readonly cosines: readonly (number | null)[];
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

/** JSON has no NaN and no infinity. */
export const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);
