// A memory in the place of another: of another size, or with another policy. It is offered what that one held, oldest step first, as if
// it had come by now: one by one, or, to a policy that wants all of an experience at once, what was stored at once. (A memory made alike
// takes over the state itself, and goes on as that one would have.)

import type { Samples } from '@gemlab/autograd';
import { tensor } from '@gemlab/tensor';
import type { Json, SavedState } from '../state.ts';
import type { EpisodicMemory, MemoryBudget } from './episodic-memory.ts';
import { readContents } from './memory-state.ts';
import { batchOf, type Origin } from './slots.ts';

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
  let offered = 0;
  for (const batch of memory.policy.offered === 'experiences' ? together(byAge) : byAge.map((slot) => [slot])) {
    const { experience, step } = batch[0]!.origin;
    const samples = batchOf(batch.map(({ sample }) => sample));
    const places = batch.flatMap(({ origin }) => origin.index ?? []);
    const indices = places.length === batch.length ? tensor(Int32Array.from(places)) : null;
    const groups = regroup?.(samples, experience, offered) ?? batch.map(({ group }) => group);
    memory.add(experience, samples, { indices, step, groups });
    offered += batch.length;
  }
}

/** Those that were stored at once, after an experience, as one batch. */
function together<T extends { readonly origin: Origin }>(slots: readonly T[]): T[][] {
  const batches = new Map<string, T[]>();
  for (const slot of slots) {
    const { experience, step } = slot.origin;
    const key = `${experience} ${step}`;
    const batch = batches.get(key);
    if (batch === undefined) batches.set(key, [slot]);
    else batch.push(slot);
  }
  return [...batches.values()];
}
