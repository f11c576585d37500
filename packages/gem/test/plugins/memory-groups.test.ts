// Which memory a sample goes to, and which memories constrain a step: without tasks too.

import { type Dataset, optim } from '@gemlab/autograd';
import { concat, Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import type { GroupFunction } from '../../src/plugins/memory-groups.ts';
import type { StepRecord } from '../../src/step-record.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { streamOf } from '../../src/streams/index.ts';
import { toyStrategy, toyStream } from '../toy.ts';

const make = (options: Partial<GEMOptions>) =>
  new GEMPlugin({ patternsPerExperience: 8, memoryStrength: 0.2, ...options });

/** Trains without shuffling, in batches of 5; the records of each step, null where nothing constrained. */
async function train(plugin: GEMPlugin, stream = toyStream(2, 30)) {
  const records: (StepRecord | null)[] = [];
  const watch: StrategyPlugin = { name: 'watch', afterTrainingIteration: () => void records.push(plugin.lastRecord) };
  await toyStrategy({ plugins: [plugin, watch], shuffle: false }).train(stream);
  return records;
}
const constraining = (records: readonly (StepRecord | null)[]) => records.map((r) => r?.tasks ?? []);

describe('groups', () => {
  test('experience: the tasks before', async () => {
    const records = await train(make({}));
    expect(constraining(records)).toEqual([...new Array(6).fill([]), ...new Array(6).fill([0])]);
    expect(records.at(-1)!.groups).toBe('experience');
  });

  test('class: each label has its memory, and constrains as soon as it holds a sample', async () => {
    const plugin = make({ groups: 'class' });
    const records = await train(plugin);
    expect(constraining(records)).toEqual([[], ...new Array(11).fill([0, 1])]);
    expect(records.at(-1)!.groups).toBe('class');
    for (const label of [0, 1]) {
      expect(plugin.memory.batch(label).targets.toArray()).toEqual(new Array(8).fill(label));
      expect(
        plugin.memory.contents.filter(({ group }) => group === label).map(({ experience }) => experience),
      ).toContain(1);
    }
  });

  test('blocks: each n samples of the stream, whatever batches and tasks they come in; complete ones constrain', async () => {
    const plugin = make({ groups: { blocks: 12 }, patternsPerExperience: 50 });
    const records = await train(plugin);
    // Before step i, 5 i samples came by.
    const complete = (i: number) => Array.from({ length: Math.floor((5 * i) / 12) }, (_, block) => block);
    expect(constraining(records)).toEqual(records.map((_, i) => complete(i)));
    expect(plugin.memory.groups.map((block) => plugin.memory.size(block))).toEqual([12, 12, 12, 12, 12]);
    // The third block lies in both tasks.
    const third = plugin.memory.contents.filter(({ group }) => group === 2);
    expect(third.map(({ experience, index }) => [experience, index])).toEqual([
      ...[24, 25, 26, 27, 28, 29].map((index) => [0, index]),
      ...[0, 1, 2, 3, 4, 5].map((index) => [1, index]),
    ]);
  });

  test('a function: as it says', async () => {
    const seen: number[] = [];
    const bySide: GroupFunction = ({ inputs }, place) => {
      seen.push(place.seen);
      return (inputs.toArray() as number[][]).map(([x]) => (x! < 0 ? 4 : 2));
    };
    const plugin = make({ groups: bySide });
    const records = await train(plugin);
    expect(records.at(-1)!.tasks.toSorted()).toEqual([2, 4]);
    expect(records.at(-1)!.groups).toBe('custom');
    expect((plugin.memory.batch(4).inputs.toArray() as number[][]).every(([x]) => x! < 0)).toBe(true);
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => 5 * i));
  });

  test.each([
    [() => [0], /groups is \[0\]; expected the group of each of 5 samples/],
    [() => [0, 1, 2, 3, -1], /expected the group of each of 5 samples, an integer >= 0/],
  ])('a function that says something else is refused', async (groups, message) => {
    const plugin = make({ groups });
    await expect(train(plugin)).rejects.toThrow(message);
    expect(plugin.memory.size()).toBe(0);
  });

  test('avalanche: by class after the experience; blocks are refused', async () => {
    const plugin = make({ groups: 'class', profile: 'avalanche', rng: new Rng(1) });
    const records = await train(plugin);
    expect(constraining(records)).toEqual([...new Array(6).fill([]), ...new Array(6).fill([0, 1])]);
    expect([plugin.memory.size(0), plugin.memory.size(1)]).toEqual([8, 8]);
    expect(() => make({ groups: { blocks: 5 }, profile: 'avalanche' })).toThrow(
      /fills its memory after the experience/,
    );
    expect(() => make({ groups: { blocks: 0 } })).toThrow(/groups is {"blocks":0}; expected 'experience', 'class'/);
    expect(() => make({ groups: 'task' as 'class' })).toThrow(/groups is task/);
  });

  test('a memory whose groups are given wants them', () => {
    const memory = new EpisodicMemory(3, 'ring', { by: 'given' });
    const { train: data } = toyStream(1, 4)[0]!;
    const batch = data.range(0, 4);
    expect(() => memory.add(0, batch)).toThrow(/groups is \[\]; expected the group of each of 4/);
    memory.add(7, batch, { groups: [1, 0, 1, 1] });
    expect(memory.contents.map(({ group, experience }) => [group, experience])).toEqual([
      [1, 7],
      [1, 7],
      [1, 7],
      [0, 7],
    ]);
  });

  test('a state of other groups is refused; in a branch, what was remembered is put where the new ones want it', async () => {
    const [was, blocks, classes] = [{ blocks: 12 }, { blocks: 20 }, 'class' as const].map((groups) => make({ groups }));
    await train(was!);
    const state = was!.stateDict();
    const held = was!.memory.size();
    for (const other of [blocks!, classes!]) {
      expect(() => other.loadStateDict(state)).toThrow(/groups of the state is blocks of 12; expected/);
      expect(other.memory.size()).toBe(0);
      other.adoptState(state);
      expect(other.memory.size()).toBeGreaterThan(0);
    }
    // As if they had come by now: 40 samples, in blocks of 20, of which each keeps 8.
    expect(held).toBe(40);
    expect(blocks!.memory.groups).toEqual([0, 1]);
    expect(classes!.memory.batch(1).targets.toArray()).toEqual(new Array(8).fill(1));
  });

  test('on a stream without boundaries, blocks and classes forget less than fine-tuning', async () => {
    // Three tasks one after another in one experience; the learner is told nothing.
    const tasks = toyStream(3, 300, 2);
    const all = (of: (d: Dataset) => ReturnType<Dataset['range']>) => {
      const parts = tasks.map(({ train: d }) => of(d));
      return { inputs: concat(parts.map((p) => p.inputs)), targets: concat(parts.map((p) => p.targets)) };
    };
    const joined = all((d) => d.range(0, d.length));
    const stream = streamOf([{ train: joined, test: joined }]);
    const accuracyOnFirst = async (plugins: StrategyPlugin[]) => {
      const base = toyStrategy({ seed: 4 });
      const optimizer = new optim.SGD(base.model.parameters(), { lr: 0.1 });
      const strategy = toyStrategy({ model: base.model, optimizer, plugins, shuffle: false });
      await strategy.train(stream);
      return (await strategy.eval(tasks[0]!))[0]!.accuracy;
    };
    const plain = await accuracyOnFirst([]);
    const blocks = await accuracyOnFirst([make({ groups: { blocks: 100 }, patternsPerExperience: 20 })]);
    expect(blocks).toBeGreaterThan(plain + 0.05);
  });
});
