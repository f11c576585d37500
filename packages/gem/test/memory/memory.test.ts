// What each published rule keeps of a task, and that an unwritten slot is never seen.

import { Rng, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidOptionError } from '../../src/errors.ts';
import { EpisodicMemory, type FillPolicy, type MemoryBudget } from '../../src/memory/index.ts';
import { laidIn } from '../../src/memory/slots.ts';

/** Feeds samples numbered from `start` in batches; sample i has input [i] and target i. */
function feed(memory: EpisodicMemory, task: number, start: number, batches: readonly number[]): number {
  let next = start;
  for (const size of batches) {
    const ids = Int32Array.from({ length: size }, (_, i) => next + i);
    memory.add(task, { inputs: tensor(ids).cast('float32').unsqueeze(1), targets: tensor(ids) });
    next += size;
  }
  return next;
}
const held = (memory: EpisodicMemory, task: number) => memory.batch(task).targets.toArray() as number[];

const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 8 });
const slots = fc.integer({ min: 1, max: 12 });

describe('ring', () => {
  test('holds the newest n of each task, whatever the batches', () => {
    fc.assert(
      fc.property(slots, sizes, sizes, (n, first, second) => {
        const memory = new EpisodicMemory(n, 'ring');
        const end = feed(memory, 0, 0, first);
        feed(memory, 1, 100, second);
        const newest = Array.from({ length: Math.min(n, end) }, (_, i) => end - 1 - i);
        expect(held(memory, 0).sort((a, b) => b - a)).toEqual(newest);
        expect(memory.size(0)).toBe(newest.length);
      }),
    );
  });
});

describe('first-n-shuffled', () => {
  test('holds the first n that came by, in order', () => {
    fc.assert(
      fc.property(slots, sizes, (n, batches) => {
        const memory = new EpisodicMemory(n, 'first-n-shuffled');
        const end = feed(memory, 0, 0, batches);
        expect(held(memory, 0)).toEqual(Array.from({ length: Math.min(n, end) }, (_, i) => i));
      }),
    );
  });
});

describe('ring-2018', () => {
  test('drops what runs over the end of the ring, and starts a task where the last one stopped', () => {
    const memory = new EpisodicMemory(5, 'ring-2018');
    // Slots 0-2, then 3-4 with sample 5 dropped, then the ring wraps to slots 0-2.
    feed(memory, 0, 0, [3, 3, 3]);
    expect(held(memory, 0)).toEqual([6, 7, 8, 3, 4]);
    // The pointer stands at 3: the first batch fills slots 3-4 and loses its third sample.
    feed(memory, 1, 100, [3]);
    expect(held(memory, 1)).toEqual([100, 101]);
    feed(memory, 1, 103, [2]);
    expect(held(memory, 1)).toEqual([103, 104, 100, 101]);
  });

  test('is the ring where n is a multiple of the batch size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        (b, m, count) => {
          const [published, ring] = [new EpisodicMemory(b * m, 'ring-2018'), new EpisodicMemory(b * m, 'ring')];
          for (const memory of [published, ring])
            feed(
              memory,
              0,
              0,
              Array.from({ length: count }, () => b),
            );
          expect(held(published, 0)).toEqual(held(ring, 0));
        },
      ),
    );
  });
});

describe.each<FillPolicy>(['ring', 'first-n-shuffled', 'ring-2018'])('%s', (policy) => {
  test('inputs and targets stay together, and tasks apart', () => {
    fc.assert(
      fc.property(slots, sizes, sizes, (n, first, second) => {
        const memory = new EpisodicMemory(n, policy);
        feed(memory, 3, 0, first);
        feed(memory, 5, 100, second);
        expect(memory.tasks).toEqual([3, 5]);
        for (const task of memory.tasks.filter((t) => memory.size(t) > 0)) {
          const { inputs, targets } = memory.batch(task);
          expect(inputs.reshape([-1]).toArray()).toEqual(targets.toArray());
          for (const id of targets.toArray() as number[]) expect(id >= 100).toBe(task === 5);
        }
      }),
    );
  });

  test('a task with fewer samples than slots has just those', () => {
    const memory = new EpisodicMemory(10, policy);
    feed(memory, 0, 0, [4]);
    expect(held(memory, 0)).toEqual([0, 1, 2, 3]);
  });

  test('a batch read earlier does not change when the memory does', () => {
    const memory = new EpisodicMemory(4, policy);
    feed(memory, 0, 0, [2]);
    const early = memory.batch(0);
    feed(memory, 0, 2, [2]);
    expect(early.targets.toArray()).toEqual([0, 1]);
    expect(held(memory, 0)).toEqual([0, 1, 2, 3]);
  });

  test('a task never seen is an error that names the tasks there are', () => {
    const memory = new EpisodicMemory(4, policy);
    feed(memory, 2, 0, [1]);
    expect(() => memory.batch(7)).toThrow(/task is 7; expected one of the stored tasks \[2\]/);
    expect(memory.size(7)).toBe(0);
  });
});

describe('batches are kept until their group changes', () => {
  const writes = fc.array(fc.record({ task: fc.integer({ min: 0, max: 3 }), size: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 1,
    maxLength: 12,
  });
  const everything = (memory: EpisodicMemory) => [
    memory.batch().targets.toArray(),
    ...memory.groups.map((g) => (memory.size(g) === 0 ? [] : memory.batch(g).targets.toArray())),
  ];

  test.each<[FillPolicy, MemoryBudget]>([
    ['ring', 3],
    ['first-n-shuffled', 3],
    ['ring', { total: 7 }],
    ['first-n-shuffled', { total: 7 }],
  ])('%s %j: reading between the writes changes nothing', (policy, budget) => {
    fc.assert(
      fc.property(writes, (list) => {
        const [read, unread] = [new EpisodicMemory(budget, policy), new EpisodicMemory(budget, policy)];
        list.forEach(({ task, size }, i) => {
          feed(read, task, 10 * i, [size]);
          feed(unread, task, 10 * i, [size]);
          everything(read);
        });
        expect(everything(read)).toEqual(everything(unread));
      }),
    );
  });

  test('a write to one task leaves the batches of the others', () => {
    const memory = new EpisodicMemory(4);
    feed(memory, 0, 0, [4]);
    feed(memory, 1, 10, [4]);
    const [first, second] = [memory.batch(0), memory.batch(1)];
    feed(memory, 1, 20, [1]);
    expect(memory.batch(0)).toBe(first);
    expect(memory.batch(1)).not.toBe(second);
  });
});

test.each([0, -1, 1.5, Number.NaN, undefined, null])('%s slots are refused', (n) => {
  expect(() => new EpisodicMemory(n as number)).toThrow(InvalidOptionError);
  expect(() => new EpisodicMemory(n as number)).toThrow(/patternsPerExperience/);
});

describe('a task is an integer', () => {
  test('whichever: all samples are those of the tasks one after another, and a state brings them back', () => {
    const tasks = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(tasks, (list) => {
        const [memory, copy] = [new EpisodicMemory(3), new EpisodicMemory(3)];
        list.forEach((task, i) => {
          feed(memory, task, 10 * i, [2]);
          const each = memory.groups.flatMap((group) => held(memory, group));
          expect(memory.batch().targets.toArray()).toEqual(each);
          expect(held(memory, task)).toContain(10 * i + 1);
          copy.loadStateDict(memory.stateDict());
          expect(copy.groups.flatMap((group) => held(copy, group))).toEqual(each);
        });
      }),
    );
  });

  test.each([1.5, Number.NaN, undefined, '0'])('%s is none', (task) => {
    const memory = new EpisodicMemory(3);
    expect(() => feed(memory, task as number, 0, [1])).toThrow(InvalidOptionError);
    expect(() => feed(memory, task as number, 0, [1])).toThrow(/task is .*; expected an integer/);
    expect([memory.tasks, memory.groups]).toEqual([[], []]);
  });
});

test('a batch that is asked for again has the samples of its slots, and nobody can tell', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('ring', 'first-n-shuffled', 'reservoir' as const),
      slots,
      fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 7 }), fc.array(fc.nat(2))), { maxLength: 8 }),
      (policy, n, events) => {
        const [plain, asked] = [0, 1].map(() => new EpisodicMemory(n, policy, { rng: new Rng(1) }));
        let next = 0;
        for (const [task, size, asks] of events) {
          for (const memory of [plain!, asked!]) feed(memory, task, next, [size]);
          next += size;
          for (const group of asks) if (asked!.size(group) > 0) asked!.batch(group);
          expect(asked!.contents).toEqual(plain!.contents);
        }
        if (next === 0) return;
        const told = [plain!, asked!].map((memory) => {
          const { inputs, targets } = memory.batch();
          return [inputs.toArray(), targets.toArray()];
        });
        expect(told[1]).toEqual(told[0]);
      },
    ),
  );
});

test('a group laid in a batch has views of it', () => {
  const ids = tensor(Int32Array.of(4, 5, 6));
  const batch = { inputs: ids.cast('float32').unsqueeze(1), targets: ids };
  const origin = { experience: 0, index: null, step: null };
  const slot = { sample: { inputs: tensor([[0]]), targets: tensor(Int32Array.of(0)) }, origin };
  const { slots: laid } = laidIn({ slots: [slot, undefined, slot, slot], state: 7 }, batch);
  expect(laid.map((s) => s?.sample.targets.item())).toEqual([4, undefined, 5, 6]);
  for (const s of laid) if (s) expect(s.sample.inputs.storage).toBe(batch.inputs.storage);
});
