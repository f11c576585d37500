// Episodic memory: a few samples of every task, kept as they were seen, each with where it came from. A slot that was never written is
// never read, so a task with fewer samples than slots has just those.
//
// Slots belong to groups: one for each task, one for each class, or one for all. A budget is so many slots for each group, or so many
// in total, of which group j of k (in the order of their first sample) has ceil((total - j) / k): shares differ by one at most, and
// none grows as groups come. Within its group, a policy says which samples the slots hold (policy.ts).

import type { Samples } from '@gemlab/autograd';
import { keep, Rng, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import type { SavedState, State, Stateful } from '../state.ts';
import { want } from '../want.ts';
import { type PolicyName, policies } from './fill.ts';
import { readContents, writeContents } from './memory-state.ts';
import { type Policy, upTo } from './policy.ts';
import {
  arranged,
  batchOf,
  type Contents,
  candidates,
  copyOf,
  type Eviction,
  evictions,
  type Group,
  laidIn,
  type Slot,
  type StoredSample,
  wantAlike,
} from './slots.ts';

/** A policy by name, or one that looks at the samples: herding(...), gradientBased(...). */
export type FillPolicy<S extends Samples = Samples> = PolicyName | Policy<S>;

/** n slots for each group, or `total` slots shared by the groups there are. */
export type MemoryBudget = number | { readonly total: number };

export interface MemoryOptions {
  /** What a group is: a 'task' (default), a 'class' (a label), 'all' that comes by, or what is 'given' with each sample. */
  readonly by?: 'task' | 'class' | 'all' | 'given' | undefined;
  /** For policies that draw: they draw from children of this generator, the same ones whatever else is drawn from it. */
  readonly rng?: Rng | undefined;
  /** How many evictions are remembered: the newest so many. Default 0. */
  readonly evictionLog?: number | undefined;
}

/**
 * Where a batch comes from: the places of its samples in the experience's training set (int32 [n]), and the step under way. And where it
 * goes, if groups are given: that of each sample, an integer >= 0.
 */
export interface BatchOrigin {
  readonly indices?: Tensor | null | undefined;
  readonly step?: number | null;
  readonly groups?: readonly number[] | undefined;
}

/** 'memo' in ASCII: the family's name under the caller's generator. */
const FAMILY = 0x6d656d6f;

export class EpisodicMemory<S extends Samples = Samples> implements Stateful {
  readonly budget: MemoryBudget;
  readonly policy: Policy<S>;
  readonly by: 'task' | 'class' | 'all' | 'given';
  readonly evictionLog: number;
  readonly #rng: Rng | null;
  #held: Contents<S>;
  /**
   * Groups, and (undefined) all of them, as batches, each until it changes: GEM asks for the memories of all past tasks in every step, and
   * writes to one. A batch that is asked for again will stay, and has the samples of its slots.
   */
  readonly #batches = new Map<number | undefined, { readonly batch: S; hasSlots: boolean }>();

  /** @throws InvalidOptionError for a size that is no positive integer, or a policy that lacks a generator or cannot share a budget. */
  constructor(budget: MemoryBudget, policy: FillPolicy<S> = 'ring', options: MemoryOptions = {}) {
    const { by = 'task', rng, evictionLog = 0 } = options;
    const operation = 'EpisodicMemory';
    const total = typeof budget === 'number' ? undefined : budget?.total;
    const slots = total ?? budget;
    const count = (n: unknown, low: number) => Number.isInteger(n) && (n as number) >= low;
    want(
      count(slots, 1),
      operation,
      total === undefined ? 'patternsPerExperience' : 'total',
      slots,
      'a positive integer',
    );
    want(count(evictionLog, 0), operation, 'evictionLog', evictionLog, 'an integer >= 0');
    want(['task', 'class', 'all', 'given'].includes(by), operation, 'by', by, "'task', 'class', 'all' or 'given'");
    const known = typeof policy !== 'string' || Object.hasOwn(policies, policy);
    want(known, operation, 'policy', policy, `one of ${Object.keys(policies).join(', ')}`);
    const { name, random, shrink, start, oneState } = typeof policy === 'string' ? policies[policy] : policy;
    const drawing = `an Rng: policy '${name}' ${random ? 'draws' : 'does without one, too'}`;
    want(rng instanceof Rng || (!rng && !random), operation, 'rng', rng, drawing);
    const fixed = `a number of slots for each group: policy '${name}' cannot give slots up`;
    want(total === undefined || shrink !== undefined, operation, 'total', total, fixed);

    this.budget = budget;
    this.policy = typeof policy === 'string' ? policies[policy] : policy;
    this.by = by;
    this.evictionLog = evictionLog;
    this.#rng = rng?.foldIn(FAMILY) ?? null;
    this.#held = { tasks: [], groups: new Map(), evictions: [], shared: oneState ? start(this.#rng) : null };
  }

  /** The tasks seen so far, in the order of their first sample. */
  get tasks(): number[] {
    return [...this.#held.tasks];
  }

  /** The groups seen so far, in the order of their first sample: tasks, classes, or 0 for all. */
  get groups(): number[] {
    return [...this.#held.groups.keys()];
  }

  /** The newest evictions, oldest first, as many as were asked for: plain data. */
  get evictions(): readonly Eviction[] {
    return this.#held.evictions;
  }

  /** Every stored sample's provenance, in the order in which batch(group) has them: plain data. */
  get contents(): StoredSample[] {
    return this.groups.flatMap((group) =>
      this.#held.groups.get(group)!.slots.flatMap((s, slot) => (s === undefined ? [] : [{ ...s.origin, group, slot }])),
    );
  }

  /** The slots that a group may fill now; 0 for a group never seen. */
  capacity(group: number): number {
    const place = this.groups.indexOf(group);
    return place < 0 ? 0 : this.#share(place, this.#held.groups.size);
  }

  #share(place: number, groups: number): number {
    return typeof this.budget === 'number' ? this.budget : Math.max(0, Math.ceil((this.budget.total - place) / groups));
  }

  /**
   * Offers the samples of a batch, and stores copies of those that the policy wants. They may have more fields than inputs and targets:
   * each is a tensor with one row for each sample.
   * @param task an integer.
   * @throws InvalidOptionError for another task, if their fields, shapes or dtypes are not those of the samples stored, or where groups are
   *   to be given and are not; what the policy throws. The memory is then as it was.
   */
  add(task: number, samples: S, { indices, step = null, groups: given }: BatchOrigin = {}): void {
    if (!Number.isSafeInteger(task)) throw new InvalidOptionError('EpisodicMemory.add', 'task', task, 'an integer');
    wantAlike(samples, this.#any()?.sample);
    const places = (indices?.toArray() as number[] | undefined) ?? [];
    const newcomer = (i: number): Slot<S> => ({
      sample: copyOf(samples, i),
      origin: { experience: task, index: places[i] ?? null, step },
    });
    const { policy } = this;
    let { shared } = this.#held;
    const gone: Eviction[] = [];
    const offers = this.#offers(task, samples, given);
    const keys = [...new Set([...this.groups, ...offers.keys()])];
    const groups = keys.map((key, place): [number, Group<S>] => {
      const before = this.#held.groups.get(key) ?? this.#emptyGroup(key);
      const capacity = this.#share(place, keys.length);
      let group = before;
      if (group.slots.length > capacity) {
        group = arranged(group.slots, policy.shrink!(group.state, group.slots.length, capacity), newcomer);
      }
      const offered = offers.get(key);
      if (offered !== undefined) {
        const state = policy.oneState ? shared : group.state;
        const arrangement = policy.arrange(state, candidates(group.slots, samples, offered), capacity);
        group = arranged(group.slots, arrangement, (i) => newcomer(offered[i]!));
        if (policy.oneState) shared = group.state;
      }
      if (group !== before && this.evictionLog > 0) gone.push(...evictions(key, before.slots, group.slots, step));
      return [key, group];
    });
    for (const [key, group] of groups) {
      if (group !== this.#held.groups.get(key)) this.#batches.delete(key);
    }
    this.#batches.delete(undefined);
    const log = [...this.#held.evictions, ...gone];
    this.#held = {
      tasks: [...new Set([...this.#held.tasks, task])],
      groups: new Map(groups),
      evictions: log.slice(Math.max(0, log.length - this.evictionLog)),
      shared,
    };
  }

  /** The rows of a batch for each group that they belong to. */
  #offers(task: number, { targets }: S, given: readonly number[] | undefined): Map<number, number[]> {
    const n = targets.shape[0]!;
    if (this.by === 'task' || this.by === 'all') return new Map([[this.by === 'task' ? task : 0, upTo(n)]]);
    const groups = this.by === 'class' ? (targets.toArray() as number[]) : (given ?? []);
    if (groups.length !== n || !groups.every((group) => Number.isSafeInteger(group) && group >= 0)) {
      const expected = `the group of each of ${n} samples, an integer >= 0`;
      throw new InvalidOptionError('EpisodicMemory.add', 'groups', `[${groups}]`, expected);
    }
    return new Map([...new Set(groups)].map((c) => [c, upTo(n).filter((i) => groups[i] === c)]));
  }

  /** Some stored sample: one is like the other. */
  #any(): Slot<S> | undefined {
    for (const { slots } of this.#held.groups.values()) {
      const slot = slots.find((s) => s !== undefined);
      if (slot !== undefined) return slot;
    }
    return undefined;
  }

  #emptyGroup(key: number): Group<S> {
    return { slots: [], state: this.policy.oneState ? null : this.policy.start(this.#rng?.foldIn(key) ?? null) };
  }

  /** How many samples are stored: of a group (0 for one never seen), or of all. */
  size(group?: number): number {
    let count = 0;
    for (const { slots } of this.#chosen(group)) for (const slot of slots) if (slot !== undefined) count++;
    return count;
  }

  /** All stored samples of a group, or of all groups, as one batch. @throws InvalidOptionError if there are none. */
  batch(group?: number): S {
    const made = this.#batches.get(group);
    if (made !== undefined) {
      if (group !== undefined && !made.hasSlots) {
        const groups = new Map(this.#held.groups).set(group, laidIn(this.#held.groups.get(group)!, made.batch));
        this.#held = { ...this.#held, groups };
        made.hasSlots = true;
      }
      return made.batch;
    }
    const slots = this.#slots(group);
    if (slots.length === 0) {
      const expected = group === undefined ? 'a memory that holds samples' : `one of the stored tasks [${this.groups}]`;
      throw new InvalidOptionError('EpisodicMemory.batch', group === undefined ? 'size' : 'task', group ?? 0, expected);
    }
    const batch = keep(batchOf(slots.map((s) => s.sample)));
    this.#batches.set(group, { batch, hasSlots: false });
    return batch;
  }

  /**
   * `count` stored samples of the given groups (default: all), drawn without replacement, or all of them where there are fewer.
   * @throws InvalidOptionError if there are none, unless `count` is a positive integer, and without a generator.
   */
  sample(count: number, rng: Rng, groups: readonly number[] = this.groups): S {
    const slots = groups.flatMap((group) => this.#slots(group));
    const operation = 'EpisodicMemory.sample';
    want(
      (Number.isInteger(count) && count >= 1) || count === Infinity,
      operation,
      'count',
      count,
      'a positive integer',
    );
    want(rng instanceof Rng, operation, 'rng', rng, 'an Rng: it draws the samples');
    want(slots.length > 0, operation, 'groups', `[${groups}]`, `some of those stored, [${this.groups}]`);
    const drawn = Array.from(rng.choice(slots.length, Math.min(count, slots.length)), (i) => slots[i]!.sample);
    return batchOf(drawn);
  }

  /** One group, if it was ever seen, or all. */
  #chosen(group?: number): Group<S>[] {
    const { groups } = this.#held;
    if (group === undefined) return [...groups.values()];
    const one = groups.get(group);
    return one === undefined ? [] : [one];
  }

  #slots(group?: number): Slot<S>[] {
    return this.#chosen(group).flatMap(({ slots }) => slots.filter((slot) => slot !== undefined));
  }

  stateDict(): State {
    return writeContents(this, this.#held);
  }

  /** @throws StateMismatchError if it is the state of a memory with another budget, policy or kind of groups, or damaged. */
  loadStateDict(state: SavedState): void {
    this.#held = readContents<S>(this, state);
    this.#batches.clear();
  }
}
