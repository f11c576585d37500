// Saving and loading a memory: what is in a state, that it stays as it was taken, and what is refused.

import { Rng, readSafetensors, tensor, writeSafetensors } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import type { State } from '../../src/state.ts';
import { feed, idsOf, samplesOf } from './support.ts';

const make = () => new EpisodicMemory({ total: 6 }, 'reservoir', { rng: new Rng(1), evictionLog: 2 });
const filled = () => {
  const memory = make();
  feed(memory, 4, 0, [9]);
  feed(memory, 2, 100, [5]);
  return memory;
};

describe('a state', () => {
  test('has one tensor for each field of each group, in slot order', () => {
    const { tensors } = filled().stateDict();
    expect(Object.entries(tensors).map(([name, x]) => [name, x.dtype, x.shape])).toEqual([
      ['4.inputs', 'float64', [3, 3]],
      ['4.targets', 'int32', [3]],
      ['2.inputs', 'float64', [3, 3]],
      ['2.targets', 'int32', [3]],
    ]);
  });

  test('does not change when the memory does', () => {
    const memory = filled();
    const state = memory.stateDict();
    const text = JSON.stringify([state.data, Object.values(state.tensors).map((x) => x.toArray())]);
    feed(memory, 2, 200, [40]);
    expect(JSON.stringify([state.data, Object.values(state.tensors).map((x) => x.toArray())])).toBe(text);
  });

  test('comes back from a file bit for bit', () => {
    const memory = filled();
    const { tensors, data } = memory.stateDict();
    const copy = make();
    const read = readSafetensors(writeSafetensors(tensors)).tensors;
    copy.loadStateDict({ tensors: read, data: JSON.parse(JSON.stringify(data)) });
    for (const m of [memory, copy]) feed(m, 3, 300, [8, 8]);
    expect(idsOf(copy)).toEqual(idsOf(memory));
    expect(copy.contents).toEqual(memory.contents);
    expect(copy.batch().inputs.toArray()).toEqual(memory.batch().inputs.toArray());
  });

  test('an empty memory has one too', () => {
    const copy = filled();
    copy.loadStateDict(make().stateDict());
    expect([copy.size(), copy.groups, copy.tasks]).toEqual([0, [], []]);
  });

  const damaged: readonly [string, (s: State) => State, RegExp][] = [
    ['no state', () => ({ tensors: {}, data: 7 }), /data of the state is 7/],
    ['null', () => ({ tensors: {}, data: null }), /data of the state is null/],
    ['rows lost', (s) => ({ ...s, tensors: { ...s.tensors, '4.inputs': tensor([[1, 2, 3]]) } }), /4.inputs.*3 rows/],
    ['a tensor lost', (s) => ({ ...s, tensors: { '4.inputs': s.tensors['4.inputs']! } }), /targets of 3 samples/],
    ['slots lost', (s) => ({ ...s, data: { ...(s.data as object), groups: [{ group: 4 }] } }), /groups of the state/],
  ];
  test.each(damaged)('%s is refused, and the memory stays as it was', (_, damage, message) => {
    const memory = filled();
    const before = memory.contents;
    expect(() => memory.loadStateDict(damage(memory.stateDict()))).toThrow(message);
    expect(memory.contents).toEqual(before);
  });

  test('so is that of a memory made in another way', () => {
    const { stateDict } = { stateDict: () => filled().stateDict() };
    expect(() => new EpisodicMemory({ total: 6 }, 'ring').loadStateDict(stateDict())).toThrow(
      /policy of the state is reservoir; expected "ring"/,
    );
    const rng = new Rng(1);
    expect(() => new EpisodicMemory(6, 'reservoir', { rng }).loadStateDict(stateDict())).toThrow(/budget.*expected 6/);
    expect(() =>
      new EpisodicMemory({ total: 6 }, 'reservoir', { rng, by: 'class' }).loadStateDict(stateDict()),
    ).toThrow(/by of the state is task/);
  });
});

describe('what does not fit is refused', () => {
  test.each([
    [{ total: 0 }, 'ring', {}, /total is 0/],
    [{ total: 5 }, 'ring-2018', {}, /cannot give slots up/],
    [5, 'reservoir', {}, /rng is undefined.*draws/],
    [5, 'lottery', {}, /policy is lottery; expected one of ring, first-n-shuffled/],
    [5, 'ring', { by: 'colour' }, /by is colour/],
    [5, 'ring', { evictionLog: -1 }, /evictionLog is -1/],
  ])('a memory of %j %s %j', (budget, policy, options, message) => {
    expect(() => new EpisodicMemory(budget, policy as 'ring', options as object)).toThrow(message);
  });

  test('samples unlike those stored', () => {
    const memory = filled();
    const narrow = { inputs: tensor([[1, 2]]), targets: tensor(Int32Array.of(0)) };
    expect(() => memory.add(0, narrow)).toThrow(/samples is inputs float32 \[2\].*expected inputs float64 \[3\]/);
    const short = { ...samplesOf([{ id: 0, label: 0 }]), tasks: tensor(Int32Array.of(1, 2)) };
    expect(() => memory.add(0, short)).toThrow(/tasks is \[2\]; expected 1 rows/);
    expect(memory.tasks).toEqual([4, 2]);
  });
});

test('further fields are stored with each sample', () => {
  const memory = new EpisodicMemory<ReturnType<typeof samplesOf> & { logits: ReturnType<typeof tensor> }>(2);
  const samples = samplesOf([0, 1, 2].map((id) => ({ id, label: id })));
  memory.add(0, { ...samples, logits: samples.inputs.mul(2) });
  const { inputs, logits } = memory.batch(0);
  expect(logits.toArray()).toEqual(inputs.mul(2).toArray());
  expect(Object.keys(memory.stateDict().tensors)).toEqual(['0.inputs', '0.targets', '0.logits']);
});

test('a sample drawn is one that is held, and all groups are drawn from alike', () => {
  const memory = new EpisodicMemory(5, 'ring');
  feed(memory, 0, 0, [5]);
  feed(memory, 1, 10, [5]);
  const rng = new Rng(0);
  const counts = new Map<number, number>();
  for (let i = 0; i < 400; i++) {
    const drawn = memory.sample(3, rng).inputs.slice([0, null], 0).toArray() as number[];
    expect(new Set(drawn).size).toBe(3);
    for (const id of drawn) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([...idsOf(memory)].sort((a, b) => a - b));
  // Expected 120 each, with standard deviation below 10.
  for (const count of counts.values()) expect(Math.abs(count - 120)).toBeLessThan(50);
  expect(memory.sample(99, rng, [1]).targets.size).toBe(5);
  expect(() => memory.sample(1, rng, [7])).toThrow(/groups is \[7\]; expected some of those stored, \[0,1\]/);
});
