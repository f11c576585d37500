// Walking the tape: what accumulates where, what is left alone, and how deep and tangled a tape may be.

import { errors, scope, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { enableGrad, GradientError, gradientsOf, noGrad, type Variable, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

const gradOf = (v: Variable) => v.grad?.value.toArray();

describe('accumulation', () => {
  test('two backwards add up, zeroing starts anew', () => {
    const x = leaf([1, 2]);
    x.square().sum().backward();
    x.mul(10).sum().backward();
    expect(gradOf(x)).toEqual([12, 14]);
    x.grad = null;
    x.sum().backward();
    expect(gradOf(x)).toEqual([1, 1]);
  });

  test('one tape can be walked twice', () => {
    const x = leaf(3);
    const y = x.square();
    y.backward();
    y.backward();
    expect(gradOf(x)).toBe(12);
    expect(x.grad!.requiresGrad).toBe(false);
  });

  test('a variable used twice gets both gradients', () => {
    const x = leaf(3);
    x.mul(x).add(x).backward();
    expect(gradOf(x)).toBe(7);
  });

  test('diamonds are walked once, after everything that uses them', () => {
    const x = leaf(2);
    let y: Variable = x;
    // 2^60 paths; y = 2^60 x.
    for (let i = 0; i < 60; i++) y = y.add(y);
    y.backward();
    expect(gradOf(x)).toBe(2 ** 60);

    const z = leaf(2);
    const early = z.square();
    const late = early.exp().log();
    early.mul(late).backward();
    expect(gradOf(z)).toBeCloseTo(4 * 2 ** 3, 12);
  });

  test('leaves have gradients of their own, even where one gradient reaches both', () => {
    const [a, b] = [leaf([1, 2]), leaf([3, 4])];
    const seed = variable(tensor([5, 6], { dtype: 'float64' }));
    a.add(b).backward(seed);
    a.grad!.assign(a.grad!.value.mul(100));
    expect([gradOf(a), gradOf(b), seed.value.toArray()]).toEqual([
      [500, 600],
      [5, 6],
      [5, 6],
    ]);
  });

  test('without createGraph a gradient is a constant, also where a seed passes through that is a leaf', () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const y = x.add(0);
    y.backward(w);
    y.backward(w);
    expect(x.grad!.requiresGrad).toBe(false);
    expect(gradOf(x)).toEqual([6, 8]);
  });
});

describe('what gets no gradient', () => {
  test('intermediates', () => {
    const x = leaf([1, 2]);
    const y = x.square();
    y.sum().backward();
    expect(y.grad).toBeNull();
  });

  test('constants', () => {
    const x = leaf([1, 2]);
    const c = variable(tensor([3, 4], { dtype: 'float64' }));
    x.mul(c).sum().backward();
    expect(c.grad).toBeNull();
    expect(gradOf(x)).toEqual([3, 4]);
  });

  test('what was detached', () => {
    const x = leaf(3);
    x.mul(x.detach()).backward();
    expect(gradOf(x)).toBe(3);
    expect(x.detach().requiresGrad).toBe(false);
  });

  test('what was computed under noGrad, whose nesting and errors leave recording as it was', () => {
    const x = leaf(3);
    expect(noGrad(() => x.square()).requiresGrad).toBe(false);
    noGrad(() => {
      noGrad(() => x.square());
      expect(x.square().requiresGrad).toBe(false);
    });
    expect(() =>
      noGrad(() => {
        throw new RangeError('mine');
      }),
    ).toThrow(RangeError);
    expect(x.square().requiresGrad).toBe(true);
  });

  test('unless enableGrad puts the tape on again', () => {
    const x = leaf(3);
    const y = noGrad(() => {
      expect(enableGrad(() => noGrad(() => x.square())).requiresGrad).toBe(false);
      const squared = enableGrad(() => x.square());
      expect(x.square().requiresGrad).toBe(false);
      return squared;
    });
    y.backward();
    expect(gradOf(x)).toBe(6);
    // A graph of gradients is made where it is asked for.
    expect(noGrad(() => gradientsOf(y, [x], { createGraph: true }))[0]!.requiresGrad).toBe(true);
  });

  test('noGrad refuses a function that would go on after it has ended', () => {
    expect(() => noGrad(async () => 1)).toThrow(GradientError);
    expect(leaf(1).neg().requiresGrad).toBe(true);
  });
});

describe('errors', () => {
  test('a non-scalar wants a seed', () => {
    const y = leaf([1, 2]).square();
    expect(() => y.backward()).toThrow(GradientError);
    expect(() => y.backward()).toThrow(
      'backward: [2] is not a scalar, so it needs a seed of its own shape (the weights of its elements); ' +
        'did you mean .sum().backward()?',
    );
  });

  test('any shape of one element counts as a scalar', () => {
    const x = leaf([[2]]);
    x.square().backward();
    expect(gradOf(x)).toEqual([[4]]);
  });

  test('a seed has the shape of the output, and takes its dtype', () => {
    const x = leaf([1, 2]);
    const y = x.square();
    expect(() => y.backward(tensor([1, 2, 3]))).toThrow(errors.ShapeError);
    expect(() => y.backward(tensor(1))).toThrow('backward: the seed is [], the output [2]');
    y.backward(tensor([1, 10], { dtype: 'int32' }));
    expect(gradOf(x)).toEqual([2, 40]);
    expect(x.grad!.dtype).toBe('float64');
    x.grad = null;
    for (const seed of [3, [1, 2], null, { createGraph: true }]) {
      expect(() => y.backward(seed as never)).toThrow(errors.DataError);
    }
    expect(() => y.backward([1, 2] as never)).toThrow(
      'backward: the seed must be a variable or a tensor, found an array of 2; did you mean tensor(x)?',
    );
    expect(x.grad).toBeNull();
  });

  test('a gradient is no other than it was when the seed is given other values', () => {
    for (const createGraph of [false, true]) {
      const [x, y] = [leaf([1, 2]), leaf([3, 4])];
      for (const seed of [leaf([5, 6]), leaf([5, 6]).detach()]) {
        x.backward(seed, { createGraph });
        y.add(0).backward(seed, { createGraph });
        const onTape = createGraph && seed.requiresGrad;
        seed.assign(tensor([0, 0], { dtype: 'float64' }));
        expect([gradOf(x), gradOf(y)]).toEqual([
          [5, 6],
          [5, 6],
        ]);
        expect([x.grad!.requiresGrad, y.grad!.requiresGrad]).toEqual([onTape, onTape]);
        if (onTape) expect(gradientsOf(x.grad!.mul(2).sum(), [seed])[0]!.value.toArray()).toEqual([2, 2]);
        x.grad = y.grad = null;
      }
    }
  });

  test('a variable holds a tensor', () => {
    for (const value of [[1, 2, 3], 3, undefined, leaf(1), new Float32Array(2)]) {
      for (const requiresGrad of [false, true]) {
        expect(() => variable(value as never, { requiresGrad })).toThrow(errors.DataError);
      }
    }
    expect(() => variable(leaf(1) as never)).toThrow(
      'variable: the value must be a tensor, found a Variable; did you mean x.value?',
    );
  });

  test('a constant has nothing to walk', () => {
    expect(() => variable(tensor(1)).backward()).toThrow(GradientError);
    expect(() => noGrad(() => leaf(1).neg()).backward()).toThrow('nothing behind this variable requires a gradient');
  });

  test('only floats can require gradients', () => {
    for (const dtype of ['int32', 'bool'] as const) {
      expect(() => variable(tensor([1], { dtype }), { requiresGrad: true })).toThrow(GradientError);
      expect(variable(tensor([1], { dtype })).requiresGrad).toBe(false);
    }
    expect(() => variable(tensor([1], { dtype: 'int32' }), { requiresGrad: true })).toThrow(
      "only floats have gradients, found int32; did you mean .cast('float32')?",
    );
  });
});

test('a chain of 50,000 steps does not overflow the stack, neither in backward nor out of a scope', () => {
  const x = leaf(1);
  const y = scope(() => {
    let chain: Variable = x;
    for (let i = 0; i < 50_000; i++) chain = chain.neg();
    return chain;
  });
  y.backward();
  expect(gradOf(x)).toBe(1);
});
