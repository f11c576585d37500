// A union is its parts one after another, whatever they are made of, and copies none of them.

import { Rng, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Dataset, jointExperience, shuffledStream, streamOf, unionOf } from '../../src/streams/index.ts';

/** Samples whose input says part and place, seen through a transform and a subset. */
function part(p: number, length: number): Dataset {
  const ids = Array.from({ length: length + 1 }, (_, i) => [100 * p + i - 0.5]);
  const all = new Dataset({ inputs: tensor(ids), targets: tensor(ids.map((_, i) => i)).cast('int32') });
  return all.subset(tensor(Int32Array.from({ length }, (_, i) => length - i))).map((x) => x.add(0.5));
}
const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });

describe('unionOf', () => {
  test('batches are the rows of the parts one after another', () => {
    fc.assert(
      fc.property(lengths, fc.infiniteStream(fc.nat()), (sizes, draws) => {
        const parts = sizes.map((n, p) => part(p, n));
        const union = unionOf(
          parts,
          sizes.map((_, p) => p + 3),
        );
        const rows = parts.flatMap((d, p) => {
          const { inputs, targets } = d.range(0, d.length);
          const labels = targets.toArray() as number[];
          return (inputs.toArray() as number[][]).map((input, i) => ({ input, label: labels[i], task: p + 3 }));
        });
        expect(union.length).toBe(rows.length);
        const wanted = Array.from({ length: 7 }, () => (draws.next().value as number) % rows.length);
        const batch = union.batch(tensor(Int32Array.from(wanted)));
        expect(batch.inputs.toArray()).toEqual(wanted.map((i) => rows[i]!.input));
        expect(batch.targets.toArray()).toEqual(wanted.map((i) => rows[i]!.label));
        expect(batch.tasks!.toArray()).toEqual(wanted.map((i) => rows[i]!.task));
        const last = union.range(rows.length - 1, rows.length);
        expect(last.inputs.toArray()).toEqual([rows.at(-1)!.input]);
      }),
    );
  });

  test('unions nest, and keep the task labels of the innermost', () => {
    const inner = unionOf([part(0, 2), part(1, 1)], [4, 5]);
    const outer = unionOf([part(2, 1), inner], [7, 9]);
    const { inputs, tasks } = outer.batch(tensor(Int32Array.of(3, 0, 1)));
    expect(inputs.toArray()).toEqual([[101], [201], [2]]);
    expect(tasks!.toArray()).toEqual([5, 7, 4]);
    expect(
      outer
        .subset(tensor(Int32Array.of(2)))
        .range(0, 1)
        .tasks!.toArray(),
    ).toEqual([4]);
  });

  test('labels that do not match the parts are refused', () => {
    expect(() => unionOf([])).toThrow(/parts.length is 0/);
    expect(() => unionOf([part(0, 1)], [1, 2])).toThrow(/taskLabels.length is 2/);
    expect(() => unionOf([part(0, 1)], [-1])).toThrow(/tasks holds -1/);
  });
});

describe('streams', () => {
  const stream = streamOf(
    [3, 5, 4].map((n, p) => ({ train: part(p, n), test: part(p, 2), taskLabel: p, name: `t${p}` })),
  );
  const all = (d: Dataset) => (d.range(0, d.length).inputs.toArray() as number[][]).flat();

  test('the joint experience has all samples of all tasks', () => {
    const joint = jointExperience(stream);
    expect(all(joint.train)).toEqual(stream.flatMap((e) => all(e.train)));
    expect(all(joint.test)).toEqual(stream.flatMap((e) => all(e.test)));
    expect(joint.train.tasks!.toArray()).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2]);
  });

  test('the shuffled stream deals every training sample out once, and keeps the tests', () => {
    const shuffled = shuffledStream(stream, new Rng(1));
    const dealt = shuffled.map((e) => all(e.train));
    expect(dealt.map((d) => d.length)).toEqual([4, 4, 4]);
    const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
    expect(sorted(dealt.flat())).toEqual(sorted(stream.flatMap((e) => all(e.train))));
    expect(dealt.flat()).not.toEqual(sorted(dealt.flat()));
    expect(shuffledStream(stream, new Rng(1)).map((e) => all(e.train))).toEqual(dealt);
    expect(shuffled.map(({ test: t, name, taskLabel }) => [all(t), name, taskLabel])).toEqual(
      stream.map(({ test: t, name, taskLabel }) => [all(t), name, taskLabel]),
    );
  });
});
