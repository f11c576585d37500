// Derivatives of functions of one number, all orders at once, for tests that know them in closed form.

import { type Tensor, tensor } from '@gemlab/tensor';
import { gradientsOf, type Variable, variable } from '../src/index.ts';

export const leaf = (value: Tensor | number | number[] | number[][]): Variable =>
  variable(tensor(value, { dtype: 'float64' }), { requiresGrad: true });

/** [f(x), f'(x), ..., f^(order)(x)] in float64. A derivative that is off the tape is constant: those after it are 0. */
export function derivatives(f: (x: Variable) => Variable, at: number, order: number): number[] {
  const x = leaf(at);
  let y = f(x);
  const found = [y.item() as number];
  while (found.length <= order) {
    if (!y.requiresGrad) found.push(0);
    else {
      y = gradientsOf(y, [x], { createGraph: true })[0]!;
      found.push(y.item() as number);
    }
  }
  return found;
}

/** The gradient of a scalar function of one tensor, as nested arrays. */
export function gradient(f: (x: Variable) => Variable, at: number[] | number[][]): unknown {
  const x = leaf(at);
  return gradientsOf(f(x), [x])[0]!.value.toArray();
}

/** The Hessian of a scalar function of a vector, row by row. */
export function hessian(f: (x: Variable) => Variable, at: number[]): number[][] {
  const x = leaf(at);
  const g = gradientsOf(f(x), [x], { createGraph: true })[0]!;
  return at.map((_, i) => {
    const row = g.slice(i);
    return row.requiresGrad ? (gradientsOf(row, [x])[0]!.value.toArray() as number[]) : at.map(() => 0);
  });
}
