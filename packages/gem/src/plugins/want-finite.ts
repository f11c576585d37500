// A NaN in a gradient shows in its inner products, where it is looked for in every step; then it is told where it stands. So does a
// gradient in float64 whose products with others are no float64.

import type { Tensor } from '@gemlab/tensor';
import { GradientScaleError, NonFiniteGradientError } from '../errors.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { parameterAt } from './gradient-vector.ts';
import type { InnerProducts } from './inner-products.ts';

/** Below this a float64 product has lost digits, or is near to. */
const SMALLEST = 2 ** -900;

/**
 * The dots, if all is well.
 * @param what is projected, in words.
 * @throws NonFiniteGradientError naming task and parameter of the first entry of g or G that is not a finite number; GradientScaleError.
 */
export function wantFinite(
  { model, optimizer }: Strategy,
  tasks: readonly number[],
  g: Tensor,
  products: InnerProducts,
  what: string,
): { readonly dots: readonly number[] } {
  const { dots } = products;
  const areFinite = dots.every(Number.isFinite);
  if (areFinite && (g.dtype !== 'float64' || dots.every((dot) => Math.abs(dot) > SMALLEST))) return { dots };
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
  const [ofG, ofRows] = [g, G].map((x) => x.abs().max().item() as number) as [number, number];
  const isNothing = ofG === 0 || ofRows === 0;
  if (!areFinite || (!isNothing && ofG * ofRows < SMALLEST)) throw new GradientScaleError('GEMPlugin', [ofG, ofRows]);
  return { dots };
}
