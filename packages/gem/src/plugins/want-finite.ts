// A NaN in a gradient shows in its inner products, where it is looked for in every step; then it is told where it stands.

import type { Tensor } from '@gemlab/tensor';
import { NonFiniteGradientError } from '../errors.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { parameterAt } from './gradient-vector.ts';
import type { InnerProducts } from './inner-products.ts';

/**
 * The dots, if all is well.
 * @param what is projected, in words.
 * @throws NonFiniteGradientError naming task and parameter of the first entry of g or G that is not a finite number.
 */
export function wantFinite(
  { model, optimizer }: Strategy,
  tasks: readonly number[],
  g: Tensor,
  products: InnerProducts,
  what: string,
): { readonly dots: readonly number[] } {
  const { dots } = products;
  if (dots.every(Number.isFinite)) return { dots };
  const { G } = products;
  const rows = [
    { name: 'g', k: undefined, vector: g },
    ...G.split(G.shape[0]!).map((row, k) => ({ name: `G[${k}]`, k, vector: row.squeeze(0) })),
  ];
  for (const { name, k, vector } of rows) {
    const index = vector.isFinite().logicalNot().argmax().item() as number;
    const value = vector.slice(index).item() as number;
    if (Number.isFinite(value)) continue;
    const parameter = parameterAt(model, optimizer.parameters, index);
    const task = k === undefined ? undefined : tasks[k]!;
    const text =
      task === undefined
        ? `${what} of ${parameter} on the current batch`
        : `the gradient of ${parameter} on the memory of task ${task}`;
    const at = { parameter, text, ...(task === undefined ? {} : { task }) };
    throw new NonFiniteGradientError('GEMPlugin', name, k, index, value, at);
  }
  return { dots };
}
