// What is saved of a thing that learns: tensors by name, and plain data that is the same after JSON. Whoever writes checkpoints puts
// the tensors into one file and the data into another, and knows nothing else; loading gives back the thing bit for bit.

import type { NamedTensors, Tensor } from '@gemlab/tensor';
import { GemError } from './errors.ts';

/** What JSON can say; numbers are finite, so they come back with the same bits. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface State {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly data: Json;
}

/** A state as it comes back from files: readSafetensors gives its tensors as a Map. */
export interface SavedState {
  readonly tensors: NamedTensors;
  readonly data: Json;
}

/** Its tensors, wherever they come from. */
export const tensorsOf = ({ tensors }: SavedState): ReadonlyMap<string, Tensor> =>
  new Map(tensors instanceof Map ? tensors : Object.entries(tensors ?? {}));

/** Whether a piece of data is an integer >= 0. */
export const isCount = (data: unknown): data is number => Number.isSafeInteger(data) && (data as number) >= 0;

/** Something whose state is saved and restored. What its options say is not in the state: make it with the same ones first. */
export interface Stateful {
  /** The state as it is now; it does not change when this goes on. */
  stateDict(): State;
  /** Takes a state over. @throws StateMismatchError if it is not one of such a thing, which is then as it was. */
  loadStateDict(state: SavedState): void;
}

/** A state that does not fit: of another thing, of other options, or damaged. */
export class StateMismatchError extends GemError {
  static override readonly name: string = 'StateMismatchError';
  /** The part that does not fit: `policy`, `tensors 3.inputs`. */
  readonly part: string;

  constructor(operation: string, part: string, found: unknown, expected: string) {
    const text = typeof found === 'object' ? JSON.stringify(found) : String(found);
    super(operation, `${part} of the state is ${text}; expected ${expected}`, { part, found });
    this.part = part;
  }
}
