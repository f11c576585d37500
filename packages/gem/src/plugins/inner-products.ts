// The inner products of GEM, in float64 throughout: their signs open and close the gate, and the Gram matrix of nearly parallel gradients
// has no digits to spare. They are formed on the cpu, for a gpu has no float64: of what lies there, the gradients are read in each step.

import type { Tensor } from '@gemlab/tensor';

/** Inner products of the memories' gradients, the rows of G [t, p], with each other and with a gradient g [p]. */
export interface InnerProducts {
  /** The rows. */
  readonly G: Tensor;
  /** |g|^2 */
  readonly squaredNorm: number;
  /** Gg: <g, g_k> for each row. */
  readonly dots: number[];
  /** GG': <g_j, g_k>. */
  readonly gram: number[][];
  /** G'v + g for multipliers v [t]; both are on the cpu. */
  combine(v: Tensor): Tensor;
}

/** A product on the cpu, multiplied and summed in float64 whatever the operands are. */
export const exactProduct = (a: Tensor, b: Tensor): Tensor => a.to('cpu').matmul(b.to('cpu'), { dtype: 'float64' });

/** The inner products of rows that are at hand. */
export class InnerProductsOfRows implements InnerProducts {
  readonly G: Tensor;
  readonly #g: Tensor;

  /** @param G on the cpu. */
  constructor(G: Tensor, g: Tensor) {
    this.G = G;
    this.#g = g.to('cpu');
  }

  get squaredNorm(): number {
    return exactProduct(this.#g, this.#g).item() as number;
  }

  get dots(): number[] {
    return exactProduct(this.G, this.#g).toArray() as number[];
  }

  get gram(): number[][] {
    return exactProduct(this.G, this.G.transpose()).toArray() as number[][];
  }

  combine(v: Tensor): Tensor {
    return exactProduct(v, this.G).add(this.#g);
  }
}
