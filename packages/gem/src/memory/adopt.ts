// A memory in the place of another: of another size, or with another policy. It is offered what that one held, oldest step first, as if
// it had come by now. (A memory made alike takes over the state itself, and goes on as that one would have.)

import type { Samples } from '@gemlab/autograd';
import { tensor } from '@gemlab/tensor';
import type { Json, SavedState } from '../state.ts';
import type { EpisodicMemory, MemoryBudget } from './episodic-memory.ts';
import { readContents } from './memory-state.ts';

/** The group of each sample of a batch that is offered, before which so many were. */
export type Regroup<S extends Samples> = (samples: S, experience: number, offered: number) => readonly number[];

/**
 * @param regroup where the groups are given, and by another rule than that memory's: says what they are now.
 * @throws StateMismatchError if it is not the state of a memory; InvalidOptionError if this one holds samples of another kind.
 */
export function adoptMemory<S extends Samples>(
  memory: EpisodicMemory<S>,
  state: SavedState,
  regroup: Regroup<S> | null = null,
): void {
  const was = state.data as { readonly budget: MemoryBudget; readonly policy: string; readonly by: string } | null;
  const kind = (budget: Json, policy: Json, by: Json) => JSON.stringify([budget, policy, by]);
  const isAlike = () =>
    kind(was!.budget as Json, was!.policy, was!.by) === kind(memory.budget as Json, memory.policy.name, memory.by);
  if (was === null || (regroup === null && isAlike())) {
    memory.loadStateDict(state);
    return;
  }
  const { groups } = readContents<S>({ ...was, policy: { name: was.policy } }, state);
  const slots = [...groups].flatMap(([group, { slots }]) =>
    slots.flatMap((slot) => (slot === undefined ? [] : [{ ...slot, group }])),
  );
  const byAge = slots.sort((a, b) => (a.origin.step ?? 0) - (b.origin.step ?? 0));
  byAge.forEach(({ sample, origin, group }, i) => {
    const { experience, index, step } = origin;
    const indices = index === null ? null : tensor(Int32Array.of(index));
    memory.add(experience, sample, { indices, step, groups: regroup?.(sample, experience, i) ?? [group] });
  });
}
