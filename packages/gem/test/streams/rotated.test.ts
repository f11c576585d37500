import { arange, Rng, tensor, zeros } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type RotatedStreamOptions,
  rotatedStream,
  rotation,
  type Samples,
  StreamError,
} from '../../src/streams/index.ts';

function samples(n: number, shape: number[]): Samples {
  const d = shape.reduce((a, b) => a * b, 1);
  return {
    inputs: tensor(
      Float32Array.from({ length: n * d }, (_, i) => 1 + i),
      { shape: [n, ...shape] },
    ),
    targets: arange(n).mod(3),
  };
}
const options = (more: Partial<RotatedStreamOptions> = {}): RotatedStreamOptions => ({
  train: samples(12, [36]),
  test: samples(7, [36]),
  tasks: 5,
  rng: new Rng(2),
  ...more,
});

describe('rotatedStream', () => {
  it('draws each angle in its own bin', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 25 }),
        fc.nat(1000),
        fc.double({ min: -90, max: 90, noNaN: true }),
        (tasks, seed, low) => {
          const range = { minDegrees: low, maxDegrees: low + 180 };
          const stream = rotatedStream(options({ tasks, rng: new Rng(seed), ...range }));
          stream.forEach(({ degrees }, t) => {
            const width = 180 / tasks;
            expect(degrees).toBeGreaterThanOrEqual(low + t * width - 1e-9);
            expect(degrees).toBeLessThan(low + (t + 1) * width + 1e-9);
          });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('by default turns from 0 to 180 degrees, and says so', () => {
    const stream = rotatedStream(options({ tasks: 20 }));
    stream.forEach(({ degrees, name }, t) => {
      expect(Math.floor(degrees / 9)).toBe(t);
      expect(name).toBe(`rotation ${degrees.toFixed(2)} degrees`);
    });
  });

  it('turns train and test by the angle it names', () => {
    for (const interpolation of ['nearest', 'bilinear'] as const) {
      for (const { degrees, train, test } of rotatedStream(options({ interpolation }))) {
        const turn = rotation(degrees, [6, 6], { interpolation });
        expect(train.range(0, 12).inputs.toArray()).toEqual(turn((options().train as Samples).inputs).toArray());
        expect(test.range(0, 7).inputs.toArray()).toEqual(turn((options().test as Samples).inputs).toArray());
      }
    }
  });

  it('takes angles as they are given', () => {
    const stream = rotatedStream(options({ tasks: undefined, angles: [0, 90, -45.5] }));
    expect(stream.map((t) => t.degrees)).toEqual([0, 90, -45.5]);
    expect(stream[0]!.test.range(0, 7).inputs.toArray()).toEqual((options().test as Samples).inputs.toArray());
  });

  it('reads the image shape from the samples: the last two axes, or a square', () => {
    const degrees = { tasks: undefined, angles: [90] };
    for (const shape of [[6, 6], [1, 6, 6], [36]]) {
      const [task] = rotatedStream(options({ ...degrees, train: samples(2, shape), test: samples(2, shape) }));
      const flat = rotation(90, [6, 6])(samples(2, [36]).inputs).toArray();
      expect(task!.test.range(0, 2).inputs.flatten(1).toArray()).toEqual(flat);
    }
    const [wide] = rotatedStream(options({ ...degrees, imageShape: [4, 9] }));
    expect(wide!.test.range(0, 7).inputs.toArray()).toEqual(rotation(90, [4, 9])(samples(7, [36]).inputs).toArray());
  });

  it('is a function of the seed; samples, and angles within their bins, do not depend on the number of tasks', () => {
    const seen = (tasks: number, seed = 2) =>
      rotatedStream(options({ tasks, rng: new Rng(seed), samplesPerTask: 4 })).map(({ degrees, train }, t) => ({
        degrees,
        place: ((degrees * tasks) / 180 - t).toFixed(9),
        labels: train.targets.toArray(),
      }));
    expect(seen(5)).toEqual(seen(5));
    expect(seen(5).map((t) => t.degrees)).not.toEqual(seen(5, 3).map((t) => t.degrees));
    const shared = ({ place, labels }: { place: string; labels: unknown }) => ({ place, labels });
    expect(seen(20).slice(0, 5).map(shared)).toEqual(seen(5).map(shared));
    expect(seen(20)[1]!.degrees).not.toBe(seen(5)[1]!.degrees);
  });

  it('stays bit for bit what it was: recorded runs can be repeated', () => {
    const stream = rotatedStream(options({ samplesPerTask: 6 }));
    expect(stream.map((t) => t.degrees)).toEqual([
      17.507216794079028, 70.52527718269617, 83.10600860647867, 115.4028926175376, 157.17049821816258,
    ]);
    expect(stream[0]!.train.targets.toArray()).toEqual([1, 2, 1, 0, 1, 2]);
  });

  it('names what does not fit', () => {
    const odd = { inputs: zeros([3, 35]), targets: arange(3) };
    const whole = { inputs: zeros([3, 36], { dtype: 'int32' }), targets: arange(3) };
    const cases: [Partial<RotatedStreamOptions>, RegExp][] = [
      [{ tasks: undefined }, /tasks is NaN; expected an integer >= 1/],
      [{ tasks: 2.5 }, /tasks is 2.5/],
      [{ angles: [1, 2] }, /angles has 2 entries for 5 tasks/],
      [{ tasks: 1, angles: [Infinity] }, /degrees is Infinity/],
      [{ minDegrees: 10, maxDegrees: 0 }, /angles from 10 to 0; expected finite minDegrees <= maxDegrees/],
      [{ samplesPerTask: 0 }, /samplesPerTask is 0; expected an integer from 1 to 12/],
      [{ train: odd, test: odd }, /cannot tell height and width from samples of shape \[35\]; give imageShape/],
      [{ imageShape: [6] as never }, /imageShape\[1\] is undefined; expected an integer >= 1/],
      [{ rng: undefined as never }, /rng is undefined; expected a generator/],
      [{ test: undefined as never }, /test is undefined; expected a Dataset, or samples/],
      [{ imageShape: [5, 5] }, /samples of shape \[36\] do not divide into images of 5x5/],
      [{ train: whole, test: whole, interpolation: 'bilinear' }, /inputs must be floats, found int32/],
    ];
    for (const [wrong, message] of cases) {
      expect(() => rotatedStream(options(wrong))).toThrow(StreamError);
      expect(() => rotatedStream(options(wrong))).toThrow(message);
    }
  });
});
