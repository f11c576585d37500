// What holds between the losses and within each: one-hot distributions are class indices, smoothing is a mixture, extra
// axes are more samples; derivatives to order 2, in the tails too; what does not fit is refused.

import { errors, Rng, rand, randn, type Tensor, tensor, where } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, losses, type Variable, variable } from '../src/index.ts';
import { derivatives, leaf } from './derivatives.ts';

const f64 = { dtype: 'float64' } as const;
const int32 = (values: ArrayLike<number>, shape?: readonly number[]): Tensor =>
  tensor(Int32Array.from(values), shape ? { shape } : {});
const numbers = (v: Variable): number[] => v.value.flatten().toArray() as number[];

/** Equal to rounding, NaN to NaN. */
function expectClose(found: Variable, expected: Variable): void {
  expect(found.shape).toEqual(expected.shape);
  const wanted = numbers(expected);
  numbers(found).forEach((x, i) => {
    if (Number.isNaN(wanted[i])) expect(x).toBeNaN();
    else expect(Math.abs(x - wanted[i]!)).toBeLessThanOrEqual(1e-13 * Math.max(1, Math.abs(wanted[i]!)));
  });
}

/** Logits [n, classes, ...extra], targets that may be ignored, weights, and options. */
const problems = fc
  .record({
    n: fc.integer({ min: 1, max: 4 }),
    classes: fc.integer({ min: 1, max: 4 }),
    extra: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    seed: fc.nat(),
    weighted: fc.boolean(),
    labelSmoothing: fc.constantFrom(0, 0.1, 1),
    reduction: fc.constantFrom<losses.Reduction>('mean', 'sum', 'none'),
  })
  .map(({ n, classes, extra, seed, weighted, labelSmoothing, reduction }) => {
    const rng = new Rng(seed);
    const at = [n, ...extra];
    const samples = at.reduce((a, b) => a * b, 1);
    return {
      logits: randn([n, classes, ...extra], rng, f64),
      indices: int32(rng.integers(samples, 0, classes), at),
      ignored: tensor(rng.bernoulli(samples, 0.4), { shape: at }).cast('bool'),
      weight: weighted ? rand([classes], rng, { low: 0.1, high: 2, ...f64 }) : undefined,
      labelSmoothing,
      reduction,
      classes,
    };
  });

/** [n, classes, ...] as [n * ..., classes]. */
const asRows = (x: Tensor): Tensor => {
  const order = [0, ...Array.from({ length: x.rank - 2 }, (_, i) => i + 2), 1];
  return x.permute(order).reshape([-1, x.shape[1]!]);
};

describe('crossEntropy', () => {
  test('of indices that are not ignored is that of the samples left, extra axes being more samples', () => {
    fc.assert(
      fc.property(problems, ({ logits, indices, ignored, weight, labelSmoothing, reduction }) => {
        fc.pre(reduction !== 'none');
        const options = { weight, labelSmoothing, reduction };
        const targets = where(ignored, -100, indices).cast('int32');
        const found = losses.crossEntropy(variable(logits), targets, options);
        const flags = ignored.flatten().toArray() as boolean[];
        const left = int32(flags.flatMap((out, i) => (out ? [] : [i])));
        const rows = variable(asRows(logits).indexSelect(0, left));
        expectClose(found, losses.crossEntropy(rows, indices.flatten().indexSelect(0, left), options));
      }),
      { numRuns: 80 },
    );
  });

  test('of a one-hot distribution is that of its index, but for what a weighted mean divides by', () => {
    fc.assert(
      fc.property(problems, ({ logits, indices, weight, labelSmoothing, reduction, classes }) => {
        fc.pre(reduction !== 'mean' || weight === undefined);
        const options = { weight, labelSmoothing, reduction };
        const oneHot = indices.oneHot(classes, 'float64');
        const last = oneHot.rank - 1;
        const order = [0, last, ...Array.from({ length: last - 1 }, (_, i) => i + 1)];
        expectClose(
          losses.crossEntropy(variable(logits), oneHot.permute(order), options),
          losses.crossEntropy(variable(logits), indices, options),
        );
      }),
      { numRuns: 80 },
    );
  });

  test('is nll after logSoftmax', () => {
    fc.assert(
      fc.property(problems, ({ logits, indices, weight, reduction }) => {
        const options = { weight, reduction };
        const x = variable(logits);
        expectClose(losses.nll(x.logSoftmax(1), indices, options), losses.crossEntropy(x, indices, options));
      }),
      { numRuns: 40 },
    );
  });

  test('passes gradcheck to order 2 in every setting, also by its target distribution', () => {
    fc.assert(
      fc.property(problems, ({ logits, indices, ignored, weight, labelSmoothing, reduction }) => {
        fc.pre(!(ignored.all().item() as boolean));
        const options = { weight, labelSmoothing, reduction };
        const targets = where(ignored, -100, indices).cast('int32');
        gradcheck((x) => losses.crossEntropy(x!, targets, options), [logits]);
        gradcheck((x, q) => losses.crossEntropy(x!, q!, options), [logits, logits.mul(0.3).softmax(1)]);
      }),
      { numRuns: 15 },
    );
  });

  test('ignores what stands in an ignored sample', () => {
    const x = leaf([
      [1, 2],
      [Infinity, Number.NaN],
    ]);
    const loss = losses.crossEntropy(x, int32([0, -100]));
    expect(loss.item()).toBe(losses.crossEntropy(x.slice([0, 1]), int32([0])).item());
  });

  test('of nothing has mean NaN and sum 0, and moves nothing', () => {
    const x = leaf([[1, 2]]);
    expect(losses.crossEntropy(x, int32([-100])).item()).toBeNaN();
    const sum = losses.crossEntropy(x, int32([-100]), { reduction: 'sum' });
    expect(sum.item()).toBe(0);
    expect(gradientsOf(sum, [x])[0]!.value.toArray()).toEqual([[0, 0]]);
    expect(losses.crossEntropy(variable(tensor([], { shape: [0, 3] })), int32([])).item()).toBeNaN();
  });

  test('refuses what does not fit', () => {
    const x = leaf([
      [1, 2],
      [3, 4],
    ]);
    const [targets, q] = [
      int32([0, 1]),
      tensor(
        [
          [1, 0],
          [0, 1],
        ],
        f64,
      ),
    ];
    const wrong =
      (options: losses.CrossEntropyOptions, t: Tensor = targets) =>
      () =>
        losses.crossEntropy(x, t, options);
    expect(wrong({ labelSmoothing: -0.1 })).toThrow(errors.DataError);
    expect(wrong({ labelSmoothing: Number.NaN })).toThrow('labelSmoothing must be in [0, 1], found NaN');
    expect(wrong({ weight: tensor([1, 2, 3]) })).toThrow('the weight is [3]; wants one for each of 2 classes, [2]');
    expect(wrong({ ignoreIndex: 0 }, q)).toThrow('ignoreIndex is about class indices');
    expect(wrong({}, q.slice([0, 1]))).toThrow(errors.ShapeError);
    expect(wrong({}, int32([0, -1]))).toThrow('target -1 of sample 1');
    expect(wrong({ ignoreIndex: 1 }, int32([1, -100]))).toThrow('target -100 of sample 1');
    expect(() => losses.crossEntropy(leaf(1), int32([0], []))).toThrow('a scalar has no classes');
    const spatial = variable(randn([2, 3, 2], new Rng(0)));
    expect(() => losses.crossEntropy(spatial, int32([0, 1, 2, 3], [2, 2]))).toThrow(
      'target 3 of sample 1 is not one of 3',
    );
    expect(() => losses.nll(x, tensor([0, 1]))).toThrow(errors.DTypeError);
  });
});

/** A loss by two inputs of one shape, with its options; away from kinks. */
const pairs: [name: string, f: (a: Variable, b: Variable) => Variable, low: number, high: number][] = [
  ['mse', (a, b) => losses.mse(a, b, { reduction: 'none' }), -2, 2],
  ['l1', (a, b) => losses.l1(a, b.sub(5)), -2, 2],
  ['smoothL1 inside', (a, b) => losses.smoothL1(a, b, { beta: 5 }), -2, 2],
  ['smoothL1 outside', (a, b) => losses.smoothL1(a, b.sub(5), { beta: 0.5 }), -2, 2],
  ['huber inside', (a, b) => losses.huber(a, b, { delta: 5 }), -2, 2],
  ['huber outside', (a, b) => losses.huber(a, b.add(5), { delta: 0.5 }), -2, 2],
  ['bceWithLogits', (a, b) => losses.bceWithLogits(a, b), -2, 2],
  [
    'bceWithLogits, weighted',
    (a, b) => losses.bceWithLogits(a, b, { posWeight: tensor([3]), weight: tensor([0.5]) }),
    -2,
    2,
  ],
  ['bce', (a, b) => losses.bce(a, b), 0.1, 0.9],
  ['klDiv', (a, b) => losses.klDiv(a, b, { reduction: 'batchMean' }), 0.1, 0.9],
  ['klDiv of logarithms', (a, b) => losses.klDiv(a, b, { logTarget: true }), -2, 0],
  ['hingeEmbedding', (a) => losses.hingeEmbedding(a, int32([1, -1, 1, -1, 1, -1], [2, 3]), { margin: 4 }), -2, 2],
  ['marginRanking', (a, b) => losses.marginRanking(a, b, int32([1, -1, 1, -1, 1, -1], [2, 3]), { margin: 8 }), -2, 2],
  ['cosineEmbedding', (a, b) => losses.cosineEmbedding(a, b, int32([1, -1]), { margin: -2 }), 0.2, 2],
];

test.each(pairs)('%s passes gradcheck to order 2, by both sides', (_, f, low, high) => {
  const rng = new Rng(3);
  const inputs = [0, 1].map(() => rand([2, 3], rng, { low, high, ...f64 }));
  gradcheck((a, b) => f(a!, b!), inputs);
});

describe('bceWithLogits', () => {
  test('is bce of the sigmoid, and exact where that has lost its digits', () => {
    fc.assert(
      fc.property(fc.double({ min: -10, max: 10, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (x, t) => {
        const [logit, target] = [leaf([x]), tensor([t], f64)];
        const plain = losses.bce(logit.sigmoid(), target).item() as number;
        expect(Math.abs((losses.bceWithLogits(logit, target).item() as number) - plain)).toBeLessThan(1e-11);
      }),
    );
    const at = (x: number, t: number) => losses.bceWithLogits(leaf([x]), tensor([t], f64)).item();
    expect([at(800, 1), at(-800, 0), at(800, 0), at(-800, 1)]).toEqual([0, 0, 800, 800]);
    expect(at(40, 1)).toBe(Math.exp(-40));
  });

  test.each([0, 1, 0.25])(
    'has the derivatives sigmoid(x) - t and sigmoid(x) (1 - sigmoid(x)) at 0 and far out, t = %d',
    (t) => {
      for (const x of [0, 1, -1, 40, -40, 800, -800]) {
        const p = x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
        const q = x >= 0 ? Math.exp(-x) / (1 + Math.exp(-x)) : 1 / (1 + Math.exp(x));
        const [, first, second] = derivatives((v) => losses.bceWithLogits(v, tensor(t, f64)), x, 2);
        expect(Math.abs(first! - (t === 1 ? -q : p - t))).toBeLessThanOrEqual(1e-15);
        expect(Math.abs(second! - p * q)).toBeLessThanOrEqual(1e-15);
      }
    },
  );
});

describe('kinks', () => {
  test('l1, smoothL1 and huber have slope 0 at a tie', () => {
    for (const f of [losses.l1, losses.smoothL1, losses.huber]) {
      expect(derivatives((v) => f(v, tensor(1, f64)), 1, 1)).toEqual([0, 0]);
    }
  });

  test('smoothL1 and huber join their pieces smoothly, and take infinity', () => {
    const zero = tensor(0, f64);
    for (const x of [0.5, -0.5]) {
      expect(derivatives((v) => losses.smoothL1(v, zero, { beta: 0.5 }), x, 1)).toEqual([0.25, Math.sign(x)]);
      expect(derivatives((v) => losses.huber(v, zero, { delta: 0.5 }), x, 1)).toEqual([0.125, x]);
    }
    expect(derivatives((v) => losses.huber(v, zero), -Infinity, 1)).toEqual([Infinity, -1]);
    expect(derivatives((v) => losses.smoothL1(v, zero), Infinity, 1)).toEqual([Infinity, 1]);
  });

  test('bce cuts its logarithms off at -100, where the slope is 0; klDiv has 0 log 0 = 0', () => {
    expect(derivatives((p) => losses.bce(p, tensor(1, f64)), 0, 1)).toEqual([100, 0]);
    expect(derivatives((p) => losses.bce(p, tensor(0, f64)), 1, 1)).toEqual([100, -0]);
    expect(derivatives((p) => losses.bce(p, tensor(0, f64)), 0, 1)).toEqual([0, 1]);
    const t = leaf([0]);
    const loss = losses.klDiv(leaf([-3]), t);
    expect(loss.item()).toBe(0);
    expect(gradientsOf(loss, [t])[0]!.item()).toBe(3);
  });
});

test('a divergence is 0 from itself, and no less from others', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const rng = new Rng(seed);
      const [p, q] = [0, 1].map(() => variable(randn([2, 4], rng, f64)).softmax(1)) as [Variable, Variable];
      expect(losses.klDiv(q.log(), p, { reduction: 'sum' }).item()).toBeGreaterThanOrEqual(-1e-15);
      expect(Math.abs(losses.klDiv(p.log(), p, { reduction: 'sum' }).item() as number)).toBeLessThan(1e-15);
      const entropy = losses.crossEntropy(p.log(), p, { reduction: 'sum' });
      expectClose(
        losses.klDiv(q.log(), p, { reduction: 'sum' }),
        losses.crossEntropy(q.log(), p, { reduction: 'sum' }).sub(entropy),
      );
    }),
    { numRuns: 30 },
  );
});

// As PyTorch has it: right by just the margin is not right enough.
test('losses with a margin pull at what is right by just the margin, and at nothing beyond', () => {
  const whole = fc.integer({ min: -5, max: 5 });
  fc.assert(
    fc.property(whole, whole, fc.constantFrom(1, -1), (x, margin, y) => {
      const ranked = (by: number) => {
        const [a, b] = [leaf([x + y * (margin + by)]), leaf([x])];
        return gradientsOf(losses.marginRanking(a, b, int32([y]), { margin }), [a, b]).map(
          (g) => (g.item() as number) + 0,
        );
      };
      const pull = [-y, y];
      expect([-1, 0, 1].map(ranked)).toEqual([pull, pull, [0, 0]]);
      const hinged = (by: number) => {
        const v = leaf([margin + by]);
        return gradientsOf(losses.hingeEmbedding(v, int32([-1]), { margin }), [v])[0]!.item();
      };
      expect([-1, 0, 1].map(hinged)).toEqual([-1, -1, 0]);
    }),
  );
  const turned = (b: number[]) => {
    const a = leaf([2, 0]);
    return numbers(gradientsOf(losses.cosineEmbedding(a, tensor(b, f64), tensor(-1)), [a])[0]!);
  };
  expect(turned([0, 3]).map((g) => Number(g.toFixed(9)))).toEqual([0, 0.5]);
  expect(turned([-1, 3])).toEqual([0, 0]);
});

test('what is no tensor, and another reduction, are refused by name', () => {
  const [x, y] = [leaf([[0.25, 0.5]]), tensor([[0, 1]], f64)];
  for (const loss of [losses.mse, losses.l1, losses.huber, losses.bce, losses.klDiv]) {
    for (const none of [undefined, null, 1, [[0, 1]]]) {
      expect(() => loss(x, none as never)).toThrow(errors.DataError);
      expect(() => loss(none as never, y)).toThrow(errors.DataError);
    }
    expect(() => loss(x, y, { reduction: 'avg' as never })).toThrow(errors.OptionError);
  }
  expect(() => losses.mse(x, undefined as never)).toThrow(
    'mse: targets must be a variable or a tensor, found undefined',
  );
  expect(() => losses.mse(x, y, { reduction: 'avg' as never })).toThrow(
    "the reduction is 'mean', 'sum' or 'none', found 'avg'",
  );
  const weight = [1, 2] as never;
  for (const loss of [losses.crossEntropy, losses.nll]) {
    expect(() => loss(x, [1] as never)).toThrow('the targets must be a variable or a tensor, found an array of 1');
    expect(() => loss(undefined as never, int32([1]))).toThrow(errors.DataError);
    expect(() => loss(x, int32([1]), { weight })).toThrow(
      'the weight must be a variable or a tensor, found an array of 2',
    );
    expect(() => loss(x, int32([1]), { reduction: 'avg' as never })).toThrow(errors.OptionError);
  }
  expect(() => losses.bceWithLogits(x, y, { posWeight: weight })).toThrow('bceWithLogits: posWeight must be');
  expect(() => losses.bceWithLogits(x, y, { weight })).toThrow(errors.DataError);
  expect(() => losses.cosineEmbedding(x, y, [1] as never)).toThrow('cosineEmbedding: labels must be');
});

test('what does not fit is refused', () => {
  const x = leaf([1, 2]);
  const y = tensor([[1, 2]], f64);
  for (const f of [
    losses.mse,
    losses.l1,
    losses.smoothL1,
    losses.huber,
    losses.bceWithLogits,
    losses.bce,
    losses.klDiv,
  ]) {
    expect(() => f(x, y)).toThrow(errors.ShapeError);
  }
  expect(() => losses.hingeEmbedding(x, int32([1]))).toThrow('hingeEmbedding: outputs are [2], labels [1]');
  expect(() => losses.hingeEmbedding(x, int32([1, 0]))).toThrow('labels are 1 or -1');
  expect(() => losses.marginRanking(x, x, int32([2, 1]))).toThrow(errors.DataError);
  expect(() => losses.cosineEmbedding(x, x, int32([1, 1]))).toThrow(
    'wants rows [n, d] and labels [n], found [2] and [2]',
  );
  expect(() => losses.smoothL1(x, x, { beta: -1 })).toThrow('beta must be a finite number >= 0, found -1');
  expect(() => losses.huber(x, x, { delta: 0 })).toThrow('delta must be a finite number > 0, found 0');
  for (const p of [-0.1, 1.1, Number.NaN])
    expect(() => losses.bce(leaf([p]), tensor([1]))).toThrow('use bceWithLogits');
  expect(() => losses.klDiv(leaf(1), tensor(1), { reduction: 'batchMean' })).toThrow('a scalar has no batch');
});
