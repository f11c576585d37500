// States of plugins: the plugin's name stands in the data, so that a state is only loaded by a plugin of its kind.

import { keep, Rng, Tensor } from '@gemlab/tensor';
import { type Json, type SavedState, type State, StateMismatchError, tensorsOf } from '../state.ts';

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

/** A generator as plain data, and back. */
export const rngData = (rng: Rng): Json => ({ ...rng.state });
export const rngFrom = (data: Json | undefined): Rng => Rng.fromState(data);
