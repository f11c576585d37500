// A slot holds a copy of one sample and where it came from. Slots are replaced, never written to.

import { Dataset, type Samples } from '@gemlab/autograd';
import { concat, keep, Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import type { Json } from '../state.ts';
import type { Arrangement, Candidates } from './policy.ts';

/** Where a stored sample comes from. What was not told is null. */
export interface Origin {
  /** The task that it was offered for. */
  readonly experience: number;
  /** Its place in that experience's training set. */
  readonly index: number | null;
  /** The training step at which it was stored, counted over all experiences. */
  readonly step: number | null;
}

/** A sample that a memory holds: where it lies, and where it comes from. */
export interface StoredSample extends Origin {
  readonly group: number;
  readonly slot: number;
}

/** A sample that a memory held. Plain data. */
export interface Eviction extends StoredSample {
  /** The training step at which it had to go. */
  readonly evictedAt: number | null;
  /** The newcomer that lies in its slot now; null where it went because its group has fewer slots, or another order. */
  readonly evictedBy: Origin | null;
}

export interface Slot<S extends Samples> {
  /** One row of each field. */
  readonly sample: S;
  readonly origin: Origin;
}

export interface Group<S extends Samples> {
  /** undefined: never written. */
  readonly slots: readonly (Slot<S> | undefined)[];
  /** The policy's. */
  readonly state: Json;
}

/** All that a memory holds: a value, replaced as a whole. */
export interface Contents<S extends Samples> {
  /** In the order of their first sample, as are the groups. */
  readonly tasks: readonly number[];
  readonly groups: ReadonlyMap<number, Group<S>>;
  readonly evictions: readonly Eviction[];
  /** The policy's state, where all groups have one. */
  readonly shared: Json;
}

/** The fields of samples: tensors with one row for each. */
export const fieldsOf = (samples: Samples): [name: string, rows: Tensor][] =>
  Object.entries(samples).filter((field): field is [string, Tensor] => field[1] !== undefined);

export const mapFields = <S extends Samples>(samples: S, f: (name: string, rows: Tensor) => Tensor): S =>
  Object.fromEntries(fieldsOf(samples).map(([name, rows]) => [name, f(name, rows)])) as unknown as S;

/** Sample i alone, where it lies. */
export const rowOf = <S extends Samples>(samples: S, i: number): S =>
  mapFields(samples, (_, rows) => rows.slice([i, i + 1]));

/** Sample i alone, as a copy that outlives the scopes that are open now. */
export const copyOf = <S extends Samples>(samples: S, i: number): S =>
  mapFields(rowOf(samples, i), (_, row) => keep(row.copy()));

/** Samples one after another as one batch. There is one at least. */
export const batchOf = <S extends Samples>(parts: readonly S[]): S =>
  mapFields(parts[0]!, (name) => concat(parts.map((part) => (part as unknown as Record<string, Tensor>)[name]!)));

/** A group whose samples, one after another, are those of a batch that is kept: they need not be kept beside it. */
export function laidIn<S extends Samples>({ slots, state }: Group<S>, batch: S): Group<S> {
  let i = 0;
  return { slots: slots.map((slot) => slot && { ...slot, sample: rowOf(batch, i++) }), state };
}

/** What can be said of a field without its values: `float32 [784]` of one row. */
export const kindOf = (samples: Samples): string =>
  fieldsOf(samples)
    .map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape.slice(1).join(',')}]`)
    .sort()
    .join(', ');

/**
 * @throws InvalidOptionError unless all fields, inputs and targets among them, are tensors with as many rows as there are targets, and of
 *   the kind of what is stored.
 */
export function wantAlike(samples: Samples, stored: Samples | undefined): void {
  const wrong = (field: string, found: unknown, expected: string) =>
    new InvalidOptionError('EpisodicMemory.add', field, found, expected);
  if (samples instanceof Dataset)
    throw wrong('samples', 'a Dataset', 'a batch of it: dataset.range(0, dataset.length)');
  const { inputs, targets } = samples ?? {};
  for (const [name, rows] of [...Object.entries({ inputs, targets }), ...fieldsOf({ ...samples })]) {
    if (rows instanceof Tensor && rows.rank > 0) continue;
    throw wrong(name, rows instanceof Tensor ? 'a scalar' : rows, 'a tensor with one row for each sample');
  }
  const n = targets.shape[0];
  const odd = fieldsOf(samples).find(([, rows]) => rows.shape[0] !== n);
  if (odd !== undefined) throw wrong(odd[0], `[${odd[1].shape.join(',')}]`, `${n} rows, as many as there are targets`);
  const [found, expected] = [kindOf(samples), stored && kindOf(stored)];
  if (expected !== undefined && found !== expected) throw wrong('samples', found, `${expected}, as those stored`);
}

/** What a policy chooses from: the slots of a group, and the rows of a batch that are offered to it. */
export function candidates<S extends Samples>(
  slots: Group<S>['slots'],
  samples: S,
  offered: readonly number[],
): Candidates<S> {
  const held = slots.length;
  const pick = (c: number): S => (c < held ? slots[c]!.sample : rowOf(samples, offered[c - held]!));
  return { held, offered: offered.length, rows: (list) => batchOf(list.map(pick)) };
}

/** The slots that an arrangement asks for. */
export function arranged<S extends Samples>(
  slots: Group<S>['slots'],
  { slots: choice, state }: Arrangement,
  newcomer: (offered: number) => Slot<S>,
): Group<S> {
  const held = slots.length;
  const chosen = (c: number | null) => (c === null ? undefined : c < held ? slots[c] : newcomer(c - held));
  return { slots: choice.map(chosen), state };
}

/** What a group held before and does not hold after. */
export function evictions<S extends Samples>(
  group: number,
  before: Group<S>['slots'],
  after: Group<S>['slots'],
  step: number | null,
): Eviction[] {
  const [old, stay] = [new Set(before), new Set(after)];
  return before.flatMap((gone, slot) => {
    if (gone === undefined || stay.has(gone)) return [];
    const next = after[slot];
    const evictedBy = next === undefined || old.has(next) ? null : next.origin;
    return [{ ...gone.origin, group, slot, evictedAt: step, evictedBy }];
  });
}
