// All memories as one batch: what it holds, that it is made once for each set of memories, and that the one before goes back.

import { type Samples, variable } from '@gemlab/autograd';
import { errors, Rng, randn, scope, type Tensor, tensor } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { type Joined, joiner } from '../../src/plugins/joined-memories.ts';

const rng = new Rng(3);
const memory = (n: number, seed: number): Samples => ({
  inputs: randn([n, 40], rng.foldIn(seed)).relu(),
  targets: tensor(Int32Array.from({ length: n }, (_, i) => i)),
});

test('is made once for a set of memories, and goes back when another takes its place', () => {
  const join = joiner();
  const [a, b, c] = [memory(3, 1), memory(5, 2), memory(4, 3)];
  const expected = [...a.inputs.dataSync(), ...b.inputs.dataSync()];
  const inScope = (memories: Samples[]): Joined => {
    let joined: Joined | undefined;
    scope(() => {
      joined = join(memories);
    });
    return joined!;
  };
  const first = inScope([a, b]);
  for (let step = 0; step < 3; step++) {
    scope(() => {
      const { samples, sizes, squaredNorms } = join([a, b]);
      expect(samples.inputs.storage).toBe(first.samples.inputs.storage);
      expect([...samples.inputs.dataSync()]).toEqual(expected);
      expect(sizes).toEqual([3, 5]);
      expect(squaredNorms[1]).toBeCloseTo(b.inputs.square().sum().item() as number, 4);
    });
  }
  const second = inScope([a, b, c]);
  expect(second.sizes).toEqual([3, 5, 4]);
  expect(first.samples.inputs.storage.released).toBe(true);
  // A loss may have held them.
  expect(first.samples.targets.toArray()).toEqual([0, 1, 2, 0, 1, 2, 3, 4]);
  expect(() => first.samples.inputs.dataSync()).toThrow(errors.ScopeError);
  expect(second.samples.inputs.storage.released).toBe(false);
  for (const { inputs } of [a, b, c]) expect(inputs.storage.released).toBe(false);
});

test('inputs whose value a model holds stay', () => {
  const join = joiner();
  const [a, b] = [memory(3, 1), memory(5, 2)];
  let held: Tensor | undefined;
  scope(() => {
    held = variable(join([a]).samples.inputs).value;
  });
  scope(() => join([a, b]));
  expect(held!.toArray()).toEqual(a.inputs.toArray());
});
