// Long and wide tapes: no walk recurses, and none is quadratic.

import { concat, type HoldsStorage, scope, storagesOf, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { checkpoint, gradientsOf, graphOf, perSampleGradients, type Variable } from '../src/index.ts';
import { leaf } from './derivatives.ts';

/** x, after so many steps that change its sign. */
function chain(x: Variable, steps: number): Variable {
  let y = x;
  for (let i = 0; i < steps; i++) y = y.neg();
  return y;
}

const count = (things: Iterable<unknown>): number => [...things].length;

test('a chain of 200,000 steps is walked back, and kept by a scope', () => {
  const x = leaf([1, 2]);
  const y = scope(() => chain(x, 200_000).sum());
  expect(count((y as HoldsStorage)[storagesOf]())).toBeGreaterThan(200_000);
  y.backward();
  expect(x.grad!.value.toArray()).toEqual([1, 1]);
});

describe('a chain of 50,000 steps', () => {
  const x = leaf([1, 2]);
  const y = chain(x, 50_000).square();

  test('has second derivatives', () => {
    const [g] = gradientsOf(y.sum(), [x], { createGraph: true });
    expect(gradientsOf(g!.sum(), [x])[0]!.value.toArray()).toEqual([2, 2]);
  });

  test('has a graph, which prints', () => {
    const graph = graphOf(y);
    expect(graph.nodes).toHaveLength(50_002);
    expect(graph.toString().split('\n').at(-2)).toMatch(/^%50001 = mul\(%50000, %50000\) +float64 +\[2\] +\[1, 4\]$/);
    expect(graph.toDot().split('\n')).toHaveLength(50_002 + 50_002 + 2);
  });

  test('has per-sample gradients, and can be a checkpoint', () => {
    expect(perSampleGradients(y, [x])[0]!.toArray()).toEqual([
      [2, 0],
      [0, 4],
    ]);
    const z = checkpoint((v: Variable) => chain(v, 20_000).square(), x);
    expect(gradientsOf(z.sum(), [x])[0]!.value.toArray()).toEqual([2, 4]);
  });
});

test('100,000 parts are joined, and get their gradients', () => {
  const x = leaf([1, 2]);
  const y = concat<Variable>(Array(100_000).fill(x));
  const [g] = gradientsOf(y.mul(tensor([1, 10]).expand([100_000, 2]).reshape([-1])).sum(), [x]);
  expect(g!.value.toArray()).toEqual([100_000, 1_000_000]);
});
