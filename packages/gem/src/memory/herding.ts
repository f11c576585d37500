// Herding: the samples whose mean stays nearest to the mean of all. With the feature vectors f(x) of n candidates and their mean mu, the
// k-th exemplar is
//
//     p_k = argmin_x | mu - 1/k (f(x) + sum_{j<k} f(p_j)) |
//
// over the candidates not chosen yet, so the first m of them are the best m in the same sense, and a memory that must shrink drops the
// last. (Welling 2009; Rebuffi et al., iCaRL, CVPR 2017, algorithms 4 and 5.)

import type { Samples } from '@gemlab/autograd';
import { scope, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import { type Policy, upTo } from './policy.ts';

/** Samples [n, ...] to their feature vectors [n, d]. It is called where no tape is wanted: detach what comes from a model. */
export type Features<S extends Samples = Samples> = (samples: S) => Tensor;

/**
 * The policy of iCaRL. It wants all samples of an experience at once; samples of a group that has some already compete with those.
 */
export function herding<S extends Samples = Samples>(features: Features<S>): Policy<S> {
  return {
    name: 'herding',
    random: false,
    offered: 'experiences',
    start: () => null,
    isState: (data) => data === null,
    arrange(state, { held, offered, rows }, capacity) {
      const all = upTo(held + offered);
      const slots = capacity === 0 ? [] : scope(() => herd(features(rows(all)), Math.min(capacity, all.length)));
      return { slots, state };
    },
    shrink: (state, held, capacity) => ({ slots: upTo(Math.min(capacity, held)), state }),
  };
}

/**
 * The first m of n feature vectors [n, d] in herding's order; of equals the first.
 * @throws InvalidOptionError unless features are [n, d] and finite, and m is an integer from 0 to n.
 */
export function herd(features: Tensor, m: number): number[] {
  const wrong = (found: string) => new InvalidOptionError('herding', 'features', found, 'finite numbers [n, d]');
  if (features.rank !== 2) throw wrong(`[${features.shape.join(',')}]`);
  if (features.isFinite().all().item() !== true) throw wrong('not finite');
  const n = features.shape[0]!;
  if (!Number.isInteger(m) || m < 0 || m > n) {
    throw new InvalidOptionError('herding', 'm', m, `an integer from 0 to ${n}, the number of candidates`);
  }
  const f = features.to('cpu').cast('float64');
  const squares = f.square().sum(1);
  const mean = f.mean(0);
  // k^2 |mu - (f + s)/k|^2 = |f|^2 - 2 <f, k mu - s> + |k mu - s|^2, of which the last part is the same for all; s = sum of the chosen.
  let wanted = mean;
  const chosen: number[] = [];
  const free = new Set(upTo(n));
  while (chosen.length < m) {
    const scores = squares.sub(f.matmul(wanted).mul(2)).dataSync();
    let best = -1;
    for (const i of free) if (best < 0 || scores[i]! < scores[best]!) best = i;
    free.delete(best);
    chosen.push(best);
    wanted = wanted.add(mean).sub(f.slice(best));
  }
  return chosen;
}
