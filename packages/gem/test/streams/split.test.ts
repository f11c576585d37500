import { arange, Rng, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Dataset,
  type Samples,
  type SplitStreamOptions,
  StreamError,
  splitStream,
  streamOf,
} from '../../src/streams/index.ts';

/** Sample i is [i], its label labels[i]. */
const labelled = (labels: number[]): Samples => ({
  inputs: arange(labels.length).cast('float32').reshape([-1, 1]),
  targets: tensor(Int32Array.from(labels)),
});
const train = labelled([3, 0, 5, 1, 4, 2, 3, 3, 0, 5, 4, 1]);
const test = labelled([5, 4, 3, 2, 1, 0, 0]);
const options = (more: Partial<SplitStreamOptions> = {}): SplitStreamOptions => ({
  train,
  test,
  scenario: 'class',
  classesPerTask: 2,
  ...more,
});
const ids = (data: Dataset) => (data.range(0, data.length).inputs.toArray() as number[][]).flat();
const sourceLabels = (samples: Samples) => samples.targets.toArray() as number[];

describe('splitStream', () => {
  it('partitions the data: every sample in one task, that of its class, in its order', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 3, 6), fc.option(fc.nat(99), { nil: undefined }), (classesPerTask, seed) => {
        const rng = seed === undefined ? undefined : new Rng(seed);
        const stream = splitStream(options({ classesPerTask, rng }));
        expect(stream.length).toBe(6 / classesPerTask);
        for (const [side, source] of [['train', train] as const, ['test', test] as const]) {
          const all = stream.flatMap((task) => ids(task[side]));
          expect([...all].sort((a, b) => a - b)).toEqual(arange(source.targets.size).toArray());
          for (const task of stream) {
            const own = ids(task[side]);
            expect(own).toEqual([...own].sort((a, b) => a - b));
            for (const id of own) expect(task.sourceClasses).toContain(sourceLabels(source)[id]);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('class: labels stay and the task is not told', () => {
    const stream = splitStream(options());
    expect(stream.map((t) => t.classes)).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(stream.map((t) => t.taskLabel)).toEqual([0, 0, 0]);
    expect(stream.map((t) => t.name)).toEqual(['classes 0, 1', 'classes 2, 3', 'classes 4, 5']);
    for (const { train: seen } of stream) {
      expect(seen.targets.toArray()).toEqual(ids(seen).map((id) => sourceLabels(train)[id]));
    }
  });

  it('domain and task: labels become places in the group, and only task tells the task', () => {
    const classGroups = [
      [5, 0],
      [1, 3, 4],
    ];
    for (const scenario of ['domain', 'task'] as const) {
      const stream = splitStream(options({ scenario, classesPerTask: undefined, classGroups }));
      expect(stream.map((t) => t.taskLabel)).toEqual(scenario === 'task' ? [0, 1] : [0, 0]);
      expect(stream.map((t) => t.classes)).toEqual([
        [0, 1],
        [0, 1, 2],
      ]);
      expect(stream.map((t) => t.sourceClasses)).toEqual(classGroups);
      for (const { train: seen, sourceClasses } of stream) {
        const back = (seen.targets.toArray() as number[]).map((label) => sourceClasses[label]);
        expect(back).toEqual(ids(seen).map((id) => sourceLabels(train)[id]));
      }
    }
  });

  it('task with keepLabels: the task is told and labels stay', () => {
    const stream = splitStream(options({ scenario: 'task', keepLabels: true }));
    expect(stream.map((t) => [t.taskLabel, t.classes])).toEqual([
      [0, [0, 1]],
      [1, [2, 3]],
      [2, [4, 5]],
    ]);
  });

  it('leaves classes out that no group names', () => {
    const [only] = splitStream(options({ classesPerTask: undefined, classGroups: [[2]] }));
    expect([only!.name, only!.classes, ids(only!.train), ids(only!.test)]).toEqual(['class 2', [2], [5], [3]]);
  });

  it('shuffles classes by the seed, and by the seed alone', () => {
    const deal = (rng: Rng) => splitStream(options({ rng })).map((t) => t.sourceClasses);
    const used = new Rng(4);
    used.uniform(5);
    expect(deal(used)).toEqual(deal(new Rng(4)));
    expect(new Set(Array.from({ length: 20 }, (_, seed) => String(deal(new Rng(seed))))).size).toBeGreaterThan(10);
  });

  it('names what does not fit', () => {
    const groups = (classGroups: number[][]) => ({ classesPerTask: undefined, classGroups });
    const cases: [Partial<SplitStreamOptions>, RegExp][] = [
      [{ classesPerTask: undefined }, /give classesPerTask: how many classes/],
      [{ classesPerTask: 4 }, /6 classes do not divide into tasks of 4; give classGroups/],
      [{ classesPerTask: 7 }, /classesPerTask is 7; expected an integer from 1 to 6/],
      [{ classGroups: [[1]] }, /classesPerTask and classGroups both say/],
      [groups([]), /classGroups.length is 0/],
      [groups([[1], []]), /classGroups\[1\].length is 0/],
      [groups([[1], [2, 9]]), /classGroups\[1\] names class 9, of which there are no training samples/],
      [groups([[1], [2, 1]]), /class 1 stands in classGroups\[0\] and in classGroups\[1\]/],
      [{ ...groups([[2]]), test: labelled([1]) }, /task 0 \(classes 2\) has no samples in test/],
      [{ test: labelled([1, 8]) }, /the test set has class 8, which the training set lacks/],
      [{ scenario: 'classes' as 'class' }, /scenario is 'classes'; expected 'class', 'domain' or 'task'/],
      [{ scenario: 'domain', keepLabels: true }, /keepLabels contradicts scenario 'domain'/],
    ];
    for (const [wrong, message] of cases) {
      expect(() => splitStream(options(wrong))).toThrow(StreamError);
      expect(() => splitStream(options(wrong))).toThrow(message);
    }
  });
});

describe('streamOf', () => {
  it('makes a stream of any arrays', () => {
    const stream = streamOf([
      { train, test },
      { train: labelled([1, 1]), test: labelled([7]), name: 'ones', taskLabel: 4 },
    ]);
    expect(stream.map(({ index, name, taskLabel, classes }) => ({ index, name, taskLabel, classes }))).toEqual([
      { index: 0, name: 'task 0', taskLabel: 0, classes: [0, 1, 2, 3, 4, 5] },
      { index: 1, name: 'ones', taskLabel: 4, classes: [1, 7] },
    ]);
  });

  it('refuses no tasks, and labels that are none', () => {
    expect(() => streamOf([])).toThrow(/tasks.length is 0; expected an integer >= 1/);
    expect(() => streamOf([{ train } as never])).toThrow(
      /tasks\[0\].test is undefined; expected a Dataset, or samples/,
    );
    expect(() => streamOf([{ train, test, taskLabel: -1 }])).toThrow(/tasks\[0\].taskLabel is -1/);
  });
});
