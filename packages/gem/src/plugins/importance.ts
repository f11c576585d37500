// What EWC, SI and MAS share: a number for each parameter that says how much it matters to past tasks, and a penalty on moving those
// that matter away from where they were,
//
//     sum_i importance_i (theta_i - anchor_i)^2
//
// Parameters are what the optimizer moves, as one vector [p]. Those that it got after a task (addGroup) stand behind the ones of that task,
// did not matter to it, and are not held by its penalty: vectors that are remembered of it are the shorter.

import type { Dataset, Samples, Variable } from '@gemlab/autograd';
import { concat, keep, type Rng, scope, type Tensor, tensor, zeros } from '@gemlab/tensor';
import { wantCount, wantRng } from './options.ts';

/** The values of all parameters as one vector [p]. */
export const parameterVector = (parameters: readonly Variable[]): Tensor =>
  concat(parameters.map((p) => p.value.reshape([-1])));

/** A vector [q] of earlier parameters as one of all p that there are now: 0 for those that came later. */
export function extended(vector: Tensor, p: number): Tensor {
  const { size, dtype, device } = vector;
  return size === p ? vector : concat([vector, zeros([p - size], { dtype, device })]);
}

/** The penalty, on the tape. @param importance [q] as `anchor`: that of the parameters there were. */
export function quadraticPenalty(parameters: readonly Variable[], importance: Tensor, anchor: Tensor): Variable {
  let size = 0;
  const early = parameters.filter((p) => {
    size += p.size;
    return size <= anchor.size;
  });
  const theta = concat<Variable>(early.map((p) => p.reshape([-1])));
  return theta.sub(anchor).square().mul(importance).sum();
}

/** Which samples of a dataset an importance is measured on. */
export interface SampleChoice {
  /** How many, drawn at random; all by default. */
  readonly samples?: number | undefined;
  readonly rng?: Rng | undefined;
}

/** Samples at a time: their gradients stand side by side in memory. */
const CHUNK = 16;

/** The mean over samples of the rows [n, p] that `rows` makes of n of them. It outlives the scopes that are open now. */
export function meanOverSamples(
  dataset: Dataset,
  { samples = dataset.length, rng }: SampleChoice,
  rows: (batch: Samples) => Tensor,
): Tensor {
  const order = samples < dataset.length ? rng!.choice(dataset.length, samples) : undefined;
  const chosen = order === undefined ? dataset : dataset.subset(tensor(order, { device: dataset.device }));
  const add = (sum: Tensor | null, indices: Tensor): Tensor =>
    scope(() => {
      const part = rows(chosen.batch(indices)).sum(0);
      return sum === null ? part : sum.add(part);
    });
  return keep([...chosen.indexBatches(CHUNK)].reduce(add, null)!.div(chosen.length));
}

/** @throws InvalidOptionError unless `samples` is left out, or a positive integer with a generator to draw that many. */
export function wantSampleChoice(plugin: string, { samples, rng }: SampleChoice): void {
  if (samples !== undefined) wantCount(plugin, 'samples', samples);
  if (samples !== undefined || rng !== undefined) wantRng(plugin, rng, 'the samples');
}
