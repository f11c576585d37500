// Online streams: every sample of an experience in one part of it, k at a time.

import { arange, Rng, scope, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dataset, onlineStream, type Stream, StreamError, streamOf } from '../../src/streams/index.ts';

/** Sample i of task t is [100 t + i]; its label i % 3. */
function numbered(lengths: readonly number[]): Stream {
  const samples = (t: number, n: number) => ({
    inputs: arange(100 * t, 100 * t + n)
      .cast('float32')
      .reshape([-1, 1]),
    targets: tensor(Int32Array.from({ length: n }, (_, i) => i % 3)),
  });
  return streamOf(
    lengths.map((n, t) => ({
      train: samples(t, n),
      test: { inputs: tensor([[7]]), targets: tensor(Int32Array.of(5)) },
      taskLabel: t + 4,
    })),
  );
}
const ids = (data: Dataset) => (data.range(0, data.length).inputs.toArray() as number[][]).flat();

const cases = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
  experienceSize: fc.integer({ min: 1, max: 15 }),
  seed: fc.option(fc.nat(99), { nil: undefined }),
});

describe('onlineStream', () => {
  it('deals every sample of an experience out, k at a time, the last part with what is left', () => {
    fc.assert(
      fc.property(cases, ({ lengths, experienceSize, seed }) => {
        const stream = numbered(lengths);
        const rng = seed === undefined ? undefined : new Rng(seed);
        const parts = [...onlineStream(stream, { experienceSize, rng })];
        expect(parts.map(({ index }) => index)).toEqual(parts.map((_, i) => i));
        for (const origin of stream) {
          const own = parts.filter((part) => part.origin === origin);
          const all = own.flatMap(({ train }) => ids(train));
          const inOrder = ids(origin.train);
          expect(rng === undefined ? all : all.toSorted((a, b) => a - b)).toEqual(inOrder);
          expect(own.map(({ part, parts: count }) => [part, count])).toEqual(own.map((_, i) => [i, own.length]));
          own.forEach(({ train, test, taskLabel, classes }, i) => {
            expect(train.length).toBe(Math.min(experienceSize, origin.train.length - i * experienceSize));
            expect([test, taskLabel]).toEqual([origin.test, origin.taskLabel]);
            expect(train.targets.toArray()).toEqual(ids(train).map((id) => (id % 100) % 3));
            expect(classes).toEqual([...new Set([...train.classes, 5])].sort());
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('leaves a short last part out where asked to', () => {
    const sizes = (dropLast: boolean) =>
      [...onlineStream(numbered([7, 6]), { experienceSize: 3, dropLast })].map(({ train }) => train.length);
    expect([sizes(false), sizes(true)]).toEqual([
      [3, 3, 1, 3, 3],
      [3, 3, 3, 3],
    ]);
  });

  it('shuffles by seed and experience alone, whatever was drawn before and whatever stands around it', () => {
    const [one, two] = numbered([12, 12]) as unknown as [Stream[number], Stream[number]];
    const order = (rng: Rng, stream: Stream) =>
      [...onlineStream(stream, { experienceSize: 5, rng })].flatMap(({ train, origin }) =>
        origin === two ? ids(train) : [],
      );
    const used = new Rng(3);
    used.uniform(9);
    expect(order(used, [two])).toEqual(order(new Rng(3), [one, two]));
    expect(order(new Rng(4), [two])).not.toEqual(order(new Rng(3), [two]));
  });

  it('is lazy: a part is made when it is asked for', () => {
    const experience = numbered([1]).map((e) => ({ ...e, train: e.train }))[0]!;
    let made = 0;
    const watched = new Proxy(experience.train, {
      get: (target, key) => {
        if (key === 'subset') made++;
        const value = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const parts = onlineStream([{ ...experience, train: watched }], { experienceSize: 1 });
    expect(made).toBe(0);
    parts.next();
    expect(made).toBe(1);
  });

  it('takes one experience too, and its parts outlive the scope in which they are made', () => {
    const [experience] = numbered([4]);
    const parts = scope(() => {
      const made = [...onlineStream(experience!, { experienceSize: 2 })];
      return made;
    });
    expect(parts.map(({ train, name }) => [name, ids(train)])).toEqual([
      ['task 0, part 1 of 2', [0, 1]],
      ['task 0, part 2 of 2', [2, 3]],
    ]);
  });

  it('names what does not fit, before anything is made', () => {
    const make =
      (experienceSize: number, dropLast = false) =>
      () =>
        onlineStream(numbered([5, 2]), { experienceSize, dropLast });
    expect(make(0)).toThrow(StreamError);
    expect(make(0)).toThrow('experienceSize is 0; expected an integer >= 1');
    expect(make(2.5)).toThrow(/experienceSize is 2.5/);
    expect(make(3, true)).toThrow(
      "'task 1' has 2 samples, fewer than experienceSize 3; dropLast would leave nothing of it",
    );
  });
});
