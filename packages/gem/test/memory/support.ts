// Numbered samples, so that what a memory holds can be told apart: sample `id` has input [id, direction] and its label.

import { tensor } from '@gemlab/tensor';
import type { EpisodicMemory } from '../../src/memory/index.ts';
import type { Samples } from '../../src/streams/index.ts';

export interface Numbered {
  readonly id: number;
  readonly label: number;
}

/** Two features that no two ids share. */
export const featuresOf = (id: number): [number, number] => [Math.sin(37 * id + 1), Math.cos(11 * id)];

export function samplesOf(list: readonly Numbered[]): Samples {
  return {
    inputs: tensor(
      list.map(({ id }) => [id, ...featuresOf(id)]),
      { dtype: 'float64', shape: [list.length, 3] },
    ),
    targets: tensor(Int32Array.from(list, ({ label }) => label)),
  };
}

/** Offers samples numbered from `start`, labelled by `label`, in batches of the given sizes. Their index is their number. */
export function feed(
  memory: EpisodicMemory,
  task: number,
  start: number,
  batches: readonly number[],
  label: (id: number) => number = () => 0,
): number {
  let next = start;
  for (const size of batches) {
    const ids = Array.from({ length: size }, (_, i) => next + i);
    const samples = samplesOf(ids.map((id) => ({ id, label: label(id) })));
    memory.add(task, samples, { indices: tensor(Int32Array.from(ids)), step: next });
    next += size;
  }
  return next;
}

/** The ids that are held, in slot order. */
export const idsOf = (memory: EpisodicMemory, group?: number): number[] =>
  memory.size(group) === 0 ? [] : (memory.batch(group).inputs.slice([0, null], 0).toArray() as number[]);

export const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
