// How plugins fill an episodic memory: batch by batch as samples come by, or with all samples of an experience after it, as its policy
// asks. What is stored tells its task, so that it can be shown to a model that tells tasks apart.

import type { Samples } from '@gemlab/autograd';
import { full, scope, type Tensor } from '@gemlab/tensor';
import type { EpisodicMemory } from '../memory/episodic-memory.ts';
import { mapFields } from '../memory/slots.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** Samples that all tell their task. */
export interface TaskSamples extends Samples {
  readonly tasks: Tensor;
}

/** The samples with the task label of each: their own, or else this one. */
export function ofTask<S extends Samples>(samples: S, taskLabel: number): S & TaskSamples {
  const { targets, tasks } = samples;
  const label = () => full([targets.shape[0]!], taskLabel, { dtype: 'int32', device: targets.device });
  return { ...samples, tasks: tasks ?? label() };
}

/** The samples with the task label of each: their own, or the experience's. */
export function withTasks<S extends Samples>({ experience }: Strategy, samples: S): S & TaskSamples {
  return ofTask(samples, experience!.taskLabel);
}

/**
 * The samples of the batch that came from the dataset, where `indices` says: what plugins have added to them (ReplayPlugin, remembered
 * ones) stands behind, and is no news.
 */
export function freshSamples({ batch, indices }: Strategy): Samples {
  const count = indices!.size;
  if (batch!.targets.shape[0] === count) return batch!;
  return mapFields(batch!, (_, rows) => rows.slice([0, count]));
}

/** Offers those samples, and what is known of each, to a memory that sees batches; at the end of a step. */
export function rememberBatch<S extends TaskSamples>(memory: EpisodicMemory<S>, strategy: Strategy, samples: S): void {
  if (memory.policy.offered !== 'batches') return;
  const { clock, indices } = strategy;
  memory.add(clock.experience, samples, { indices, step: clock.step });
}

/** Offers all samples of the experience to a memory that sees experiences; at its end. */
export function rememberExperience(memory: EpisodicMemory<TaskSamples>, strategy: Strategy): void {
  if (memory.policy.offered !== 'experiences') return;
  const { clock, experience } = strategy;
  const { train } = experience!;
  for (const indices of train.indexBatches(train.length)) {
    scope(() => memory.add(clock.experience, withTasks(strategy, train.batch(indices)), { indices, step: clock.step }));
  }
}
