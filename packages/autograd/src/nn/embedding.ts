// Embedding: a table of vectors looked up by int32 indices. The gradient of a row adds up over the places that took it.

import { arange, errors, type Rng, randn, type Tensor, where } from '@gemlab/tensor';
import { withRng } from '../checks.ts';
import { ModuleError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';
import { Module } from './module.ts';

export interface EmbeddingOptions {
  /** Draws the initial vectors, from the standard normal distribution. */
  readonly rng: Rng;
  /** An index whose vector starts as 0 and gets no gradient. */
  readonly paddingIndex?: number;
  readonly dtype?: 'float32' | 'float64';
}

export class Embedding extends Module {
  /** [count, size] */
  readonly weight: Variable;
  readonly paddingIndex: number | null;

  /** @throws ModuleError unless count and size are positive integers, paddingIndex is below count, and there is a generator. */
  constructor(count: number, size: number, options: EmbeddingOptions) {
    super();
    const { rng, paddingIndex, dtype = 'float32' } = withRng('Embedding', options);
    const whole = (n: number, least: number) => Number.isInteger(n) && n >= least;
    if (!whole(count, 1) || !whole(size, 1) || !whole(paddingIndex ?? 0, 0) || (paddingIndex ?? 0) >= count) {
      const padding = paddingIndex === undefined ? '' : `, paddingIndex ${paddingIndex}`;
      throw new ModuleError(
        `Embedding: wants positive integers and a paddingIndex below the first; found ${count}, ${size}${padding}`,
        { count, size, paddingIndex },
      );
    }
    const start = randn([count, size], rng, { dtype });
    const padding = arange(count)
      .eq(paddingIndex ?? -1)
      .unsqueeze(1);
    this.weight = variable(where<Tensor>(padding, 0, start), { requiresGrad: true });
    this.paddingIndex = paddingIndex ?? null;
  }

  /**
   * The vectors of indices [...]: [..., size]. Negative indices count from the end.
   * @throws ModuleError unless they are int32; IndexError outside the table.
   */
  override forward(x: Variable): Variable {
    if (x.dtype !== 'int32') {
      throw new ModuleError(`Embedding: indices are int32, found ${x.dtype} ${errors.shapeText(x.shape)}`, {
        dtype: x.dtype,
      });
    }
    const [count, size] = this.weight.shape as [number, number];
    const vectors = this.weight.indexSelect(0, x.reshape([x.size])).reshape([...x.shape, size]);
    if (this.paddingIndex === null) return vectors;
    return where<Variable>(x.mod(count).eq(this.paddingIndex).unsqueeze(-1), vectors.detach(), vectors);
  }
}
