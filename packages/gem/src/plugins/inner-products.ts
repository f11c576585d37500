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

/** A product of matrices on the cpu in float64, whatever they are. */
export const exactProduct = (a: Tensor, b: Tensor): Tensor =>
  a.to('cpu').cast('float64').matmul(b.to('cpu').cast('float64'));

/** The inner products of rows that are at hand. */
export class InnerProductsOfRows implements InnerProducts {
  readonly #G: Tensor;
  readonly #g: Tensor;
  /** The rows as they were given. */
  readonly G: Tensor;

  /** @param exact G in float64 on the cpu, where that is at hand. */
  constructor(G: Tensor, g: Tensor, exact: Tensor = G.to('cpu').cast('float64')) {
    this.G = G;
    this.#G = exact;
    this.#g = g.to('cpu').cast('float64');
  }

  get squaredNorm(): number {
    return this.#g.matmul(this.#g).item() as number;
  }

  get dots(): number[] {
    return this.#G.matmul(this.#g).toArray() as number[];
  }

  get gram(): number[][] {
    return this.#G.matmul(this.#G.transpose()).toArray() as number[][];
  }

  combine(v: Tensor): Tensor {
    return v.matmul(this.#G).add(this.#g);
  }
}
