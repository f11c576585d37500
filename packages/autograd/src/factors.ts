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
import { asRows, entriesOf, toFront } from './entries.ts';
import { GradientError } from './errors.ts';
import { Linear } from './nn/layers.ts';
import type { Module } from './nn/module.ts';
import { wantLosses } from './per-sample.ts';
import { sampleAxes, type Users, usersIn } from './samples.ts';
import { reverseOrder, stepName } from './tape.ts';
import type { Variable } from './variable.ts';

/** One use of a linear layer. */
export interface LinearFactors {
  readonly kind: 'linear';
  /** The layer's path in the model. */
  readonly name: string;
  readonly weight: Variable;
  readonly bias: Variable | null;
  /** A: what the layer got, [n, ..., in]. */
  readonly input: Tensor;
  /** D: the gradient of what the layer gave, [n, ..., out]. */
  readonly delta: Tensor;
}

/** Other layers will have factors of other kinds. */
export type LayerFactors = LinearFactors;

/** A use of a weight on the tape. */
interface Use {
  readonly name: string;
  readonly weight: Variable;
  readonly bias: Variable | null;
  /** x W', before the bias. */
  readonly out: Variable;
  readonly input: Tensor;
}

/**
 * The factors of every linear layer of `model` behind `losses`, the losses [n] of n samples: A_i and D_i such that the gradient of
 * sum_i w_i losses_i is D' A, whatever the weights w (ones unless given), over any part of the samples too. A layer that is
 * used several times is there once for each. Parameters of other layers are not.
 * @throws GradientError if a parameter of a linear layer is used in any other way as well (then D' A is not all of its gradient),
 * or if samples meet behind a layer (batch statistics: then there are no rows that belong to one); ShapeError if the weights do not fit.
 */
export function layerFactors(
  losses: Variable,
  model: Module,
  { weights }: { readonly weights?: Tensor } = {},
): LayerFactors[] {
  wantLosses('layerFactors', losses);
  const order = reverseOrder(losses);
  const users = usersIn(order);
  const uses = new Map<Variable, Use>();
  for (const [path, layer] of model.namedModules()) {
    if (!(layer instanceof Linear)) continue;
    for (const use of usesOf(path, layer, users)) {
      // A weight that two layers share is met twice; the layer whose bias was added is the one that was called.
      if (use.bias !== null || !uses.has(use.out)) uses.set(use.out, use);
    }
  }
  const targets = [...uses.keys()];
  const axes = sampleAxes(losses, new Set(targets), order);
  const reason =
    typeof axes === 'string'
      ? axes
      : targets.some((out) => axes.get(out) === out.rank - 1)
        ? 'samples lie along outputs'
        : null;
  if (typeof axes === 'string' || reason !== null) {
    throw new GradientError(`layerFactors: ${reason}, so no row of a layer's inputs belongs to one sample`);
  }
  const seed = weights ?? ones(losses.shape, { dtype: losses.dtype, device: losses.value.device });
  const deltas = gradientsOf(losses, targets, { seed });
  return [...uses.values()].map(({ name, weight, bias, out, input }, i) => {
    const axis = axes.get(out)!;
    return { kind: 'linear', name, weight, bias, input: toFront(input, axis), delta: toFront(deltas[i]!.value, axis) };
  });
}

/** @throws GradientError if a parameter of the layer is used in another way than by the layer. */
function usesOf(name: string, { weight, bias }: Linear, users: Users): Use[] {
  const fail = (parameter: string, { node }: Variable): never => {
    const full = name === '' ? parameter : `${name}.${parameter}`;
    throw new GradientError(
      `layerFactors: ${full} is used by ${stepName(node!)} in another way than y = x W' + b, so factors are not all of its gradient`,
      { parameter: full, op: stepName(node!) },
    );
  };
  const entries = entriesOf(weight, users);
  if (!Array.isArray(entries)) return fail('weight', entries);
  const uses = entries.map(({ out, input }): Use => {
    if (input === null || !transposes(out.node!.inputs[1]!, weight)) return fail('weight', out);
    return { name, weight, bias: bias && isExpanded(bias, addedTo(out, users)) ? bias : null, out, input };
  });
  const added = new Set(uses.map(({ out }) => addedTo(out, users)));
  const stray = bias && users.get(bias)?.find(({ out }) => !(isExpanded(bias, out) && added.has(out)));
  return stray ? fail('bias', stray.out) : uses;
}

/** Whether `right`, the second factor of a product, is W', or W' repeated for a stack of products. */
function transposes(right: Variable, weight: Variable): boolean {
  const { node } = right.node?.op === 'expand' ? right.node.inputs[0]! : right;
  return (
    node?.op === 'permute' && node.inputs[0] === weight && (node.params as PrimitiveParams['permute']).axes[0] === 1
  );
}

const isExpanded = (v: Variable, out: Variable | null): boolean =>
  out?.node?.op === 'expand' && out.node.inputs[0] === v;

/** What is added to a product right away, if that is the only thing that is done with either. */
function addedTo(product: Variable, users: Users): Variable | null {
  const [use, ...others] = users.get(product) ?? [];
  if (use === undefined || others.length > 0 || use.out.node!.op !== 'add') return null;
  const added = use.out.node!.inputs[1 - use.place]!;
  return users.get(added)?.length === 1 ? added : null;
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
