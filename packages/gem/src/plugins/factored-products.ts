// Inner products of gradients that are kept as their factors: see factored-pass.ts.

import type { Variable } from '@gemlab/autograd';
import { concat, scope, stack, type Tensor, zeros } from '@gemlab/tensor';
import { exactProduct, type InnerProducts } from './inner-products.ts';
import { groupSums } from './joined-memories.ts';

/** The rows of all memories in one linear layer. */
export interface LayerRows {
  readonly weight: Variable;
  readonly bias: Variable | null;
  /** A, [n, in]. */
  readonly input: Tensor;
  /** D, [n, out]. */
  readonly delta: Tensor;
  /** |A_k|^2 for each memory, where it is known. */
  readonly squaredNorms: readonly number[] | null;
}

/** A layer, and what the batch had there. */
export interface LayerPair {
  readonly memory: LayerRows;
  readonly batch: { readonly input: Tensor; readonly delta: Tensor };
}

/** The gradients of one layer's parameters, a row for each memory; null for parameters that the optimizer does not move. */
interface LayerGradients {
  /** [t, in out], of matrices [in, out]: the transposes of those in g. */
  readonly weights: Tensor | null;
  readonly biases: Tensor | null;
}

/**
 * Rounding errors of a sum of n products are as good as never above this many times sqrt(n) u times the sum of the products' sizes
 * (Higham & Mary 2019, "A new approach to probabilistic rounding error analysis": the chance falls as exp(-lambda^2 / 2)).
 */
const LAMBDA = 6;

/** The memories' gradients by their factors, and formed when first asked for. */
export class FactoredGradients {
  readonly layers: readonly LayerRows[];
  /** How many rows each memory has. */
  readonly sizes: readonly number[];
  /** What the optimizer moves. */
  readonly parameters: readonly Variable[];
  readonly #moved: ReadonlySet<Variable>;
  #formed: readonly LayerGradients[] | null = null;

  constructor(layers: readonly LayerRows[], sizes: readonly number[], parameters: readonly Variable[]) {
    this.layers = layers;
    this.sizes = sizes;
    this.parameters = parameters;
    this.#moved = new Set(parameters);
  }

  moves(p: Variable | null): boolean {
    return p !== null && this.#moved.has(p);
  }

  /** For each layer. They belong to the scope in which they are first asked for. */
  get formed(): readonly LayerGradients[] {
    this.#formed ??= this.layers.map(({ weight, bias, input, delta }) => ({
      weights: this.moves(weight) ? this.#perMemory(input, delta) : null,
      biases: this.moves(bias) ? this.#columnSums(delta) : null,
    }));
    return this.#formed;
  }

  /** A_k' D_k for each memory, [t, in out]. */
  #perMemory(input: Tensor, delta: Tensor): Tensor {
    const t = this.sizes.length;
    if (this.#alike) {
      const groups = (rows: Tensor) => rows.reshape([t, this.sizes[0]!, rows.shape[1]!]);
      return groups(input).transpose(1, 2).matmul(groups(delta)).reshape([t, -1]);
    }
    const deltas = delta.split(this.sizes);
    return stack(input.split(this.sizes).map((A, k) => A.transpose().matmul(deltas[k]!).reshape([-1])));
  }

  #columnSums(delta: Tensor): Tensor {
    if (this.#alike) return delta.reshape([this.sizes.length, this.sizes[0]!, delta.shape[1]!]).sum(1);
    return stack(delta.split(this.sizes).map((D) => D.sum(0)));
  }

  get #alike(): boolean {
    return this.sizes.every((n) => n === this.sizes[0]);
  }
}

export class FactoredProducts implements InnerProducts {
  readonly dots: number[];
  readonly #gradients: FactoredGradients;
  readonly #x: Tensor;
  /** x by parameters. */
  readonly #parts: ReadonlyMap<Variable, Tensor>;

  /**
   * @param x [p], laid out as the parameters.
   * @param pairs where x is the gradient of the batch, what it is made of. It is checked that it is.
   */
  constructor(gradients: FactoredGradients, x: Tensor, pairs: readonly LayerPair[] | null) {
    const { parameters } = gradients;
    this.#gradients = gradients;
    this.#x = x;
    const parts = x.split(parameters.map((p) => p.size));
    this.#parts = new Map(parameters.map((p, i) => [p, parts[i]!]));
    const certain = pairs === null ? null : scope(() => this.#check(pairs));
    this.dots = certain ?? this.#exactDots();
  }

  get squaredNorm(): number {
    return exactProduct(this.#x, this.#x).item() as number;
  }

  get gram(): number[][] {
    const products = (G: Tensor | null) => G && exactProduct(G, G.transpose());
    return this.#sum(this.#memories, ({ weights, biases }) => [products(weights), products(biases)]) as number[][];
  }

  combine(v: Tensor): Tensor {
    const along = (G: Tensor) => exactProduct(v.unsqueeze(0), G);
    const moves = this.#byParameter(along, (G, [outs, ins]) => along(G).reshape([ins, outs]).transpose());
    return concat(
      this.#gradients.parameters.map((p) => {
        const part = this.#parts.get(p)!.to('cpu');
        return moves.get(p)?.reshape([-1]).add(part) ?? part.cast('float64');
      }),
    );
  }

  get G(): Tensor {
    const t = this.#memories;
    const rows = this.#byParameter(
      (G) => G,
      (G, [outs, ins]) => G.reshape([t, ins, outs]).transpose(1, 2).reshape([t, -1]),
    );
    const none = (p: Variable) => zeros([t, p.size], { dtype: p.dtype, device: p.device });
    return concat(
      this.#gradients.parameters.map((p) => rows.get(p) ?? none(p)),
      1,
    );
  }

  get #memories(): number {
    return this.#gradients.sizes.length;
  }

  /** <x, g_k> from the factors, if all are above 0 beyond doubt; else null. What is surely of no use is not computed. */
  #check(pairs: readonly LayerPair[]): number[] | null {
    const dots = this.#factoredDots(pairs);
    if (!dots.every((dot) => dot > 0) || !pairs.every((pair) => this.#isProduct(pair))) return null;
    const doubts = this.#doubts(pairs);
    return dots.every((dot, k) => dot > doubts[k]!) ? dots : null;
  }

  /** What the optimizer moves of a layer: its weight, and 1 for its bias beside each element of A, or 0. */
  #movedOf({ memory: { weight, bias } }: LayerPair): { readonly moved: boolean; readonly one: 0 | 1 } {
    return { moved: this.#gradients.moves(weight), one: this.#gradients.moves(bias) ? 1 : 0 };
  }

  /** <g, g_k>: the sums over layers of those of (A_k A_b' + 1) * (D_k D_b'). */
  #factoredDots(pairs: readonly LayerPair[]): number[] {
    const { sizes } = this.#gradients;
    const between = (rows: Tensor, others: Tensor) => rows.matmul(others.transpose());
    const terms = pairs.flatMap((pair): Tensor[] => {
      const { memory, batch } = pair;
      const { moved, one } = this.#movedOf(pair);
      if (!moved && one === 0) return [];
      const D = between(memory.delta, batch.delta);
      return [moved ? between(memory.input, batch.input).add(one).mul(D) : D];
    });
    return terms.length === 0
      ? sizes.map(() => 0)
      : groupSums(
          terms.reduce((sum, term) => sum.add(term)),
          sizes,
        );
  }

  /** How far off each may be: sum |a_i||d_i| <= |A||D|, with the 1 that stands for the bias beside each a_i. */
  #doubts(pairs: readonly LayerPair[]): number[] {
    const { sizes } = this.#gradients;
    const doubts = sizes.map(() => 0);
    const squares = (rows: Tensor) => scope(() => groupSums(rows.square(), sizes));
    const length = (rows: Tensor) => rows.square().sum().item() as number;
    for (const pair of pairs) {
      const { memory, batch } = pair;
      const { moved, one } = this.#movedOf(pair);
      if (!moved && one === 0) continue;
      const inputs = moved ? (memory.squaredNorms ?? squares(memory.input)) : doubts.map(() => 0);
      const ofBatch = ((moved ? length(batch.input) : 0) + one * batch.input.shape[0]!) * length(batch.delta);
      const [outs, ins] = memory.weight.shape as [number, number];
      const u = memory.delta.dtype === 'float64' ? 2 ** -53 : 2 ** -24;
      squares(memory.delta).forEach((square, k) => {
        doubts[k]! += LAMBDA * Math.sqrt(ins + outs) * u * Math.sqrt((inputs[k]! + one * sizes[k]!) * square * ofBatch);
      });
    }
    return doubts;
  }

  /** Whether x is, bit for bit, the product of these factors: a hook, a penalty or another plugin may have changed the gradient. */
  #isProduct({ memory: { weight, bias }, batch: { input, delta } }: LayerPair): boolean {
    const isPart = (p: Variable, made: () => Tensor): boolean => {
      const part = this.#parts.get(p);
      if (part === undefined) return true;
      // Nothing in another dtype, or elsewhere, came of this backward pass.
      if (part.dtype !== p.dtype || part.device !== p.device) return false;
      return (part.reshape(p.shape).sub(made()).abs().max().item() as number) === 0;
    };
    return isPart(weight, () => delta.transpose().matmul(input)) && (bias === null || isPart(bias, () => delta.sum(0)));
  }

  #exactDots(): number[] {
    const column = (p: Variable) => this.#parts.get(p)!.reshape(p.shape).transpose().reshape([-1, 1]);
    const dots = this.#sum(1, ({ weights, biases }, { weight, bias }) => [
      weights && exactProduct(weights, column(weight)),
      biases && exactProduct(biases, this.#parts.get(bias!)!.unsqueeze(1)),
    ]);
    return dots.map(([dot]) => dot!);
  }

  /** The sum over layers of products [t, columns] in float64. */
  #sum(columns: number, of: (gradients: LayerGradients, rows: LayerRows) => readonly (Tensor | null)[]): number[][] {
    const { formed, layers } = this.#gradients;
    return scope(() =>
      formed
        .flatMap((gradients, i) => of(gradients, layers[i]!).filter((term) => term !== null))
        .reduce((sum, term) => sum.add(term), zeros([this.#memories, columns], { dtype: 'float64' }))
        .toArray(),
    ) as number[][];
  }

  /** Something made of the formed gradients of each parameter: of biases [t, out], and of weights [t, in out]. */
  #byParameter(
    ofBiases: (G: Tensor) => Tensor,
    ofWeights: (G: Tensor, shape: readonly [outs: number, ins: number]) => Tensor,
  ): Map<Variable, Tensor> {
    const made = new Map<Variable, Tensor>();
    this.#gradients.formed.forEach(({ weights, biases }, i) => {
      const { weight, bias } = this.#gradients.layers[i]!;
      if (weights) made.set(weight, ofWeights(weights, weight.shape as [number, number]));
      if (biases) made.set(bias!, ofBiases(biases));
    });
    return made;
  }
}
