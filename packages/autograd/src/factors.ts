// The factors of a layer. The gradient of a linear layer y = x W' + b is a product of what came in and what came back,
//
//   dL/dW = D' A,   dL/db = column sums of D       A: the rows of x,  D: the rows of dL/dy
//
// with rows that belong to one sample each. Keeping A and D instead of the product leaves all questions about single samples,
// or groups of them, open: their gradients are products of a few rows, and inner products of gradients need none of them,
// <g_j, g_k> = sum((A_j A_k' + 1) * (D_j D_k')) (Goodfellow 2015; for K-FAC, Martens & Grosse 2015). GEM's check of one batch
// against many memories is such a question.
//
// Everything is read off the tape of the losses: layers know nothing of it, and nothing is stored in them.

import { concat, errors, ones, type PrimitiveParams, type Tensor } from '@gemlab/tensor';
import { gradientsOf } from './backward.ts';
import { asRows, entriesOf, samplesFirst } from './entries.ts';
import { GradientError } from './errors.ts';
import type { Module } from './nn/module.ts';
import { wantLosses } from './per-sample.ts';
import { type Along, sampleAxes, type Users, usersIn } from './samples.ts';
import { reverseOrder } from './tape.ts';
import type { Variable } from './variable.ts';

/** One use of a layer y = x W' + b. */
export interface LayerFactors {
  /** The path of the weight in the model. */
  readonly name: string;
  /** W, [out, in]. */
  readonly weight: Variable;
  /** b, [out]; null if there is none, or it is not on the tape. */
  readonly bias: Variable | null;
  /** A: what the layer got, [n, ..., in]. */
  readonly input: Tensor;
  /** D: the gradient of what the layer gave, [n, ..., out]. */
  readonly delta: Tensor;
}

/**
 * The factors of the linear layers of `model` behind `losses`, the losses [n] of n samples: A and D such that the gradient of
 * sum_i w_i losses_i is D' A, for the weights w of the samples (ones unless given), and over any part of the samples too.
 * A layer that was used several times is there once for each.
 * @returns the factors, and the `rest`: the parameters behind the losses that have none, as they were used in another way (too).
 * @throws GradientError if samples may meet behind a layer, as in batch statistics: no row belongs to one of them then;
 * ShapeError if the weights do not fit.
 */
export function layerFactors(
  losses: Variable,
  model: Module,
  { weights }: { readonly weights?: Tensor } = {},
): { readonly factors: LayerFactors[]; readonly rest: Variable[] } {
  wantLosses('layerFactors', losses);
  const order = reverseOrder(losses);
  const users = usersIn(order);
  const named = [...model.namedParameters()].filter(([, p]) => users.has(p));
  const uses = named.flatMap(([name, weight]) => usesOf(name, weight, users));
  const biases = biasesOf(
    named.map(([, p]) => p),
    new Set(uses.map(({ out }) => out)),
    users,
  );
  const targets = uses.map(({ out }) => out);
  const found = sampleAxes(losses, new Set(targets), order);
  const outward = typeof found !== 'string' && targets.some((out) => found.get(out)!.axis === out.rank - 1);
  if (typeof found === 'string' || outward) {
    const reason = typeof found === 'string' ? found : 'samples lie along outputs';
    throw new GradientError(`layerFactors: ${reason}, so no row of what a layer got belongs to one sample`);
  }
  const seed = weights ?? ones(losses.shape, { dtype: losses.dtype, device: losses.value.device });
  const deltas = gradientsOf(losses, targets, { seed });
  const rows = (t: Tensor, along: Along) => {
    const first = samplesFirst(t, along, losses.size);
    return first.shape[along.axis + 1] === 1 ? first.squeeze(along.axis + 1) : first;
  };
  const factors = uses.map(({ name, weight, out, input }, i): LayerFactors => {
    const along = found.get(out)!;
    const bias = biases.get(out) ?? null;
    return { name, weight, bias, input: rows(input, along), delta: rows(deltas[i]!.value, along) };
  });
  const covered = new Set(factors.flatMap(({ weight, bias }) => [weight, bias]));
  return { factors, rest: named.flatMap(([, p]) => (covered.has(p) ? [] : [p])) };
}

/** A use of a weight on the tape. */
interface Use {
  readonly name: string;
  readonly weight: Variable;
  /** x W', before the bias. */
  readonly out: Variable;
  readonly input: Tensor;
}

/** The uses of a weight if all are x W', else none. */
function usesOf(name: string, weight: Variable, users: Users): Use[] {
  const entries = entriesOf(weight, users);
  if (!Array.isArray(entries)) return [];
  const uses = entries.flatMap(({ out, input }): Use[] =>
    input !== null && transposes(out.node!.inputs[1]!, weight) ? [{ name, weight, out, input }] : [],
  );
  return uses.length === entries.length ? uses : [];
}

/** Whether `right`, the second factor of a product, is W', or W' repeated for a stack of products. */
function transposes(right: Variable, weight: Variable): boolean {
  const { node } = right.node?.op === 'expand' ? right.node.inputs[0]! : right;
  return (
    node?.op === 'permute' && node.inputs[0] === weight && (node.params as PrimitiveParams['permute']).axes[0] === 1
  );
}

/** Of the products, those to whose rows a parameter was added that is used in no other way, and that parameter. */
function biasesOf(
  parameters: readonly Variable[],
  products: ReadonlySet<Variable>,
  users: Users,
): Map<Variable, Variable> {
  const biases = new Map<Variable, Variable>();
  for (const p of parameters) {
    const under = users.get(p)!.map(({ out }) => addedTo(out, users));
    const fits = (m: Variable | null): m is Variable => m !== null && products.has(m) && p.size === m.shape.at(-1);
    if (p.rank === 1 && under.every(fits)) for (const product of under) biases.set(product, p);
  }
  return biases;
}

/** What something repeated is added to, if nothing else is done with either. */
function addedTo(repeated: Variable, users: Users): Variable | null {
  const [use, ...others] = users.get(repeated) ?? [];
  if (repeated.node!.op !== 'expand' || use?.out.node?.op !== 'add' || others.length > 0) return null;
  const under = use.out.node.inputs[1 - use.place]!;
  return users.get(under)?.length === 1 ? under : null;
}

/**
 * From factors, the gradients of groups of samples: for each weight and bias a tensor [groups, ...its shape], where group g is the
 * next `sizes[g]` samples. Sizes of 1 give per-sample gradients, one group of n the whole gradient.
 * @throws ShapeError if the sizes do not add up to the number of samples.
 */
export function groupGradients(factors: readonly LayerFactors[], sizes: readonly number[]): Map<Variable, Tensor> {
  const gradients = new Map<Variable, Tensor>();
  const add = (p: Variable, g: Tensor) => gradients.set(p, gradients.get(p)?.add(g) ?? g);
  for (const { weight, bias, input, delta } of factors) {
    const n = input.shape[0]!;
    if (!sizes.every((size) => Number.isInteger(size) && size >= 0) || sizes.reduce((a, b) => a + b, 0) !== n) {
      throw new errors.ShapeError(`groupGradients: groups of [${sizes}] are not the ${n} samples`, {
        sizes,
        samples: n,
      });
    }
    // Groups of one size are one product of stacks.
    const alike = sizes.every((size) => size === sizes[0]);
    const groups = (t: Tensor) => (alike ? [asRows(t, sizes.length)] : t.split(sizes).map((part) => asRows(part, 1)));
    const [A, D] = [groups(input), groups(delta)];
    add(weight, concat(D.map((d, g) => d.transpose().matmul(A[g]!))));
    if (bias !== null) add(bias, concat(D.map((d) => d.sum(1))));
  }
  return gradients;
}
