// Saving and loading a memory: what is in a state, that it stays as it was taken, and what is refused.

import { Dataset, type Samples } from '@gemlab/autograd';
import { Rng, readSafetensors, tensor, writeSafetensors } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { InvalidOptionError } from '../../src/errors.ts';
import { EpisodicMemory, gradientBased, herding } from '../../src/memory/index.ts';
import { type Json, type State, StateMismatchError } from '../../src/state.ts';
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
    ['nothing', () => ({}) as State, /data of the state is undefined; expected the state of an episodic memory/],
    ['no tensors', ({ data }) => ({ data }) as State, /tensors 4\. of the state is \[\]; expected inputs and targets/],
    ['slots lost', (s) => ({ ...s, data: { ...(s.data as object), groups: [{ group: 4 }] } }), /groups of the state/],
  ];
  test.each(damaged)('%s is refused, and the memory stays as it was', (_, damage, message) => {
    const memory = filled();
    const before = memory.contents;
    expect(() => memory.loadStateDict(damage(memory.stateDict()))).toThrow(message);
    expect(memory.contents).toEqual(before);
  });

  const rng = new Rng(1);
  const gradients = ({ inputs }: Samples) => inputs;
  const policies: readonly [string, EpisodicMemory, readonly Json[]][] = [
    ['ring', new EpisodicMemory(3, 'ring'), [null, 'x', -1, 0.5, 4]],
    ['first-n-shuffled', new EpisodicMemory(3, 'first-n-shuffled'), [0]],
    [
      'reservoir',
      new EpisodicMemory(3, 'reservoir', { rng }),
      [null, 7, { seen: 3 }, { rng: { ...rng.state }, seen: 2 }],
    ],
    [
      'gradient-based',
      new EpisodicMemory(3, gradientBased(gradients), { rng }),
      [null, { rng: { ...rng.state }, scores: [1, 1] }, { rng: null, scores: [1, 1, 1] }],
    ],
    ['herding', new EpisodicMemory(3, herding(gradients)), [0]],
    ['ring-2018', new EpisodicMemory(3, 'ring-2018'), [null, 3, '0']],
  ];
  test.each(policies)('of policy %s without what the policy knows of its slots is refused', (name, memory, broken) => {
    feed(memory, 0, 0, [4]);
    const before = memory.contents;
    const { tensors, data } = memory.stateDict();
    memory.loadStateDict({ tensors, data });
    const { groups, ...rest } = data as { readonly groups: readonly [object] };
    for (const wrong of broken) {
      const damaged =
        name === 'ring-2018'
          ? { ...rest, groups, shared: wrong }
          : { ...rest, groups: [{ ...groups[0], state: wrong }] };
      const load = () => memory.loadStateDict({ tensors, data: damaged as unknown as Json });
      expect(load).toThrow(StateMismatchError);
      expect(load).toThrow(`what policy '${name}' knows of 3 slots`);
    }
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
    [5, 'reservoir', { rng: 7 }, /rng is 7.*draws/],
    [5, 'ring', { rng: 7 }, /rng is 7; expected an Rng/],
    [5, 'lottery', {}, /policy is lottery; expected one of ring, first-n-shuffled/],
    [5, 'ring', { by: 'colour' }, /by is colour/],
    [5, 'ring', { evictionLog: -1 }, /evictionLog is -1/],
  ])('a memory of %j %s %j', (budget, policy, options, message) => {
    expect(() => new EpisodicMemory(budget, policy as 'ring', options as object)).toThrow(message);
  });

  test('what is no batch of samples', () => {
    const memory = filled();
    const samples = samplesOf([{ id: 0, label: 0 }]);
    const [inputs, targets] = [samples.inputs, samples.targets];
    const cases: readonly [unknown, RegExp][] = [
      [undefined, /inputs is undefined; expected a tensor with one row/],
      [{ inputs }, /targets is undefined/],
      [{ targets }, /inputs is undefined/],
      [{ inputs, targets: 3 }, /targets is 3/],
      [{ inputs: inputs.sum(), targets }, /inputs is a scalar/],
      [Dataset.from(samples), /samples is a Dataset; expected a batch of it: dataset.range/],
    ];
    for (const [wrong, message] of cases) {
      expect(() => memory.add(0, wrong as Samples)).toThrow(InvalidOptionError);
      expect(() => memory.add(0, wrong as Samples)).toThrow(message);
    }
    expect(memory.tasks).toEqual([4, 2]);
  });

  test('a draw of no samples, or without a generator', () => {
    const wrong = (count: number, rng: unknown) => () => filled().sample(count, rng as Rng);
    for (const count of [0, -1, 1.5, Number.NaN]) expect(wrong(count, new Rng(0))).toThrow(InvalidOptionError);
    expect(wrong(0, new Rng(0))).toThrow(/count is 0; expected a positive integer/);
    expect(wrong(1, undefined)).toThrow(/rng is undefined; expected an Rng/);
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
  expect(memory.sample(Infinity, rng, [1]).targets.size).toBe(5);
  expect(() => memory.sample(1, rng, [7])).toThrow(/groups is \[7\]; expected some of those stored, \[0,1\]/);
});
