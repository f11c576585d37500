// Losses against plain JavaScript in float64, and their gradients against their closed forms.

import { errors, Rng, randn, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, losses, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

const classes = (indices: number[]): Tensor => tensor(indices, { dtype: 'int32' });

/** log(sum(exp(row))) - row[target], with the largest taken out of the sum. */
function plainCrossEntropy(row: number[], target: number): number {
  const most = Math.max(...row);
  return most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) - row[target]!;
}

function plainSoftmax(row: number[]): number[] {
  const e = row.map((x) => Math.exp(x - Math.max(...row)));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / total);
}

const batches = fc
  .record({ n: fc.integer({ min: 1, max: 4 }), c: fc.integer({ min: 1, max: 5 }), scale: fc.constantFrom(1, 30, 1e4) })
  .chain(({ n, c, scale }) =>
    fc.record({
      logits: fc.array(fc.array(fc.double({ min: -scale, max: scale, noNaN: true }), { minLength: c, maxLength: c }), {
        minLength: n,
        maxLength: n,
      }),
      targets: fc.array(fc.integer({ min: 0, max: c - 1 }), { minLength: n, maxLength: n }),
    }),
  );

/** Both sides round a handful of times at the size of the largest number they meet. */
const close = (a: number, b: number, size: number) => Math.abs(a - b) <= 16 * Number.EPSILON * Math.max(1, size);

describe('crossEntropy', () => {
  test('is -log softmax of the target, for logits up to 1e4 in size', () => {
    fc.assert(
      fc.property(batches, ({ logits, targets }) => {
        const each = losses.crossEntropy(leaf(logits), classes(targets), { reduction: 'none' });
        const size = Math.max(...logits.flat().map(Math.abs));
        (each.value.toArray() as number[]).forEach((loss, i) => {
          expect(close(loss, plainCrossEntropy(logits[i]!, targets[i]!), size)).toBe(true);
          expect(loss).toBeGreaterThanOrEqual(0);
        });
      }),
      { numRuns: 60 },
    );
    const far = losses.crossEntropy(leaf([[1e4, -1e4]]), classes([1]));
    expect(far.item()).toBe(2e4);
    expect(losses.crossEntropy(leaf([[1e4, -1e4]]), classes([0])).item()).toBe(0);
  });

  test('has the gradient (softmax - onehot) / n', () => {
    fc.assert(
      fc.property(batches, ({ logits, targets }) => {
        const x = leaf(logits);
        losses.crossEntropy(x, classes(targets)).backward();
        const n = logits.length;
        const expected = logits.flatMap((row, i) =>
          plainSoftmax(row).map((p, k) => (p - (k === targets[i] ? 1 : 0)) / n),
        );
        (x.grad!.value.toArray() as number[][]).flat().forEach((g, i) => {
          expect(close(g, expected[i]!, 1)).toBe(true);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('passes gradcheck to order 2', () => {
    const logits = randn([3, 4], new Rng(0), { dtype: 'float64' });
    expect(gradcheck((x) => losses.crossEntropy(x!, classes([0, 3, 3])), [logits])).toBeLessThan(1e-9);
  });

  test('reduces to the mean, the sum, or not at all', () => {
    const logits = leaf([
      [1, 2],
      [5, 1],
    ]);
    const by = (reduction?: losses.Reduction) =>
      losses.crossEntropy(logits, classes([0, 1]), reduction === undefined ? {} : { reduction }).value;
    const each = by('none').toArray() as number[];
    expect(each).toHaveLength(2);
    expect(by('sum').item()).toBe(each[0]! + each[1]!);
    expect(by('mean').item()).toBe((each[0]! + each[1]!) / 2);
    expect(by().item()).toBe(by('mean').item());
  });

  test('refuses a class that is not there', () => {
    const logits = leaf([
      [1, 2],
      [3, 4],
    ]);
    expect(() => losses.crossEntropy(logits, classes([0, 2]))).toThrow(errors.IndexError);
    expect(() => losses.crossEntropy(logits, classes([0, 2]))).toThrow('target 2 of sample 1 is not one of 2 classes');
    expect(() => losses.crossEntropy(logits, classes([-1, 0]))).toThrow('target -1 of sample 0');
  });

  test('refuses shapes that do not fit', () => {
    const logits = leaf([[1, 2]]);
    for (const targets of [classes([0, 1]), tensor([[0]], { dtype: 'int32' }), tensor(0, { dtype: 'int32' })]) {
      expect(() => losses.crossEntropy(logits, targets)).toThrow(errors.ShapeError);
    }
    expect(() => losses.crossEntropy(leaf([1, 2]), classes([0, 1]))).toThrow(
      'crossEntropy: wants logits [n, classes, ...] and targets [n, ...], found [2] and [2]',
    );
  });

  test('refuses targets that are not integers', () => {
    expect(() => losses.crossEntropy(leaf([[1, 2]]), tensor([1]))).toThrow(errors.DTypeError);
    expect(() => losses.crossEntropy(leaf([[1, 2]]), tensor([1]))).toThrow(".cast('int32')");
  });
});

describe('mse', () => {
  const outputs = leaf([
    [1, 2],
    [3, 4],
  ]);
  const targets = tensor(
    [
      [1, 0],
      [0, 0],
    ],
    { dtype: 'float64' },
  );

  test('is the mean of the squares, their sum, or each of them', () => {
    expect(losses.mse(outputs, targets).item()).toBe(29 / 4);
    expect(losses.mse(outputs, targets, { reduction: 'sum' }).item()).toBe(29);
    expect(losses.mse(outputs, targets, { reduction: 'none' }).value.toArray()).toEqual([
      [0, 4],
      [9, 16],
    ]);
  });

  test('has gradients on both sides, 2 (outputs - targets) / n and its negative', () => {
    const t = leaf(targets);
    const [gOutputs, gTargets] = gradientsOf(losses.mse(outputs, t), [outputs, t]);
    expect(gOutputs!.value.toArray()).toEqual([
      [0, 1],
      [1.5, 2],
    ]);
    expect(gTargets!.value.add(gOutputs!.value).abs().max().item()).toBe(0);
  });

  test('does not broadcast', () => {
    expect(() => losses.mse(outputs, tensor([1, 2]))).toThrow(errors.ShapeError);
    expect(() => losses.mse(outputs, variable(tensor([[1], [2]])))).toThrow('mse: outputs are [2,2], targets [2,1]');
  });
});
