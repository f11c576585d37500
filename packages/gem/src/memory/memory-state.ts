// A memory as a state: one tensor for each field of each group, with a row for each stored sample, and the rest as plain data.

import type { Samples } from '@gemlab/autograd';
import type { Tensor } from '@gemlab/tensor';
import { type Json, type SavedState, type State, StateMismatchError, tensorsOf } from '../state.ts';
import type { Policy } from './policy.ts';
import {
  batchOf,
  type Contents,
  copyOf,
  type Eviction,
  fieldsOf,
  type Group,
  type Origin,
  type Slot,
} from './slots.ts';

/** What a memory was made with; a state fits only one that was made alike. */
interface Settings {
  readonly budget: number | { readonly total: number };
  readonly policy: Pick<Policy, 'name' | 'oneState' | 'isState'>;
  readonly by: string;
}

interface GroupData {
  readonly group: number;
  readonly state: Json;
  /** Provenance of what each slot holds; null where it was never written. */
  readonly slots: readonly (Origin | null)[];
}

interface Data {
  readonly budget: Settings['budget'];
  readonly policy: string;
  readonly by: string;
  readonly tasks: readonly number[];
  readonly shared: Json;
  readonly evictions: readonly Eviction[];
  readonly groups: readonly GroupData[];
}

export function writeContents<S extends Samples>({ budget, policy, by }: Settings, contents: Contents<S>): State {
  const { tasks, shared, evictions, groups } = contents;
  const tensors: Record<string, Tensor> = {};
  const each = [...groups].map(([group, { state, slots }]): GroupData => {
    const samples = slots.flatMap((slot) => slot?.sample ?? []);
    for (const [name, rows] of samples.length === 0 ? [] : fieldsOf(batchOf(samples)))
      tensors[`${group}.${name}`] = rows;
    return { group, state, slots: slots.map((slot) => slot?.origin ?? null) };
  });
  const data: Data = { budget, policy: policy.name, by, tasks, shared, evictions, groups: each };
  return { tensors, data: data as unknown as Json };
}

/** @throws StateMismatchError */
export function readContents<S extends Samples>({ budget, policy, by }: Settings, saved: SavedState): Contents<S> {
  const wrong = (part: string, found: unknown, expected: string) =>
    new StateMismatchError('EpisodicMemory.loadStateDict', part, found, expected);
  const { data } = saved;
  const read = data as unknown as Data;
  if (![read?.groups, read?.tasks, read?.evictions].every(Array.isArray)) {
    throw wrong('data', data, 'the state of an episodic memory');
  }
  const settings: readonly [string, unknown, unknown][] = [
    ['budget', read.budget, budget],
    ['policy', read.policy, policy.name],
    ['by', read.by, by],
  ];
  for (const [part, found, expected] of settings) {
    if (JSON.stringify(found) !== JSON.stringify(expected)) throw wrong(part, found, JSON.stringify(expected));
  }
  const damaged = read.groups.find((g) => !Number.isInteger(g?.group) || !Array.isArray(g.slots));
  if (damaged !== undefined) throw wrong('groups', damaged, 'groups with their slots');
  const wantState = (part: string, state: Json, slots: number) => {
    if (policy.isState !== undefined && !policy.isState(state ?? null, slots))
      throw wrong(part, state, `what policy '${policy.name}' knows of ${slots} slots`);
  };
  if (policy.oneState) wantState('shared', read.shared, budget as number);
  else for (const { group, state, slots } of read.groups) wantState(`groups ${group}.state`, state, slots.length);
  const groups = read.groups.map(({ group, state, slots }): [number, Group<S>] => {
    const rows = slots.filter((origin) => origin !== null).length;
    const prefix = `${group}.`;
    const named = [...tensorsOf(saved)].filter(([name]) => name.startsWith(prefix));
    const samples = Object.fromEntries(named.map(([name, x]) => [name.slice(prefix.length), x])) as unknown as S;
    if (rows > 0 && !('inputs' in samples && 'targets' in samples)) {
      throw wrong(`tensors ${prefix}`, Object.keys(samples), `inputs and targets of ${rows} samples`);
    }
    for (const [name, x] of named) if (x.shape[0] !== rows) throw wrong(`tensors ${name}`, x.shape, `${rows} rows`);
    let row = 0;
    const restored = slots.map((origin): Slot<S> | undefined =>
      origin === null ? undefined : { sample: copyOf(samples, row++), origin },
    );
    return [group, { state, slots: restored }];
  });
  return { tasks: read.tasks, groups: new Map(groups), evictions: read.evictions, shared: read.shared };
}
