import { arange, errors, Rng, scope, tensor, zeros } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Dataset,
  type PermutedStreamOptions,
  permutedStream,
  pixelPermutation,
  type Samples,
} from '../../src/streams/index.ts';

/** n samples of the shape given, all elements distinct; labels go round 0..9. */
function samples(n: number, shape: number[], start = 0): Samples {
  const d = shape.reduce((a, b) => a * b, 1);
  return {
    inputs: tensor(
      Float32Array.from({ length: n * d }, (_, i) => start + i),
      { shape: [n, ...shape] },
    ),
    targets: arange(n).mod(10),
  };
}
const options = (more: Partial<PermutedStreamOptions> = {}): PermutedStreamOptions => ({
  train: samples(30, [12]),
  test: samples(20, [12], 5000),
  tasks: 4,
  rng: new Rng(7),
  ...more,
});
const order = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const pixels = (row: unknown) => order((row as number[][]).flat(3));

describe('permutedStream', () => {
  it('moves pixels by a bijection: each sample keeps its pixels, its label and its shape', () => {
    for (const shape of [[12], [3, 4], [2, 2, 3]]) {
      const [train, test] = [samples(30, shape), samples(20, shape, 5000)];
      for (const task of permutedStream(options({ train, test }))) {
        expect(order(task.permutation.toArray() as number[])).toEqual(arange(12).toArray());
        for (const [seen, source] of [[task.train, train] as const, [task.test, test] as const]) {
          const { inputs, targets } = seen.range(0, seen.length);
          expect(inputs.shape).toEqual(source.inputs.shape);
          expect(targets.toArray()).toEqual(source.targets.toArray());
          const rows = inputs.toArray() as unknown[];
          expect(rows.map(pixels)).toEqual((source.inputs.toArray() as unknown[]).map(pixels));
        }
      }
    }
  });

  it('puts source pixel permutation[i] at place i, and the inverse permutation restores', () => {
    const { test } = options();
    const inputs = (test as Samples).inputs;
    for (const { permutation, test: seen } of permutedStream(options())) {
      const p = permutation.toArray() as number[];
      const shown = seen.range(0, 20).inputs;
      const rows = inputs.toArray() as number[][];
      expect(shown.toArray()).toEqual(rows.map((row) => p.map((from) => row[from])));
      const inverse = new Int32Array(12);
      p.forEach((from, i) => {
        inverse[from] = i;
      });
      expect(pixelPermutation(tensor(inverse))(shown).toArray()).toEqual(inputs.toArray());
    }
  });

  it('permutes train and test of a task alike, and every task otherwise, the first included', () => {
    const stream = permutedStream(options({ train: samples(20, [12], 5000), tasks: 6 }));
    for (const { train, test } of stream) {
      expect(train.range(0, 20).inputs.toArray()).toEqual(test.range(0, 20).inputs.toArray());
    }
    const identity = String(arange(12).toArray());
    const all = stream.map((t) => String(t.permutation.toArray()));
    expect(new Set([...all, identity]).size).toBe(7);
  });

  it('leaves the first task as it is on request, and the others as they would be', () => {
    const [first, ...others] = permutedStream(options({ firstIdentity: true }));
    expect(first!.permutation.toArray()).toEqual(arange(12).toArray());
    expect(first!.name).toBe('unpermuted');
    const plain = permutedStream(options());
    expect(others.map((t) => t.permutation.toArray())).toEqual(plain.slice(1).map((t) => t.permutation.toArray()));
  });

  it('draws for each task its own training samples, without replacement', () => {
    const stream = permutedStream(options({ samplesPerTask: 10 }));
    const drawn = stream.map(({ train }) =>
      (train.range(0, 10).inputs.toArray() as number[][]).map((r) => Math.min(...r) / 12),
    );
    for (const rows of drawn) expect(new Set(rows).size).toBe(10);
    expect(new Set(drawn.map(String)).size).toBe(4);
    for (const { train, test } of stream) expect([train.length, test.length]).toEqual([10, 20]);
    const rows = drawn[0]!.map((row) => row % 10);
    expect(stream[0]!.train.targets.toArray()).toEqual(rows);
  });

  it.each([
    ['has copies of what tasks draw where that is a small part of the images', 3],
    ['shares the images where tasks draw many of them', 4],
  ])('%s', (_, samplesPerTask) => {
    const { train } = options() as { train: Samples };
    const stream = permutedStream(options({ train, samplesPerTask }));
    const drawn = () => stream.map((t) => t.train.range(0, samplesPerTask).inputs.toArray());
    const before = drawn();
    train.inputs.storage.release();
    if (4 * samplesPerTask <= 15) expect(drawn()).toEqual(before);
    else expect(drawn).toThrow(errors.ScopeError);
  });

  it('draws the same samples whether or not the first task is permuted', () => {
    const drawn = (firstIdentity: boolean) =>
      permutedStream(options({ samplesPerTask: 8, firstIdentity })).map((t) => t.train.targets.toArray());
    expect(drawn(true)).toEqual(drawn(false));
  });

  it('stays bit for bit what it was: recorded runs can be repeated', () => {
    const [first] = permutedStream(options({ samplesPerTask: 6 }));
    expect(first!.permutation.toArray()).toEqual([10, 6, 8, 4, 7, 2, 11, 5, 1, 9, 3, 0]);
    expect(first!.train.targets.toArray()).toEqual([0, 4, 2, 9, 3, 5]);
  });

  it('is a function of the seed: draws from the generator change nothing, another seed changes all', () => {
    const seen = (rng: Rng) =>
      permutedStream(options({ rng, samplesPerTask: 9 })).map(({ train, permutation }) => [
        permutation.toArray(),
        train.range(0, 9).inputs.toArray(),
      ]);
    const used = new Rng(7);
    used.uniform(11);
    used.split(3);
    expect(seen(used)).toEqual(seen(new Rng(7)));
    const other = seen(new Rng(8));
    seen(new Rng(7)).forEach((task, i) => {
      expect(task).not.toEqual(other[i]);
    });
  });

  it('of few tasks is the beginning of the one of many', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 6 }), (few, more) => {
        const seen = (tasks: number) =>
          permutedStream(options({ tasks, samplesPerTask: 5 })).map(({ index, name, train, test, permutation }) => ({
            index,
            name,
            permutation: permutation.toArray(),
            train: [train.range(0, 5).inputs.toArray(), train.targets.toArray()],
            test: test.range(0, 20).inputs.toArray(),
          }));
        expect(seen(few + more).slice(0, few)).toEqual(seen(few));
      }),
      { numRuns: 15 },
    );
  });

  it('numbers and names its experiences, and tells the task only on request', () => {
    const stream = permutedStream(options());
    expect(stream.map((t) => t.index)).toEqual([0, 1, 2, 3]);
    expect(new Set(stream.map((t) => t.name)).size).toBe(4);
    expect(stream.map((t) => t.taskLabel)).toEqual([0, 0, 0, 0]);
    expect(permutedStream(options({ taskLabels: true })).map((t) => t.taskLabel)).toEqual([0, 1, 2, 3]);
    expect(stream[0]!.classes).toEqual(arange(10).toArray());
  });

  it('touches no images but those asked for', () => {
    let touched = 0;
    const counting = (source: PermutedStreamOptions['test']) =>
      Dataset.from(source).map((inputs) => {
        touched += inputs.shape[0]!;
        return inputs;
      });
    const { train, test } = options();
    const stream = permutedStream(
      options({ train: counting(train), test: counting(test), tasks: 50, samplesPerTask: 20 }),
    );
    // One sample of each source, to learn its shape.
    expect(touched).toBe(2);
    stream[49]!.train.range(0, 3);
    expect(touched).toBe(5);
  });

  it('made inside a scope works after it', () => {
    let stream: ReturnType<typeof permutedStream> = [];
    scope(() => {
      const { train, test } = options() as { train: Samples; test: Samples };
      const own = { inputs: train.inputs.add(0), targets: train.targets.add(0) };
      stream = permutedStream(options({ train: own, test, samplesPerTask: 8 }));
    });
    expect(stream[1]!.train.range(0, 8).inputs.toArray()).toEqual(
      permutedStream(options({ samplesPerTask: 8 }))[1]!
        .train.range(0, 8)
        .inputs.toArray(),
    );
  });

  it('names what does not fit', () => {
    const wide = { inputs: zeros([3, 13]), targets: arange(3) };
    expect(() => permutedStream(options({ tasks: 0 }))).toThrow(/permutedStream: tasks is 0; expected an integer >= 1/);
    expect(() => permutedStream(options({ rng: 7 as never }))).toThrow(
      /permutedStream: rng is 7; expected a generator/,
    );
    expect(() => permutedStream(options({ samplesPerTask: 31 }))).toThrow(
      /samplesPerTask is 31; expected an integer from 1 to 30/,
    );
    expect(() => permutedStream(options({ test: wide }))).toThrow(
      /samples differ in shape: \[12\] in train, \[13\] in test/,
    );
    const elsewhere = { inputs: zeros([3, 12], { device: 'reference' }), targets: arange(3).to('reference') };
    expect(() => permutedStream(options({ test: elsewhere }))).toThrow(
      /two devices: 'cpu' in train, 'reference' in test/,
    );
  });
});
