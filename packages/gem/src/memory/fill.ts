// The policies that need not look at the samples.
//   ring               the newest n (the GEM paper, Algorithm 1)
//   first-n-shuffled   the first n that come by, of one shuffled pass after the experience (Avalanche)
//   ring-2018          the reference code's ring: its pointer is shared by all tasks and is not reset between them, and a batch
//                      that would run over the end is cut off there, its rest dropped
//   reservoir          n of all that came by, every choice equally likely: sample number i (from 0) takes one of the i + 1 places
//                      0..i at random, and is kept if that is a slot (Vitter 1985, Algorithm R)

import { Rng } from '@gemlab/tensor';
import { isCount, type Json } from '../state.ts';
import { isSavedRng, type Policy, savedRng, upTo } from './policy.ts';

export type PolicyName = 'ring' | 'first-n-shuffled' | 'ring-2018' | 'reservoir';

const ring: Policy = {
  name: 'ring',
  random: false,
  offered: 'batches',
  /** The slot that is written next, or the number of slots. */
  start: () => 0,
  isState: (data, slots) => isCount(data) && data <= slots,
  arrange(state, { held, offered }, capacity) {
    const slots = upTo(held);
    let next = state as number;
    for (let i = 0; i < offered && capacity > 0; i++) {
      // The share may have shrunk to just what is held.
      next %= capacity;
      slots[next++] = held + i;
    }
    return { slots, state: next };
  },
  shrink(state, held, capacity) {
    const next = state as number;
    const byAge = [...upTo(held).slice(next), ...upTo(Math.min(next, held))];
    const slots = byAge.slice(Math.max(0, held - capacity));
    return { slots, state: slots.length };
  },
};

const firstN: Policy = {
  name: 'first-n-shuffled',
  random: false,
  offered: 'batches',
  start: () => null,
  isState: (data) => data === null,
  arrange: (state, { held, offered }, capacity) => ({ slots: upTo(Math.min(capacity, held + offered)), state }),
  shrink: (state, held, capacity) => ({ slots: upTo(Math.min(capacity, held)), state }),
};

const ring2018: Policy = {
  name: 'ring-2018',
  random: false,
  offered: 'batches',
  oneState: true,
  /** The slot that is written next, in whichever task. */
  start: () => 0,
  isState: (data, slots) => isCount(data) && data < slots,
  arrange(state, { held, offered }, capacity) {
    const start = state as number;
    const stored = Math.min(capacity - start, offered);
    const slots: (number | null)[] = upTo(held);
    while (slots.length < start) slots.push(null);
    for (let i = 0; i < stored; i++) slots[start + i] = held + i;
    return { slots, state: (start + stored) % capacity };
  },
};

/** The generator, and how many samples came by so far. */
type ReservoirState = { readonly rng: Json; readonly seen: number };

const reservoir: Policy = {
  name: 'reservoir',
  random: true,
  offered: 'batches',
  start: (rng): ReservoirState => ({ rng: savedRng(rng!), seen: 0 }),
  isState(data, slots) {
    const { rng, seen } = (data ?? {}) as Partial<ReservoirState>;
    return isSavedRng(rng) && isCount(seen) && seen >= slots;
  },
  arrange(state, { held, offered }, capacity) {
    const { rng: saved, seen } = state as ReservoirState;
    const rng = Rng.fromState(saved);
    const slots = upTo(held);
    for (let i = 0; i < offered; i++) {
      const place = slots.length < capacity ? slots.length : rng.integers(1, 0, seen + i + 1)[0]!;
      if (place < capacity) slots[place] = held + i;
    }
    return { slots, state: { rng: savedRng(rng), seen: seen + offered } };
  },
  // A random part of a random part of all that came by is a random part of it.
  shrink(state, held, capacity) {
    const { rng: saved, seen } = state as ReservoirState;
    const rng = Rng.fromState(saved);
    const slots = held <= capacity ? upTo(held) : [...rng.choice(held, capacity)].sort((a, b) => a - b);
    return { slots, state: { rng: savedRng(rng), seen } };
  },
};

export const policies: Readonly<Record<PolicyName, Policy>> = {
  ring,
  'first-n-shuffled': firstN,
  'ring-2018': ring2018,
  reservoir,
};
