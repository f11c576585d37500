// What every memory promises under any sequence of batches, tasks and labels, whatever its policy, budget and groups; and what each
// policy holds, against a model of it that is nothing but lists.

import { Rng } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EpisodicMemory,
  type FillPolicy,
  gradientBased,
  herding,
  type MemoryBudget,
  type MemoryOptions,
} from '../../src/memory/index.ts';
import type { Samples } from '../../src/streams/index.ts';
import { feed, idsOf, samplesOf, sorted } from './support.ts';

const features = ({ inputs }: Samples) => inputs.slice([0, null], [1, null]);
const policies: readonly FillPolicy[] = [
  'ring',
  'first-n-shuffled',
  'ring-2018',
  'reservoir',
  herding(features),
  gradientBased(features, { compared: 3 }),
];
const nameOf = (policy: FillPolicy) => (typeof policy === 'string' ? policy : policy.name);

interface Batch {
  readonly task: number;
  readonly labels: readonly number[];
}
const batches = fc.array(
  fc.record({
    task: fc.integer({ min: 0, max: 3 }),
    labels: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 7 }),
  }),
  { minLength: 1, maxLength: 10 },
);
const slots = fc.integer({ min: 1, max: 9 });
const groupings = fc.constantFrom('task', 'class', 'all' as const);
const budgets: fc.Arbitrary<MemoryBudget> = fc.oneof(
  slots,
  slots.map((total) => ({ total })),
);

/** Offers the batches one by one; ids count up from 0. */
function* offer(memory: EpisodicMemory, list: readonly Batch[]): Generator<{ ids: number[]; step: number }> {
  let next = 0;
  for (const [step, { task, labels }] of list.entries()) {
    const ids = labels.map((_, i) => next + i);
    const samples = samplesOf(ids.map((id, i) => ({ id, label: labels[i]! })));
    memory.add(task, samples, { indices: samples.inputs.slice([0, null], 0).cast('int32'), step });
    next += labels.length;
    yield { ids, step };
  }
}

describe.each(policies.map((policy) => ({ policy, name: nameOf(policy) })))('$name', ({ policy, name }) => {
  const allowed = name === 'ring-2018' ? slots : budgets;
  const make = (budget: MemoryBudget, by: MemoryOptions['by'], log = 1000) =>
    new EpisodicMemory(budget, policy, { by, rng: new Rng(5), evictionLog: log });

  test('budgets hold, samples are whole and distinct, groups are right, and nothing but what was offered is held', () => {
    fc.assert(
      fc.property(allowed, groupings, batches, (budget, by, list) => {
        const memory = make(budget, by);
        const home = list.flatMap(({ task, labels }) =>
          labels.map((label) => ({ task, label, group: by === 'task' ? task : by === 'class' ? label : 0 })),
        );
        let before: number[] = [];
        let logged = 0;
        let offered: number[] = [];
        for (const { ids, step } of offer(memory, list)) {
          offered = [...offered, ...ids];
          const held = idsOf(memory);
          expect(new Set(held).size).toBe(held.length);
          expect(memory.size()).toBe(held.length);
          expect(memory.groups).toEqual([...new Set(offered.map((id) => home[id]!.group))]);
          expect(memory.tasks).toEqual([...new Set(offered.map((id) => home[id]!.task))]);
          // Shares differ by one, add up to the total, and are filled but never exceeded.
          const shares = memory.groups.map((g) => memory.capacity(g));
          if (typeof budget !== 'number') {
            expect(shares.reduce((a, b) => a + b)).toBe(budget.total);
            expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
          }
          for (const [place, group] of memory.groups.entries()) {
            const mine = offered.filter((id) => home[id]!.group === group).length;
            if (name !== 'ring-2018') expect(memory.size(group)).toBe(Math.min(shares[place]!, mine));
            else expect(memory.size(group)).toBeLessThanOrEqual(shares[place]!);
            for (const id of idsOf(memory, group)) expect(home[id]!.group).toBe(group);
          }
          // Provenance lies beside the samples.
          expect(memory.contents.map((c) => c.index)).toEqual(held);
          for (const c of memory.contents) {
            expect(c.experience).toBe(home[c.index!]!.task);
            expect(c.group).toBe(home[c.index!]!.group);
          }
          if (held.length > 0) {
            expect(memory.batch().targets.toArray()).toEqual(held.map((id) => home[id]!.label));
          }
          // What is gone is in the log, with what came in its place; what is new was just offered.
          const gone = before.filter((id) => !held.includes(id));
          const log = memory.evictions.slice(logged);
          expect(sorted(log.map((e) => e.index!))).toEqual(sorted(gone));
          for (const e of log) {
            expect(e.evictedAt).toBe(step);
            expect(e.step!).toBeLessThan(step);
            if (e.evictedBy) expect(held.includes(e.evictedBy.index!) && ids.includes(e.evictedBy.index!)).toBe(true);
          }
          for (const id of held) expect(before.includes(id) || ids.includes(id)).toBe(true);
          before = held;
          logged = memory.evictions.length;
        }
        expect(JSON.parse(JSON.stringify([memory.contents, memory.evictions]))).toEqual([
          memory.contents,
          memory.evictions,
        ]);
      }),
      { numRuns: 60 },
    );
  });

  test('a state that went through JSON goes on as the memory itself would', () => {
    fc.assert(
      fc.property(allowed, groupings, batches, fc.nat(9), (budget, by, list, cut) => {
        const memory = make(budget, by, 3);
        const copy = make(budget, by, 3);
        let step = 0;
        for (const _ of offer(memory, list)) {
          if (step++ !== cut) continue;
          const { tensors, data } = memory.stateDict();
          copy.loadStateDict({ tensors, data: JSON.parse(JSON.stringify(data)) });
        }
        if (step <= cut) return;
        // The copy takes up where the state was taken.
        const rest = list.slice(cut + 1);
        let next = list.slice(0, cut + 1).reduce((sum, b) => sum + b.labels.length, 0);
        for (const [i, { task, labels }] of rest.entries()) {
          const ids = labels.map((_, j) => next + j);
          const samples = samplesOf(ids.map((id, j) => ({ id, label: labels[j]! })));
          copy.add(task, samples, { indices: samples.inputs.slice([0, null], 0).cast('int32'), step: cut + 1 + i });
          next += labels.length;
        }
        expect(copy.contents).toEqual(memory.contents);
        expect(copy.evictions).toEqual(memory.evictions);
        expect(copy.stateDict().data).toEqual(memory.stateDict().data);
        expect(idsOf(copy)).toEqual(idsOf(memory));
      }),
      { numRuns: 60 },
    );
  });

  test('the same generator, the same memory', () => {
    const held = [1, 2].map((draws) => {
      const rng = new Rng(3);
      rng.uniform(draws);
      const memory = new EpisodicMemory(4, policy, { rng });
      feed(memory, 0, 0, [5, 5, 5]);
      return idsOf(memory);
    });
    expect(held[0]).toEqual(held[1]);
  });
});

describe('lists say what', () => {
  const models: Record<string, (held: readonly number[], capacity: number) => readonly number[]> = {
    ring: (held, capacity) => held.slice(Math.max(0, held.length - capacity)),
    'first-n-shuffled': (held, capacity) => held.slice(0, capacity),
  };

  test.each(Object.entries(models))('%s holds, also where groups share a budget', (name, cut) => {
    fc.assert(
      fc.property(budgets, groupings, batches, (budget, by, list) => {
        const memory = new EpisodicMemory(budget, name as FillPolicy, { by });
        const lists = new Map<number, readonly number[]>();
        let step = 0;
        for (const { ids } of offer(memory, list)) {
          const { task, labels } = list[step++]!;
          const groupOf = (i: number) => (by === 'task' ? task : by === 'class' ? labels[i]! : 0);
          ids.forEach((_, i) => {
            lists.set(groupOf(i), lists.get(groupOf(i)) ?? []);
          });
          const capacity = [...lists.keys()].map((_, j) =>
            typeof budget === 'number'
              ? budget
              : Array.from({ length: budget.total }, (__, s) => s % lists.size).filter((g) => g === j).length,
          );
          [...lists].forEach(([g, held], j) => {
            lists.set(g, cut(held, capacity[j]!));
          });
          ids.forEach((id, i) => {
            const j = [...lists.keys()].indexOf(groupOf(i));
            lists.set(groupOf(i), cut([...lists.get(groupOf(i))!, id], capacity[j]!));
          });
          for (const [g, held] of lists) expect(sorted(idsOf(memory, g))).toEqual(sorted(held));
        }
      }),
    );
  });
});

describe('reservoir', () => {
  /** P(chi2_k >= bound) <= e^-x (Laurent & Massart 2000, Lemma 1); e^-14 is less than one in a million. */
  const bound = (k: number, x = 14) => k + 2 * Math.sqrt(k * x) + 2 * x;

  test.each([
    ['in one batch', [30], null],
    ['in uneven batches', [1, 13, 4, 12], null],
    ['after its share shrank half way', [15, 15], 9],
  ])('every sample is as likely to be held: %s', (_, sizes, total) => {
    const [n, runs] = [30, 1000];
    const counts = new Array<number>(n).fill(0);
    let m = 0;
    for (let seed = 0; seed < runs; seed++) {
      const memory = new EpisodicMemory(total === null ? 6 : { total }, 'reservoir', { rng: new Rng(seed) });
      const half = feed(memory, 0, 0, sizes.slice(0, 1));
      // A second task halves what the first may hold.
      if (total !== null) feed(memory, 1, 1000, [1]);
      feed(memory, 0, half, sizes.slice(1));
      const held = idsOf(memory, 0);
      m = held.length;
      for (const id of held) counts[id]!++;
    }
    expect(m).toBe(total === null ? 6 : 5);
    // Of m in n without replacement a count has variance runs p (1 - p), and two counts have covariance -1/(n-1) of that.
    const p = m / n;
    const chi2 = ((n - 1) / n) * counts.reduce((sum, c) => sum + (c - runs * p) ** 2 / (runs * p * (1 - p)), 0);
    expect(chi2).toBeLessThan(bound(n - 1));
  });

  test('and so is every pair', () => {
    const [n, runs] = [7, 2100];
    const counts = new Map<string, number>();
    for (let seed = 0; seed < runs; seed++) {
      const memory = new EpisodicMemory(2, 'reservoir', { rng: new Rng(seed) });
      feed(memory, 0, 0, [2, 3, 2]);
      const pair = sorted(idsOf(memory)).join();
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    const pairs = (n * (n - 1)) / 2;
    expect(counts.size).toBe(pairs);
    const expected = runs / pairs;
    const chi2 = [...counts.values()].reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0);
    expect(chi2).toBeLessThan(bound(pairs - 1));
  });
});

test('a ring for each class stays balanced within one, however unbalanced the stream', () => {
  const memory = new EpisodicMemory({ total: 10 }, 'ring', { by: 'class' });
  feed(memory, 0, 0, [50, 50], (id) => (id % 10 === 0 ? 1 : id === 77 || id > 96 ? 2 : 0));
  expect([0, 1, 2].map((c) => memory.size(c)).sort()).toEqual([3, 3, 4]);
});
