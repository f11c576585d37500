// The activations' values and derivatives of order 1 and 2 against mpmath (fixtures/activations.json), to the far tails: there
// too they are right to a few units in the last place, where a naive formula gives 0, infinity, NaN or noise.

import { readFileSync } from 'node:fs';
import { type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradientsOf, ModuleError, nn, type Variable } from '../src/index.ts';
import { derivatives, gradient, leaf } from './derivatives.ts';

type Row = readonly [x: number, value: number, first: number, second: number];
const table = JSON.parse(readFileSync(new URL('./fixtures/activations.json', import.meta.url), 'utf8')) as {
  [name: string]: Row[];
};

/** As the fixture's script defines them. */
const smooth: { readonly [name: string]: (x: Variable) => Variable } = {
  elu: (x) => x.elu({ alpha: 0.75 }),
  celu: (x) => x.celu({ alpha: 2 }),
  selu: (x) => x.selu(),
  gelu: (x) => x.gelu(),
  'gelu tanh': (x) => x.gelu({ approximate: 'tanh' }),
  silu: (x) => x.silu(),
  mish: (x) => x.mish(),
  softplus: (x) => x.softplus({ beta: 2 }),
  logSigmoid: (x) => x.logSigmoid(),
  softsign: (x) => x.softsign(),
};
const others: typeof smooth = {
  relu: (x) => x.relu(),
  leakyRelu: (x) => x.leakyRelu(),
  relu6: (x) => x.relu6(),
  hardSigmoid: (x) => x.hardSigmoid(),
  hardSwish: (x) => x.hardSwish(),
};

/**
 * How far a result may be off, relative to it: a few roundings, and for gelu what a rounded argument makes of exp(-x^2 / 2), or
 * of the exponential of the tanh's cubic.
 */
function tolerance(name: string, x: number): number {
  const magnified = name === 'gelu' ? x * x : name === 'gelu tanh' && x > -30 && x < 30 ? Math.abs(x) ** 3 / 10 : 0;
  return (8 + magnified) * Number.EPSILON;
}

describe.each(Object.keys(table))('%s', (name) => {
  const f = smooth[name]!;

  test('value, first and second derivative, in both tails', () => {
    for (const [x, ...expected] of table[name]!) {
      derivatives(f, x, 2).forEach((found, order) => {
        const value = expected[order]!;
        // Below the normal doubles there are fewer digits.
        const allowed = tolerance(name, x) * Math.abs(value) + 1e-300 * Number(Math.abs(value) < 1e-290);
        expect(Math.abs(found - value), `order ${order} at ${x}: ${found}, not ${value}`).toBeLessThanOrEqual(allowed);
      });
    }
  });

  test('agrees with finite differences of order 2 at 0 and around it', () => {
    // Save where a kink, in the function or in its first derivative, is at 0.
    const kinks = ['elu', 'celu', 'selu', 'softsign'];
    const at = [-1.5, -0.3, 0.4, 2, ...(kinks.includes(name) ? [] : [0])];
    expect(gradcheck((x) => f(x!), [tensor(at, { dtype: 'float64' })])).toBeLessThan(1e-7);
  });
});

test.each(Object.keys({ ...smooth, ...others }))('%s has finite derivatives at both infinities', (name) => {
  const f = { ...smooth, ...others }[name]!;
  for (const x of [-Infinity, Infinity]) {
    const [value, first, second] = derivatives(f, x, 2);
    expect([Number.isNaN(value), Number.isFinite(first), second! + 0]).toEqual([false, true, 0]);
    // And a NaN stays one.
    expect(f(leaf(Number.NaN)).item()).toBeNaN();
  }
});

test('float32 does not overflow either', () => {
  const x = tensor([-1e38, -200, -0, 0, 200, 1e38]);
  for (const [name, f] of Object.entries({ ...smooth, ...others })) {
    const leaf32 = leaf(x).cast('float32');
    const y = f(leaf32);
    expect(y.dtype, name).toBe('float32');
    const [g] = gradientsOf(y.sum(), [leaf32]);
    for (const v of [y, g!]) expect(v.value.isFinite().all().item(), name).toBe(true);
  }
});

test('the slope of leakyRelu may be a tensor that is learned', () => {
  const slope = leaf([0.5, 2]);
  const x = leaf([
    [-3, 4],
    [5, -6],
  ]);
  const y = x.leakyRelu({ negativeSlope: slope });
  expect(y.value.toArray()).toEqual([
    [-1.5, 4],
    [5, -12],
  ]);
  const [gx, gs] = gradientsOf(y.sum(), [x, slope]).map((g: Variable) => g.value.toArray());
  expect(gx).toEqual([
    [0.5, 1],
    [1, 2],
  ]);
  expect(gs).toEqual([-3, -6]);
  // Infinities on the side that has no slope leave it alone.
  const one = leaf(0.5);
  expect(gradientsOf(leaf([Infinity, -1]).leakyRelu({ negativeSlope: one }).sum(), [one])[0]!.item()).toBe(-1);
});

test('PReLU wants at least one channel', () => {
  for (const channels of [0, -1, 1.5]) expect(() => new nn.PReLU({ channels })).toThrow(ModuleError);
  expect(() => new nn.PReLU({ channels: 0 })).toThrow('PReLU: channels must be a positive integer, found 0');
});

describe('kinks', () => {
  const slopes = (f: (x: Variable) => Variable, at: number[]) => gradient((x) => f(x).sum(), at);

  test('take the derivative of their left side', () => {
    expect(slopes((x) => x.leakyRelu({ negativeSlope: 0.25 }), [-1, 0, 1])).toEqual([0.25, 0.25, 1]);
    expect(slopes((x) => x.elu({ alpha: 3 }), [0])).toEqual([3]);
    expect(derivatives((x) => x.celu({ alpha: 2 }), 0, 2)).toEqual([0, 1, 0.5]);
  });

  test('of the clipped ones have derivative 0 from the flat side', () => {
    expect(slopes((x) => x.relu6(), [-1, 0, 3, 6, 7])).toEqual([0, 0, 1, 0, 0]);
    expect(slopes((x) => x.hardSigmoid(), [-4, -3, 0, 3, 4])).toEqual([0, 0, 1 / 6, 0, 0]);
    expect(slopes((x) => x.hardSwish(), [-4, -3, 0, 3, 4])).toEqual([0, 0, 0.5, 1, 1]);
  });

  test("softsign'' at 0 is 0, between -2 and 2", () => {
    expect(derivatives((x) => x.softsign(), 0, 2)).toEqual([0, 1, 0]);
  });
});

test('identities', () => {
  const x = leaf(Array.from({ length: 41 }, (_, i) => (i - 20) / 4));
  const close = (a: Variable, b: Variable | Tensor) =>
    expect(a.sub(b).abs().le(a.abs().add(1e-3).mul(1e-14)).all().item()).toBe(true);
  const zero = tensor(0, { dtype: 'float64' });
  close(x.silu().sub(x.neg().silu()), x);
  close(x.gelu().sub(x.neg().gelu()), x);
  close(x.softplus().sub(x.neg().softplus()), x);
  close(x.softsign().add(x.neg().softsign()), zero);
  close(x.logSigmoid().exp(), x.sigmoid());
  close(x.celu(), x.elu());
  close(x.erf().add(x.erfc()), zero.add(1));
});
