// States of plugins: the plugin's name stands in the data, so that a state is only loaded by a plugin of its kind.

import type { Samples } from '@gemlab/autograd';
import { keep, Rng, Tensor } from '@gemlab/tensor';
import { adoptMemory, type Regroup } from '../memory/adopt.ts';
import type { EpisodicMemory } from '../memory/episodic-memory.ts';
import {
  isCount,
  type Json,
  type SavedState,
  type State,
  type Stateful,
  StateMismatchError,
  tensorsOf,
} from '../state.ts';

type Data = Readonly<Record<string, Json>>;

/** A state; tensors that are not there yet are left out. */
export function pluginState(
  plugin: string,
  data: Data,
  tensors: Readonly<Record<string, Tensor | null | undefined>> = {},
  parts: Readonly<Record<string, State>> = {},
): State {
  const own = Object.entries(tensors).filter((entry): entry is [string, Tensor] => entry[1] instanceof Tensor);
  const below = Object.entries(parts).flatMap(([part, state]) =>
    Object.entries(state.tensors).map(([name, x]): [string, Tensor] => [`${part}.${name}`, x]),
  );
  const nested = Object.fromEntries(Object.entries(parts).map(([part, state]) => [part, state.data]));
  return { tensors: Object.fromEntries([...own, ...below]), data: { plugin, ...data, ...nested } };
}

export interface OpenState {
  readonly data: Data;
  /** A part of the data. @throws StateMismatchError unless it is such a thing. */
  read<T>(name: string, is: (found: unknown) => found is T, expected: string): T;
  /** A tensor, which outlives the scopes that are open now. @throws StateMismatchError if it is not there. */
  tensor(name: string): Tensor;
  /** The same, or null if it is not there. */
  maybe(name: string): Tensor | null;
  part(name: string): SavedState;
}

/** What pluginState made. @throws StateMismatchError if it is not of this plugin, or lacks one of `wanted` in its data. */
export function openState(plugin: string, saved: SavedState, wanted: readonly string[] = []): OpenState {
  const data = (typeof saved.data === 'object' && saved.data !== null ? saved.data : {}) as Data;
  const operation = `${plugin}.loadStateDict`;
  if (data.plugin !== plugin)
    throw new StateMismatchError(operation, 'plugin', data.plugin ?? saved.data, `'${plugin}'`);
  for (const name of wanted) {
    if (data[name] === undefined) throw new StateMismatchError(operation, name, undefined, 'to be there');
  }
  const tensors = tensorsOf(saved);
  return {
    data,
    read: (name, is, expected) => {
      const found: unknown = data[name];
      if (is(found)) return found;
      throw new StateMismatchError(operation, name, found, expected);
    },
    tensor: (name) => {
      const found = tensors.get(name);
      if (found !== undefined) return keep(found);
      throw new StateMismatchError(operation, `tensors ${name}`, undefined, 'a tensor');
    },
    maybe: (name) => keep(tensors.get(name) ?? null),
    part: (name) => {
      const prefix = `${name}.`;
      const own = [...tensors].filter(([key]) => key.startsWith(prefix));
      return { tensors: new Map(own.map(([key, x]) => [key.slice(prefix.length), x])), data: data[name] ?? null };
    },
  };
}

/**
 * A plugin with an episodic memory takes over the state of one with another: its memory is offered what that one holds, and the rest is
 * loaded.
 * @param regroup as adoptMemory.
 * @throws StateMismatchError if it is not the state of such a plugin.
 */
export function adoptPluginState<S extends Samples>(
  plugin: Stateful & { readonly name: string; readonly memory: EpisodicMemory<S> },
  saved: SavedState,
  regroup: Regroup<S> | null = null,
): void {
  const { data, part } = openState(plugin.name, saved, ['memory']);
  adoptMemory(plugin.memory, part('memory'), regroup);
  const { plugin: name, memory: _, ...rest } = data;
  const tensors = [...tensorsOf(saved)].filter(([key]) => !key.startsWith('memory.'));
  const parts = { memory: plugin.memory.stateDict() };
  plugin.loadStateDict(pluginState(name as string, rest, Object.fromEntries(tensors), parts));
}

/** Whether it is a list of integers. */
export const areLabels = (found: unknown): found is readonly number[] =>
  Array.isArray(found) && found.every(Number.isSafeInteger);

/** Whether it is a list of integers >= 0: classes. */
export const isCounts = (found: unknown): found is readonly number[] => Array.isArray(found) && found.every(isCount);

/** A generator as plain data, and back. */
export const rngData = (rng: Rng): Json => ({ ...rng.state });
export const rngFrom = (data: Json | undefined): Rng => Rng.fromState(data);
