// A NaN in a gradient shows in its inner products, where it is looked for in every step; then it is told where it stands. So does a
// gradient in float64 whose products with others are no float64, so that their signs would say nothing.

import { type Tensor, where } from '@gemlab/tensor';
import { GradientScaleError, NonFiniteGradientError } from '../errors.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { parameterAt } from './gradient-vector.ts';
import { exactProduct, type InnerProducts } from './inner-products.ts';

/** Below this a square has lost digits, or is near to. */
const SMALLEST = 2 ** -1000;

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
  if (dots.every(Number.isFinite)) {
    if (g.dtype === 'float64' && dots.includes(0)) wantNoUnderflow(dots, g, products.G);
    return { dots };
  }
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
  throw scaleError(g, G);
}

/** Where a product is 0, that of the vectors in units of their own is 0 too, unless the product was too small for float64. */
function wantNoUnderflow(dots: readonly number[], g: Tensor, G: Tensor): void {
  const clear = exactProduct(inUnits(G), inUnits(g)).toArray() as number[];
  if (dots.some((dot, k) => dot === 0 && clear[k]! < 0)) throw scaleError(g, G);
}

/**
 * The Gram matrix, if it tells the lengths of the rows that are violated.
 * @throws GradientScaleError if the square of one is no float64.
 */
export function wantLengths(dots: readonly number[], g: Tensor, products: InnerProducts): number[][] {
  const { gram } = products;
  if (dots.some((dot, k) => dot < 0 && gram[k]![k]! < SMALLEST)) throw scaleError(g, products.G);
  return gram;
}

/** Each row divided by the power of two near its largest entry, which changes no digit. */
function inUnits(x: Tensor): Tensor {
  const largest = x.abs().max(-1, { keepDims: true });
  return x.div(where(largest.gt(0), largest.log2().floor().minimum(1023).exp2(), 1));
}

function scaleError(g: Tensor, G: Tensor): GradientScaleError {
  const [ofG, ofRows] = [g, G].map((x) => x.abs().max().item() as number);
  return new GradientScaleError('GEMPlugin', [ofG!, ofRows!]);
}
