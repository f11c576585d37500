import { arange, tensor, zeros } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccuracyMatrix, countCorrect, type MetricError, MetricInputError } from '../../src/metrics/index.ts';

function matrix(rows: number[][], baseline: number[]): AccuracyMatrix {
  const made = new AccuracyMatrix(rows.length);
  rows.forEach((row, i) => {
    made.record(i, row);
  });
  made.setBaseline(baseline);
  return made;
}

/** Three tasks, worked out by hand below. */
const three = () =>
  matrix(
    [
      [0.9, 0.2, 0.1],
      [0.7, 0.8, 0.3],
      [0.6, 0.7, 0.95],
    ],
    [0.1, 0.1, 0.05],
  );

const filled = fc.integer({ min: 1, max: 7 }).chain((T) => {
  const row = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: T, maxLength: T });
  return fc.record({ rows: fc.array(row, { minLength: T, maxLength: T }), baseline: row });
});

describe('AccuracyMatrix', () => {
  it('gives the numbers one works out by hand', () => {
    const R = three();
    expect(R.acc()).toBeCloseTo((0.6 + 0.7 + 0.95) / 3, 14);
    expect(R.bwt()).toBeCloseTo((-0.3 - 0.1) / 2, 14);
    expect(R.fwt()).toBeCloseTo((0.1 + 0.25) / 2, 14);
    expect(R.forgetting()).toBeCloseTo((0.3 + 0.1) / 2, 14);
    expect(R.learningAccuracy()).toBeCloseTo((0.9 + 0.8 + 0.95) / 3, 14);
  });

  it("divides by T in the 2018 code's convention", () => {
    const R = three();
    expect(R.bwt({ convention: 'code2018' })).toBeCloseTo(-0.4 / 3, 14);
    expect(R.fwt({ convention: 'code2018' })).toBeCloseTo(0.35 / 3, 14);
    expect(R.bwt({ convention: 'paper' })).toBe(R.bwt());
  });

  it('agrees with the formulas, term by term', () => {
    fc.assert(
      fc.property(filled, ({ rows, baseline }) => {
        const [R, T] = [matrix(rows, baseline), rows.length];
        const last = rows[T - 1]!;
        const mean = (terms: number[]) => (terms.length === 0 ? 0 : terms.reduce((a, b) => a + b, 0) / terms.length);
        const [earlier, later] = [last.slice(0, -1), baseline.slice(1)];
        // The 2018 code keeps a zero for the last (BWT) and the first (FWT) task and takes plain means.
        const drops = last.map((value, i) => value - rows[i]![i]!);
        const gains = [0, ...later.map((b, i) => rows[i]![i + 1]! - b)];
        expect(R.acc()).toBeCloseTo(mean(last), 12);
        expect(R.learningAccuracy()).toBeCloseTo(mean(rows.map((row, i) => row[i]!)), 12);
        expect(R.bwt()).toBeCloseTo(mean(drops.slice(0, -1)), 12);
        expect(R.fwt()).toBeCloseTo(mean(gains.slice(1)), 12);
        expect(R.bwt({ convention: 'code2018' })).toBeCloseTo(mean(drops), 12);
        expect(R.fwt({ convention: 'code2018' })).toBeCloseTo(mean(gains), 12);
        const best = earlier.map((_, j) => rows.slice(0, -1).reduce((b, row) => Math.max(b, row[j]!), 0));
        expect(R.forgetting()).toBeCloseTo(mean(earlier.map((value, j) => best[j]! - value)), 12);
        expect(R.forgetting()).toBeGreaterThanOrEqual(-R.bwt() - 1e-12);
      }),
    );
  });

  it('with one task has nothing to transfer or forget', () => {
    const R = matrix([[0.8]], [0.1]);
    const code2018 = { convention: 'code2018' } as const;
    expect([R.acc(), R.learningAccuracy()]).toEqual([0.8, 0.8]);
    expect([R.bwt(), R.fwt(), R.forgetting(), R.bwt(code2018), R.fwt(code2018)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('asks only for what a metric reads, and names all that is missing', () => {
    const R = new AccuracyMatrix(3);
    const missing = (metric: () => number) => {
      try {
        metric();
      } catch (error) {
        return (error as MetricError).missing;
      }
      return [];
    };
    expect(missing(() => R.acc())).toEqual(['R[2][0]', 'R[2][1]', 'R[2][2]']);
    expect(missing(() => R.fwt())).toEqual(['R[0][1]', 'b[1]', 'R[1][2]', 'b[2]']);
    R.record(0, [0.9, 0.2, null]);
    R.record(1, [0.7, 0.8, 0.3]);
    expect(missing(() => R.fwt())).toEqual(['b[1]', 'b[2]']);
    R.setBaseline([null, 0.1, 0.1]);
    expect(R.fwt()).toBeCloseTo(0.15, 14);
    expect(missing(() => R.learningAccuracy())).toEqual(['R[2][2]']);
    expect(missing(() => R.bwt())).toEqual(['R[2][0]', 'R[2][1]']);
    expect(missing(() => R.forgetting())).toEqual(['R[2][0]', 'R[2][1]']);
    expect(() => R.acc()).toThrow(
      /acc: not measured yet: R\[2\]\[0\], R\[2\]\[1\], R\[2\]\[2\] \(R\[i\]\[j\]: accuracy on task j/,
    );
    expect(() => new AccuracyMatrix(20).acc()).toThrow(/R\[19\]\[7\] and 12 more/);
    R.record(2, Float64Array.of(0.6, 0.7, 0.95));
    expect(R.acc()).toBeCloseTo(0.75, 14);
  });

  it('gives back what was recorded, as it was then', () => {
    const R = new AccuracyMatrix(2);
    const row: (number | null)[] = [0.5, null];
    R.record(1, row);
    row[0] = 0;
    expect([R.at(1, 0), R.at(1, 1), R.at(0, 0)]).toEqual([0.5, null, null]);
    R.record(1, [0.25, 1]);
    expect(R.accuracies).toEqual([
      [null, null],
      [0.25, 1],
    ]);
    expect(R.baseline).toEqual([null, null]);
  });

  it('survives JSON', () => {
    fc.assert(
      fc.property(filled, fc.nat(48), ({ rows, baseline }, hole) => {
        const R = new AccuracyMatrix(rows.length);
        rows.forEach((row, i) => {
          if (i !== hole % 7) R.record(i, row);
        });
        if (hole % 2 === 0) R.setBaseline(baseline);
        const back = AccuracyMatrix.fromJSON(JSON.parse(JSON.stringify(R)));
        // JSON has no -0.
        expect(back.toJSON()).toEqual(JSON.parse(JSON.stringify(R.toJSON())));
        expect(AccuracyMatrix.fromJSON(R.toJSON()).toJSON()).toEqual(R.toJSON());
      }),
    );
  });

  it('refuses what is no accuracy, by name, and stays as it was', () => {
    const R = three();
    const before = JSON.stringify(R);
    const cases: [() => unknown, RegExp][] = [
      [() => R.record(3, [1, 1, 1]), /record: row is 3; expected an integer from 0 to 2/],
      [() => R.record(0.5, [1, 1, 1]), /row is 0.5/],
      [() => R.record(0, [1, 1]), /accuracies is 2 values; expected one accuracy \(or null\) for each of the 3 tasks/],
      [() => R.record(0, [0.1, 97, 0]), /accuracies\[1\] is 97; expected a number in \[0, 1\], or null/],
      [() => R.record(0, [0.1, 0.2, Number.NaN]), /accuracies\[2\] is NaN/],
      [() => R.setBaseline([0.1, 0.2, -0.1]), /setBaseline: accuracies\[2\] is -0.1/],
      [() => R.setBaseline('abc' as unknown as number[]), /accuracies is abc/],
      [() => R.at(0, 3), /at: task is 3/],
      [() => R.bwt({ convention: 'code' as 'paper' }), /bwt: convention is code; expected 'paper' or 'code2018'/],
      [() => new AccuracyMatrix(0), /tasks is 0; expected an integer >= 1/],
    ];
    for (const [act, message] of cases) {
      expect(act).toThrow(MetricInputError);
      expect(act).toThrow(message);
    }
    expect(JSON.stringify(R)).toBe(before);
  });

  it('refuses foreign and damaged JSON, by the part that is wrong', () => {
    const good = three().toJSON();
    const cases: [unknown, RegExp][] = [
      [null, /fromJSON: json is null; expected an object/],
      [[], /tasks is undefined/],
      [{ ...good, tasks: '3' }, /tasks is 3; expected an integer/],
      [{ ...good, tasks: 2 }, /accuracies is an array of 3; expected an array of 2 rows/],
      [{ ...good, accuracies: {} }, /accuracies is an object/],
      [
        {
          ...good,
          accuracies: [
            [1, 1, 1],
            [1, 1],
            [1, 1, 1],
          ],
        },
        /accuracies\[1\] is 2 values/,
      ],
      [
        {
          ...good,
          accuracies: [
            [1, 1, 1],
            [1, 1, 2],
            [1, 1, 1],
          ],
        },
        /accuracies\[1\]\[2\] is 2/,
      ],
      [{ ...good, baseline: undefined }, /baseline is undefined; expected one accuracy/],
    ];
    for (const [json, message] of cases) expect(() => AccuracyMatrix.fromJSON(json)).toThrow(message);
  });
});

describe('countCorrect', () => {
  it('counts rows whose first largest element stands at the label', () => {
    const logits = tensor([
      [0, 1, 2],
      [3, 3, 1],
      [-5, -2, -9],
      [0, Infinity, 1],
    ]);
    expect(countCorrect(logits, tensor(Int32Array.of(2, 0, 1, 0)))).toBe(3);
    expect(countCorrect(logits, tensor(Int32Array.of(0, 1, 0, 2)))).toBe(0);
  });

  it('of batches adds up to the count of the whole', () => {
    const logits = tensor(
      Float32Array.from({ length: 60 }, (_, i) => (i * 37) % 23),
      { shape: [12, 5] },
    );
    const targets = arange(12).mod(5);
    const parts = [0, 5, 10].map((i) => countCorrect(logits.slice([i, i + 5]), targets.slice([i, i + 5])));
    expect(parts.reduce((a, b) => a + b)).toBe(countCorrect(logits, targets));
    expect(countCorrect(zeros([0, 5]), arange(0))).toBe(0);
  });

  it('refuses what does not fit', () => {
    expect(() => countCorrect(zeros([3]), arange(3))).toThrow(/logits is float32 \[3\]; expected \[n, classes\]/);
    expect(() => countCorrect(zeros([3, 2]), arange(2))).toThrow(/targets is int32 \[2\]; expected int32 \[3\]/);
    expect(() => countCorrect(zeros([3, 2]), zeros([3]))).toThrow(MetricInputError);
  });
});
