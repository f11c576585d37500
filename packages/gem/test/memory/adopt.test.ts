// One memory in the place of another.

import { describe, expect, test } from 'vitest';
import { adoptMemory } from '../../src/memory/adopt.ts';
import { EpisodicMemory, herd, herding } from '../../src/memory/index.ts';
import { feed } from './support.ts';

const ids = (memory: EpisodicMemory, task: number) =>
  memory.contents.filter((s) => s.group === task).map((s) => s.index);

describe('adoptMemory', () => {
  const held = () => {
    const memory = new EpisodicMemory(6, 'ring');
    feed(memory, 0, 0, [2, 2, 2, 2, 2]);
    feed(memory, 1, 100, [2, 2]);
    return memory;
  };

  test('made alike, it goes on as the other would have', () => {
    const [memory, other] = [new EpisodicMemory(6, 'ring'), held()];
    adoptMemory(memory, other.stateDict());
    for (const m of [memory, other]) feed(m, 1, 200, [5]);
    expect(memory.contents).toEqual(other.contents);
  });

  test('a smaller one has the newest, a larger one has all, with their origins', () => {
    const [smaller, larger] = [new EpisodicMemory(4, 'ring'), new EpisodicMemory(9, 'ring')];
    for (const memory of [smaller, larger]) adoptMemory(memory, held().stateDict());
    expect(smaller.tasks).toEqual([0, 1]);
    expect([ids(smaller, 0).sort(), ids(smaller, 1).sort()]).toEqual([
      [6, 7, 8, 9],
      [100, 101, 102, 103],
    ]);
    expect(ids(larger, 0)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(larger.contents.map((s) => s.step)).toEqual([4, 4, 6, 6, 8, 8, 100, 100, 102, 102]);
    expect(larger.batch(0).inputs.toArray()).toHaveLength(6);
  });

  test('a policy that wants all samples of an experience at once is offered those that came at once', () => {
    const herded = (n: number) =>
      new EpisodicMemory(
        n,
        herding(({ inputs }) => inputs.slice(null, [1, 3])),
      );
    const [memory, other] = [herded(3), herded(8)];
    feed(other, 0, 0, [20]);
    feed(other, 1, 100, [20]);
    adoptMemory(memory, other.stateDict());
    for (const task of [0, 1]) {
      const chosen = herd(other.batch(task).inputs.slice(null, [1, 3]), 3);
      expect(ids(memory, task)).toEqual(chosen.map((i) => ids(other, task)[i]));
    }
  });

  test('another policy is offered the samples', () => {
    const first = new EpisodicMemory(4, 'first-n-shuffled');
    adoptMemory(first, held().stateDict());
    expect(ids(first, 0)).toEqual([4, 5, 6, 7]);
  });
});
