// What is saved of an optimizer: tensors by name, which safetensors holds to the last bit, and the rest as plain data
// for JSON.
//
//     const { tensors, ...rest } = optimizer.stateDict();
//     writeSafetensors(tensors, { metadata: { optimizer: JSON.stringify(rest) } });

import { errors, keep, type NamedTensors, Tensor } from '@gemlab/tensor';
import { StateError } from '../errors.ts';
import type { Variable } from '../variable.ts';

/** What an update rule remembers of a parameter, by name. */
export type Slots = Record<string, Tensor>;

/** The steps a parameter has made, and what is remembered of them. */
export interface Memory {
  readonly step: number;
  readonly slots: Slots;
}

/** An option as JSON has it. */
export type OptionValue = number | boolean | readonly number[];

/** Parameters are numbered from 0, group after group, as in `optimizer.parameters`. */
export interface OptimizerState {
  readonly algorithm: string;
  readonly groups: readonly { readonly size: number; readonly options: Readonly<Record<string, OptionValue>> }[];
  /**
   * For each parameter its steps and the names of its slots; slot 'momentum' of parameter 3 is the tensor '3.momentum'.
   */
  readonly parameters: readonly { readonly step: number; readonly slots: readonly string[] }[];
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** A state as it comes back from files: readSafetensors gives its tensors as a Map. */
export type SavedState = Omit<OptimizerState, 'tensors'> & { readonly tensors: NamedTensors };

export function packMemory(
  parameters: readonly Variable[],
  memory: ReadonlyMap<Variable, Memory>,
): Pick<OptimizerState, 'parameters' | 'tensors'> {
  const all = parameters.map((p) => memory.get(p) ?? { step: 0, slots: {} });
  // They are the user's now, too.
  for (const { slots } of all) for (const value of Object.values(slots)) value.storage.share();
  return {
    parameters: all.map(({ step, slots }) => ({ step, slots: Object.keys(slots) })),
    tensors: Object.fromEntries(
      all.flatMap(({ slots }, i) => Object.entries(slots).map(([slot, value]) => [`${i}.${slot}`, value])),
    ),
  };
}

/** The memory that a state describes. Whatever is wrong with it is added to `problems`. */
export function unpackMemory(
  parameters: readonly Variable[],
  state: Pick<SavedState, 'parameters' | 'tensors'>,
  problems: string[],
): Map<Variable, Memory> {
  const memory = new Map<Variable, Memory>();
  const tensors = new Map<string, unknown>(
    state.tensors instanceof Map ? state.tensors : Object.entries(state.tensors),
  );
  state.parameters.forEach(({ step, slots: names }, i) => {
    const p = parameters[i]!;
    const slots: Slots = {};
    for (const name of names) {
      const key = `${i}.${name}`;
      const value = tensors.get(key);
      tensors.delete(key);
      const problem = misfit(value, p);
      if (problem) problems.push(`${key} ${problem}`);
      else slots[name] = keep((value as Tensor).to(p.value.device));
    }
    if (step > 0) memory.set(p, { step, slots });
  });
  for (const key of tensors.keys()) problems.push(`${key} belongs to no slot`);
  return memory;
}

function misfit(value: unknown, p: Variable): string | undefined {
  if (value === undefined) return 'is missing';
  if (!(value instanceof Tensor)) return 'is no tensor';
  if (value.storage.released) return 'was made in a scope that has ended';
  return text(value) === text(p) ? undefined : `is ${text(value)}, wanted ${text(p)}`;
}

/** What must be the same of a parameter, its gradient and its slots. */
export const text = ({ dtype, shape }: Tensor | Variable): string => `${dtype} ${errors.shapeText(shape)}`;

/** @throws StateError unless the value looks like a state: it may have been read from a damaged file. */
export function wantState(algorithm: string, value: unknown): asserts value is SavedState {
  const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null;
  const all = (list: unknown, fits: (x: Record<string, unknown>) => boolean) =>
    Array.isArray(list) && list.every((x) => isObject(x) && fits(x));
  const fits =
    isObject(value) &&
    isObject(value.tensors) &&
    all(value.groups, ({ options }) => isObject(options)) &&
    all(value.parameters, ({ step, slots }) => Number.isSafeInteger(step) && Array.isArray(slots));
  if (fits) return;
  throw new StateError(
    `${algorithm}.loadStateDict: not a state; wants { algorithm, groups, parameters, tensors } as stateDict gives them`,
    { value },
  );
}

/** @throws StateError that lists the problems, if there are any. */
export function wantNone(algorithm: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new StateError(
    `${algorithm}.loadStateDict: the state does not fit, so nothing was loaded\n  ${problems.join('\n  ')}`,
    { problems },
  );
}
