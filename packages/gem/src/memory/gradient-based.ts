// Gradient-based sample selection: a memory of samples whose gradients point in as many directions as can be, so that the constraints
// they put on a step leave as little room as those of all samples would. (Aljundi et al., NeurIPS 2019, Algorithm 2, GSS-Greedy.)
//
// For each sample that comes by, with gradient g and the gradients G_i of some random stored samples,
//
//     c = max_i cos(g, G_i) + 1          in [0, 2]; 1 where nothing is stored yet
//
// While slots are free it is stored with that score. After that it is stored only if c < 1 (it opposes all it was compared with), and then
// in place of a stored sample i drawn with probability C_i / sum_j C_j, with probability C_i / (C_i + c).

import type { Samples } from '@gemlab/autograd';
import { Rng, scope, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import type { Json } from '../state.ts';
import { isSavedRng, type Policy, savedRng, upTo } from './policy.ts';

/** Samples [n, ...] to the gradient of the loss on each, [n, p]; see sampleGradients. */
export type SampleGradients<S extends Samples = Samples> = (samples: S) => Tensor;

export interface GradientBasedOptions {
  /** n: stored samples that each new one is compared with. Default 10. */
  readonly compared?: number;
}

/** The generator, and the score of each slot. */
type GSSState = { readonly rng: Json; readonly scores: readonly number[] };

/** @throws InvalidOptionError unless `compared` is a positive integer. */
export function gradientBased<S extends Samples = Samples>(
  gradients: SampleGradients<S>,
  { compared = 10 }: GradientBasedOptions = {},
): Policy<S> {
  if (!Number.isInteger(compared) || compared < 1) {
    throw new InvalidOptionError('gradientBased', 'compared', compared, 'a positive integer');
  }
  return {
    name: 'gradient-based',
    random: true,
    offered: 'batches',
    start: (rng): GSSState => ({ rng: savedRng(rng!), scores: [] }),
    isState(data, slots) {
      const { rng, scores } = (data ?? {}) as Partial<GSSState>;
      return isSavedRng(rng) && Array.isArray(scores) && scores.length === slots && scores.every(Number.isFinite);
    },
    arrange(state, { held, offered, rows }, capacity) {
      const saved = state as GSSState;
      const rng = Rng.fromState(saved.rng);
      const scores = [...saved.scores];
      const slots = upTo(held);
      for (let i = 0; i < offered && capacity > 0; i++) {
        const others = Array.from(rng.choice(slots.length, Math.min(compared, slots.length)), (s) => slots[s]!);
        const score = others.length === 0 ? 1 : 1 + scope(() => largestCosine(gradients(rows([held + i, ...others]))));
        let slot = slots.length;
        if (slot === capacity) {
          if (score >= 1) continue;
          slot = weightedDraw(scores, rng);
          const keepsPlace = score / (scores[slot]! + score);
          if (rng.uniform(1, 0, 1, 'float64')[0]! < keepsPlace) continue;
        }
        slots[slot] = held + i;
        scores[slot] = score;
      }
      return { slots, state: { rng: savedRng(rng), scores } };
    },
    // Those most like others go.
    shrink(state, held, capacity) {
      const { rng, scores } = state as GSSState;
      const byScore = upTo(held).sort((a, b) => scores[a]! - scores[b]! || a - b);
      const slots = byScore.slice(0, capacity).sort((a, b) => a - b);
      return { slots, state: { rng, scores: slots.map((s) => scores[s]!) } };
    },
  };
}

/** The largest cosine between the first row and the others; a zero row is orthogonal to all. */
function largestCosine(rows: Tensor): number {
  const g = rows.to('cpu').cast('float64');
  const norms = g.square().sum(1, { keepDims: true }).sqrt();
  const unit = g.div(norms.maximum(Number.MIN_VALUE));
  const cosine = unit.slice([1, null]).matmul(unit.slice(0)).max().item() as number;
  if (Number.isFinite(cosine)) return Math.min(1, Math.max(-1, cosine));
  throw new InvalidOptionError('gradientBased', 'gradients', 'not finite', 'finite numbers [n, p]');
}

/** A place with probability weights[i] / sum; any place where all weights are zero. */
function weightedDraw(weights: readonly number[], rng: Rng): number {
  const total = weights.reduce((sum, w) => sum + w, 0);
  let left = rng.uniform(1, 0, 1, 'float64')[0]! * total;
  if (total === 0) return rng.integers(1, 0, weights.length)[0]!;
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return i;
  }
  return weights.findLastIndex((w) => w > 0);
}
