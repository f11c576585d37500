// Outputs by task: heads of their own, and masks over shared ones.

import { Rng, randn, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { losses, ModuleError, nn, StateError, variable } from '../src/index.ts';

const linear = (inputs: number, outputs: number, seed: number) =>
  new nn.Linear(inputs, outputs, { rng: new Rng(seed), dtype: 'float64' });
const int32 = (values: number[]) => tensor(values, { dtype: 'int32' });
const normal = (shape: number[], seed: number): Tensor => randn(shape, new Rng(seed), { dtype: 'float64' });
const twoHeads = () => new nn.Sequential(linear(3, 4, 0), new nn.MultiHead([linear(4, 2, 1), linear(4, 2, 2)]));

describe('MultiHead', () => {
  test('sends each sample to the head of its task, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 6 }), fc.nat(), (tasks, seed) => {
        const model = twoHeads();
        const x = variable(normal([tasks.length, 3], seed));
        const mixed = model.forward(x, int32(tasks)).value.toArray() as number[][];
        tasks.forEach((task, i) => {
          expect(mixed[i]).toEqual((model.forward(x.slice([i, i + 1]), task).value.toArray() as number[][])[0]);
        });
      }),
      { numRuns: 30 },
    );
  });

  test('trains the trunk and the heads asked, and no other', () => {
    const model = twoHeads();
    model
      .forward(variable(normal([2, 3], 0)), 1)
      .square()
      .sum()
      .backward();
    const moved = [...model.namedParameters()].filter(([, p]) => p.grad !== null).map(([path]) => path);
    expect(moved).toEqual(['0.weight', '0.bias', '1.heads.1.weight', '1.heads.1.bias']);
  });

  test('grows, and its state names the heads by task', () => {
    const model = new nn.MultiHead().add(5, linear(2, 1, 0)).add(3, linear(2, 4, 1));
    expect(Object.keys(model.stateDict())).toEqual([
      'heads.3.weight',
      'heads.3.bias',
      'heads.5.weight',
      'heads.5.bias',
    ]);
    expect([3, 5].map((task) => model.forward(variable(normal([1, 2], 0)), task).shape)).toEqual([
      [1, 4],
      [1, 1],
    ]);
    expect(() => new nn.MultiHead().add(3, linear(2, 4, 1)).loadStateDict(model.stateDict())).toThrow(StateError);
  });

  test('refuses what it does not know', () => {
    const heads = new nn.MultiHead([linear(2, 1, 0)]);
    const x = variable(normal([2, 2], 0));
    expect(() => heads.forward(x)).toThrow('MultiHead: wants forward(x, task) with a number, or int32 [2]');
    expect(() => heads.forward(x, 1)).toThrow('task 1 was never added; there are [0]');
    expect(() => heads.forward(x, int32([0, 2]))).toThrow('task 2 was never added');
    expect(() => heads.forward(x, int32([0]))).toThrow('found int32 [1]');
    expect(() => heads.forward(x, tensor([0, 0]))).toThrow('found float32 [2]');
    for (const task of [0, -1, 0.5]) expect(() => heads.add(task, linear(2, 1, 0))).toThrow(ModuleError);
    expect(Object.keys(heads.heads)).toEqual(['0']);
  });
});

describe('TaskMask', () => {
  const mask = new nn.TaskMask(4, [[0, 1], [2, 3], [3]]);

  test('leaves the classes of the task and fills the others', () => {
    const x = variable(
      tensor([
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ]),
    );
    const out = Math.fround(-10e10);
    expect(mask.forward(x, 0).value.toArray()).toEqual([
      [1, 2, out, out],
      [5, 6, out, out],
    ]);
    expect(mask.forward(x, int32([2, 1])).value.toArray()).toEqual([
      [out, out, out, 4],
      [out, out, 7, 8],
    ]);
    expect(mask.forward(x.slice(0).unsqueeze(0).unsqueeze(0), 0).shape).toEqual([1, 1, 4]);
  });

  test('masks each sample by its task, on whatever axes its outputs lie', () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 });
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 5 }), shapes, (tasks, middle) => {
        const x = variable(normal([tasks.length, ...middle, 4], 0));
        const alone = tasks.map((task, i) => mask.forward(x.slice(i), task).value.toArray());
        expect(mask.forward(x, int32(tasks)).value.toArray()).toEqual(alone);
      }),
    );
    const one = variable(tensor([1, 2, 3, 4]));
    expect(() => mask.forward(one, int32([0, 1, 2, 0]))).toThrow(ModuleError);
    expect(() => mask.forward(one, int32([0, 1, 2, 0]))).toThrow(
      'tasks of samples want outputs [n, ..., 4], found [4]',
    );
  });

  test('makes the cross-entropy that of the own classes alone, with gradient exactly 0 elsewhere', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 1e4), (seed, scale) => {
        const logits = normal([3, 4], seed).mul(scale);
        const [all, own] = [logits, logits.slice(null, [2, 4])].map((x) => variable(x, { requiresGrad: true })) as [
          ReturnType<typeof variable>,
          ReturnType<typeof variable>,
        ];
        const masked = losses.crossEntropy(mask.forward(all, 1), int32([2, 3, 2]));
        const alone = losses.crossEntropy(own, int32([0, 1, 0]));
        masked.backward();
        alone.backward();
        expect(masked.item()).toBe(alone.item());
        expect(all.grad!.value.slice(null, [2, 4]).toArray()).toEqual(own.grad!.value.toArray());
        expect(all.grad!.value.slice(null, [0, 2]).eq(0).all().item()).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('saves its masks', () => {
    expect(Object.entries(mask.stateDict()).map(([key, m]) => [key, m.dtype, m.toArray()])).toEqual([
      ['masks.0', 'bool', [true, true, false, false]],
      ['masks.1', 'bool', [false, false, true, true]],
      ['masks.2', 'bool', [false, false, false, true]],
    ]);
  });

  test('refuses classes and inputs that do not fit', () => {
    for (const own of [[], [4], [-1], [0.5]]) expect(() => new nn.TaskMask(4, [own])).toThrow(ModuleError);
    expect(() => mask.forward(variable(tensor([[1, 2]])), 0)).toThrow('TaskMask(4): the input [1,2] must end in 4');
    expect(() => mask.forward(variable(tensor([[1, 2, 3, 4]])), 3)).toThrow('task 3 was never added');
  });
});
