// The factors of a layer. The gradient of a linear layer y = x W' + b is a product of what came in and what came back,
//
//   dL/dW = D' A,   dL/db = column sums of D       A: the rows of x,  D: the rows of dL/dy
//
// with rows that belong to one sample each. Keeping A and D instead of the product leaves all questions about single
// samples, or groups of them, open: their gradients are products of a few rows, and inner products of gradients need
// none of them, <g_j, g_k> = sum((A_j A_k' + 1) * (D_j D_k')) (Goodfellow 2015; for K-FAC, Martens & Grosse 2015).
// GEM's check of one batch against many memories is such a question. A convolution is a linear layer of its windows: A
// has a row for each place that a filter looks at, and its channels, like those of the filters, may lie in groups that
// do not mix.
//
// Everything is read off the tape of the losses: layers know nothing of it, and nothing is stored in them.

import { concat, errors, ones, type PrimitiveParams, type Tensor } from '@gemlab/tensor';
import { gradientsOf } from './backward.ts';
import { asRows, entriesOf, ofEach, samplesFirst } from './entries.ts';
import { GradientError } from './errors.ts';
import { current } from './mode.ts';
import type { Module } from './nn/module.ts';
import { wantLosses } from './per-sample.ts';
import { type Along, after, sampleAxes, type Users, usersIn } from './samples.ts';
import { reverseOrder } from './tape.ts';
import type { Variable } from './variable.ts';

/** One use of a layer y = x W' + b, or of a convolution, where x are the windows of its input. */
export interface LayerFactors {
  /** The path of the weight in the model. */
  readonly name: string;
  /** W, [out, in]; of a convolution [out, in / groups, ...kernel]. */
  readonly weight: Variable;
  /** b, [out]; null if there is none, or it is not on the tape. */
  readonly bias: Variable | null;
  /** A: what the layer got, [n, ..., in]; of a convolution [n, places, windows], a window being in * kernel elements. */
  readonly input: Tensor;
  /** D: the gradient of what the layer gave, [n, ..., out]; of a convolution [n, places, out]. */
  readonly delta: Tensor;
  /** The columns of A and D are so many groups of equal size: group i of D belongs to group i of A alone. 1 for a linear layer. */
  readonly groups: number;
}

/**
 * The factors of the linear layers and the convolutions of `model` behind `losses`, the losses [n] of n samples: A and
 * D such that the gradient of sum_i w_i losses_i is D' A, for the weights w of the samples (ones unless given), and
 * over any part of the samples too. A layer that was used several times is there once for each.
 *
 * In place of the losses there may be any outputs [n, ...] whose row i is of sample i, with `weights` of their shape.
 * With the gradient of a loss by the outputs as weights, D' A is the gradient of that loss: so losses that see several
 * samples at once, as the mean over a group, have factors too.
 * With `borrows` the caller promises to give no A to anyone, and to be done with them when the scopes end that are open now: then a value
 * that only the engine holds goes back in time (`privately`).
 * @returns the factors, and the `rest`: the parameters behind the losses that have none, as they were used in another
 * way (too).
 * @throws GradientError if samples may meet behind a layer, as in batch statistics: no row belongs to one of them then;
 * ShapeError if the weights do not fit.
 */
export function layerFactors(
  losses: Variable,
  model: Module,
  { weights, borrows = false }: { readonly weights?: Tensor; readonly borrows?: boolean } = {},
): { readonly factors: LayerFactors[]; readonly rest: Variable[] } {
  if (losses.rank === 0 || weights === undefined) wantLosses('layerFactors', losses);
  const order = reverseOrder(losses);
  const { uses, biases, rest } = layersOn(order, model);
  const targets = uses.map(({ out }) => out);
  const found = sampleAxes(losses, new Set(targets), order);
  const outward =
    typeof found !== 'string' &&
    uses.some(({ out, groups }) => (found.get(out)!.axis === out.rank - 1) === (groups === null));
  if (typeof found === 'string' || outward) {
    const reason = typeof found === 'string' ? found : 'samples lie along outputs';
    throw new GradientError(`layerFactors: ${reason}, so no row of what a layer got belongs to one sample`);
  }
  const n = losses.shape[0]!;
  const seed = weights ?? ones(losses.shape, { dtype: losses.dtype, device: losses.value.device });
  const deltas = gradientsOf(losses, targets, { seed });
  const rows = (t: Tensor, along: Along) => {
    const first = samplesFirst(t, along, n);
    return first.shape[along.axis + 1] === 1 ? first.squeeze(along.axis + 1) : first;
  };
  const factors = uses.map(({ name, weight, out, input, groups }, i): LayerFactors => {
    const along = found.get(out)!;
    const view = (t: Tensor) => (groups === null ? rows(t, along) : columnsAsRows(t, along, n, groups));
    const bias = biases.get(out) ?? null;
    if (!borrows) input.storage.share();
    return { name, weight, bias, input: view(input), delta: view(deltas[i]!.value), groups: groups ?? 1 };
  });
  return { factors, rest };
}

/** One use of a layer y = x W' + b. */
export interface LinearUse {
  /** The path of the weight in the model. */
  readonly name: string;
  /** W, [out, in]. */
  readonly weight: Variable;
  /** b, [out]; null if there is none, or it is not on the tape. */
  readonly bias: Variable | null;
  /** x, [..., in]. */
  readonly input: Tensor;
  /**
   * x W' + b on the tape, [..., out], or x W' if the bias was added in a step of its own. Its gradient, the D of `LayerFactors`, is kept by a
   * walk back if it is told to: `output.retainGrad()`.
   */
  readonly output: Variable;
}

/** The uses of linear layers of `model` behind `output`: those whose gradients are D' A. Samples may meet. */
export function linearUses(output: Variable, model: Module): LinearUse[] {
  const { uses, biases } = layersOn(reverseOrder(output), model);
  return uses.flatMap(({ name, weight, input, out, groups }) => {
    if (groups !== null) return [];
    input.storage.share();
    return [{ name, weight, bias: biases.get(out) ?? null, input, output: out }];
  });
}

/** The uses of layers on a tape, their biases by the products they were added to, and the parameters used in another way (too). */
function layersOn(
  order: readonly Variable[],
  model: Module,
): { uses: Use[]; biases: Map<Variable, Variable>; rest: Variable[] } {
  const users = usersIn(order);
  // A frozen one may be an input beside others that are not.
  const named = [...model.namedParameters()].filter(([, p]) => current(p).requiresGrad && users.has(current(p)));
  const uses = named.flatMap(([name, weight]) => usesOf(name, weight, users));
  const biases = biasesOf(
    named.map(([, p]) => p),
    uses,
    users,
  );
  const covered = new Set([...uses.map(({ weight }) => weight), ...biases.values()]);
  return { uses, biases, rest: named.flatMap(([, p]) => (covered.has(p) ? [] : [p])) };
}

/** A use of a weight on the tape. */
interface Use {
  readonly name: string;
  readonly weight: Variable;
  /** x W' + b, or x W' before the bias; or W x, in a stack of as many as there are groups, by which a convolution takes its windows x. */
  readonly out: Variable;
  readonly input: Tensor;
  /** null for x W'. */
  readonly groups: number | null;
}

/** A stack of `groups` matrices whose columns belong to samples, as rows: [groups, k, n m] to [n, m, groups k]. */
function columnsAsRows(t: Tensor, along: Along, n: number, groups: number): Tensor {
  const [k, m] = [t.shape.at(-2)!, ofEach(t, along, n)];
  return samplesFirst(t, along, n)
    .reshape([n, groups, k, m])
    .permute([0, 3, 1, 2])
    .reshape([n, m, groups * k]);
}

/** The uses of a weight if all are x W', or all W x, else none. */
function usesOf(name: string, weight: Variable, users: Users): Use[] {
  const read = current(weight);
  const entries = entriesOf(read, users);
  if (!Array.isArray(entries)) return [];
  const uses = entries.flatMap(({ out, input }): Use[] => {
    if (input === null) return [];
    if (out.node!.op === 'linear') {
      return out.node!.inputs[1] === read ? [{ name, weight, out, input, groups: null }] : [];
    }
    const [left, right] = out.node!.inputs as [Variable, Variable];
    if (transposes(right, read)) return [{ name, weight, out, input, groups: null }];
    if (!isLaidOut(left, read)) return [];
    return [{ name, weight, out, input, groups: left.shape.slice(0, -2).reduce((a, b) => a * b, 1) }];
  });
  return uses.length === entries.length ? uses : [];
}

/** Whether `left`, the first factor of a product, is the weight itself, or a stack of matrices made of it. */
function isLaidOut(left: Variable, weight: Variable): boolean {
  return left === weight || (left.node?.op === 'reshape' && left.node.inputs[0] === weight);
}

/** Whether `right`, the second factor of a product, is W', or W' repeated for a stack of products. */
function transposes(right: Variable, weight: Variable): boolean {
  const { node } = right.node?.op === 'expand' ? right.node.inputs[0]! : right;
  return (
    node?.op === 'permute' && node.inputs[0] === weight && (node.params as PrimitiveParams['permute']).axes[0] === 1
  );
}

/** Of the products, those with a bias, a parameter that was added there or to what came out, and is used in no other way; and that parameter. */
function biasesOf(parameters: readonly Variable[], uses: readonly Use[], users: Users): Map<Variable, Variable> {
  const outputs = new Map(uses.map((use) => [use.out, outputsOf(use)]));
  const biases = new Map<Variable, Variable>();
  for (const p of parameters) {
    if (p.rank !== 1) continue;
    const under = users.get(current(p))!.map((use) => addedTo(p, use, users));
    const fits = under.every((m) => {
      const found = m === null ? undefined : outputs.get(m.product);
      return found?.count === p.size && (found.apart === m!.apart || p.size === 1);
    });
    if (fits) for (const m of under) biases.set(m!.product, p);
  }
  return biases;
}

/** How many outputs a product has for each of its rows, and how far apart they lie in row-major order. */
function outputsOf({ out, groups }: Use): { count: number; apart: number } {
  const columns = out.shape.at(-1)!;
  return groups === null ? { count: columns, apart: 1 } : { count: out.size / columns, apart: columns };
}

/**
 * The product to which a vector was added, if nothing else was done with either, nor between them but permutes and
 * reshapes; and how far apart in it, in row-major order, those elements lie that got the elements of the vector.
 */
function addedTo(
  p: Variable,
  { out: first, place }: { out: Variable; place: number },
  users: Users,
): { product: Variable; apart: number } | null {
  if (first.node!.op === 'linear') return place === 2 ? { product: first, apart: 1 } : null;
  const onlyUse = (v: Variable) => (users.get(v)?.length === 1 ? users.get(v)![0]! : null);
  // [k], or [k, 1, ...] for an axis that is not the last.
  const column = first.node!.op === 'reshape' && first.shape[0] === p.size ? first : p;
  const repeated = column === p ? first : onlyUse(column)?.out;
  const sum = repeated?.node?.op === 'expand' ? onlyUse(repeated) : null;
  if (sum?.out.node?.op !== 'add') return null;
  let product = sum.out.node.inputs[1 - sum.place]!;
  let apart = after(product.shape, product.rank - column.rank);
  for (; product.node !== null && onlyUse(product) !== null; product = product.node.inputs[0]!) {
    const { op, params, inputs } = product.node;
    if (op === 'permute') {
      const axis = product.shape.findIndex((d, a) => d === p.size && after(product.shape, a) === apart);
      if (axis < 0) return null;
      apart = after(inputs[0]!.shape, (params as PrimitiveParams['permute']).axes[axis]!);
    } else if (op !== 'reshape') return op === 'linear' && inputs.length > 2 ? null : { product, apart };
  }
  return null;
}

/** One is not copied. */
const joined = (parts: readonly Tensor[]): Tensor => (parts.length === 1 ? parts[0]! : concat(parts));

/**
 * From factors, the gradients of groups of samples: for each weight and bias a tensor [groups, ...its shape], where
 * group g is the next `sizes[g]` samples. Sizes of 1 give per-sample gradients, one group of n the whole gradient.
 * @throws ShapeError if the sizes do not add up to the number of samples.
 */
export function groupGradients(factors: readonly LayerFactors[], sizes: readonly number[]): Map<Variable, Tensor> {
  const gradients = new Map<Variable, Tensor>();
  const add = (p: Variable, g: Tensor) => gradients.set(p, gradients.get(p)?.add(g) ?? g);
  for (const { weight, bias, input, delta, groups } of factors) {
    const n = input.shape[0]!;
    if (!sizes.every((size) => Number.isInteger(size) && size >= 0) || sizes.reduce((a, b) => a + b, 0) !== n) {
      throw new errors.ShapeError(`groupGradients: groups of [${sizes}] are not the ${n} samples`, {
        sizes,
        samples: n,
      });
    }
    // Groups of one size are one product of stacks.
    const alike = sizes.every((size) => size === sizes[0]);
    const stacks = (t: Tensor) => (alike ? [asRows(t, sizes.length)] : t.split(sizes).map((part) => asRows(part, 1)));
    const [A, D] = [stacks(input), stacks(delta)];
    // [stacks, rows, groups k] with the groups in front of the rows.
    const apart = (t: Tensor) => {
      const [count, rows, columns] = t.shape as [number, number, number];
      return t.reshape([count, rows, groups, columns / groups]).transpose(1, 2);
    };
    const products = D.map((d, i) => apart(d).transpose().matmul(apart(A[i]!)));
    add(weight, joined(products.map((product) => product.reshape([product.shape[0]!, ...weight.shape]))));
    if (bias !== null) add(bias, joined(D.map((d) => d.sum(1))));
  }
  return gradients;
}
