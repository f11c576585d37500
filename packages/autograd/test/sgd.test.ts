// SGD against PyTorch's formulas, written once more as a loop over plain numbers in float64.

import { Rng, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nn, OptimizerError, optim, variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

/** One parameter's way under torch.optim.SGD; a null gradient leaves everything as it is. */
function plainSGD(
  start: number,
  gradients: readonly (number | null)[],
  o: Pick<optim.SGDOptions, 'lr' | 'momentum' | 'weightDecay' | 'nesterov'>,
): number[] {
  let theta = start;
  let m: number | null = null;
  return gradients.map((g) => {
    if (g === null) return theta;
    let d = g + o.weightDecay * theta;
    if (o.momentum !== 0) {
      m = m === null ? d : o.momentum * m + d;
      d = o.nesterov ? d + o.momentum * m : m;
    }
    theta -= o.lr * d;
    return theta;
  });
}

test('follows the formulas, parameter by parameter, whichever have gradients', () => {
  const number = fc.double({ min: -2, max: 2, noNaN: true });
  const step = fc.tuple(...[0, 1, 2].map(() => fc.option(number, { freq: 4 })));
  const options = fc
    .record({
      lr: fc.double({ min: 0, max: 0.5, noNaN: true }),
      momentum: fc.constantFrom(0, 0.5, 0.9),
      weightDecay: fc.constantFrom(0, 0.01, 0.5),
      nesterov: fc.boolean(),
    })
    .map((o) => ({ ...o, nesterov: o.nesterov && o.momentum > 0 }));
  fc.assert(
    fc.property(
      fc.array(number, { minLength: 3, maxLength: 3 }),
      fc.array(step, { minLength: 1, maxLength: 8 }),
      options,
      (start, steps, o) => {
        const parameters = start.map((x) => leaf([x]));
        const optimizer = new optim.SGD(parameters, o);
        const expected = start.map((x, k) =>
          plainSGD(
            x,
            steps.map((gradients) => gradients[k]!),
            o,
          ),
        );
        steps.forEach((gradients, t) => {
          optimizer.zeroGrad();
          parameters.forEach((p, k) => {
            const g = gradients[k]!;
            if (g !== null) p.mul(g).sum().backward();
          });
          optimizer.step();
          parameters.forEach((p, k) => {
            expect(p.value.item()).toBe(expected[k]![t]);
          });
        });
      },
    ),
    { numRuns: 60 },
  );
});

describe('parameters', () => {
  test('named twice are moved once', () => {
    const x = leaf([1]);
    const optimizer = new optim.SGD([x, x], { lr: 0.5 });
    x.sum().backward();
    optimizer.step();
    expect(x.value.item()).toBe(0.5);
  });

  test('keep their gradients through a step, until zeroGrad', () => {
    const x = leaf([1]);
    const optimizer = new optim.SGD([x], { lr: 0.5 });
    x.sum().backward();
    optimizer.step();
    expect(x.grad!.value.item()).toBe(1);
    optimizer.step();
    expect(x.value.item()).toBe(0);
    optimizer.zeroGrad();
    expect(x.grad).toBeNull();
    optimizer.step();
    expect(x.value.item()).toBe(0);
  });

  test('stay leaves, in their dtype', () => {
    const layer = new nn.Linear(2, 1, { rng: new Rng(0) });
    const optimizer = new optim.SGD(layer.parameters(), { lr: 0.1, momentum: 0.9, weightDecay: 0.1 });
    layer.forward(variable(tensor([[1, 2]]))).backward();
    optimizer.step();
    expect([layer.weight.node, layer.weight.requiresGrad, layer.weight.dtype]).toEqual([null, true, 'float32']);
  });
});

describe('settings', () => {
  test('have the defaults of plain gradient descent', () => {
    const none = { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false };
    expect(new optim.SGD([], { lr: 0.1 }).groups).toEqual([{ parameters: [], lr: 0.1, ...none }]);
  });

  test.each([
    ['lr', -0.1],
    ['lr', Number.NaN],
    ['momentum', -1],
    ['weightDecay', Infinity],
  ])('%s = %d is refused', (name, value) => {
    const make = () => new optim.SGD([], { lr: 0.1, [name]: value });
    expect(make).toThrow(OptimizerError);
    expect(make).toThrow(`SGD: ${name} must be a finite number >= 0, found ${value}`);
  });

  test('nesterov needs momentum', () => {
    expect(() => new optim.SGD([], { lr: 0.1, nesterov: true })).toThrow(OptimizerError);
  });
});
