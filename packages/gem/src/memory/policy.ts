// Which samples an episodic memory holds is a policy: a pure function of what its slots hold, what comes by, and a state of plain
// data. So a memory is saved with its data alone, and a policy that throws has changed nothing.

import type { Samples } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import type { Json } from '../state.ts';

/** What slots may hold next: first what they hold now, slot by slot, then the samples that come by. Counted from 0. */
export interface Candidates<S extends Samples> {
  /** Slots so far; candidate i < held is what slot i holds. */
  readonly held: number;
  /** Samples that come by: candidates held, held + 1, ... in their order. */
  readonly offered: number;
  /** Some candidates as one batch. */
  rows(candidates: readonly number[]): S;
}

/** What slots hold next, and the policy's next state. */
export interface Arrangement {
  /** For each slot, a candidate; null for a slot that was never written. */
  readonly slots: readonly (number | null)[];
  readonly state: Json;
}

export interface Policy<S extends Samples = Samples> {
  readonly name: string;
  /** Whether it draws. */
  readonly random: boolean;
  /** Whether it is to see samples as they come by in training, or all samples of an experience at once after it. */
  readonly offered: 'batches' | 'experiences';
  /** Whether one state serves all groups (else each has its own). */
  readonly oneState?: boolean;
  /** The state before the first sample. */
  start(rng: Rng | null): Json;
  /** What at most `capacity` slots (never fewer than are held) hold after the offered samples came by. */
  arrange(state: Json, candidates: Candidates<S>, capacity: number): Arrangement;
  /** Whether saved data is a state of its for so many slots. Without it any is taken. */
  isState?(data: Json, slots: number): boolean;
  /** Which of the held slots stay, in which order, when fewer are left. Without it the policy cannot share a budget. */
  shrink?(state: Json, held: number, capacity: number): Arrangement;
}

/** A generator's state as plain data, and whether it is one. */
export const savedRng = (rng: Rng): Json => ({ ...rng.state });

export function isSavedRng(data: unknown): boolean {
  try {
    Rng.fromState(data);
    return true;
  } catch {
    return false;
  }
}

/** 0, 1, ..., n - 1 */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
