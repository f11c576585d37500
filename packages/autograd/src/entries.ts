// How a parameter enters the computation on samples: through which steps, and how a gradient there, one for each sample, becomes
// that of the parameter. Known are the two ways in which layers use theirs:
//
//   matmul    y = x W, rows of x for rows of y     the gradient of W for a sample is x_i' d_i over its rows, with d that of y
//   expand    b repeated for all samples           that of b is d_i, added up over where else it was repeated
//
// either after permutes and reshapes, by which Linear makes W of its weight. To teach this a new layer (a convolution, say), give
// its primitive an entry here and its rule in samples.ts.

import type { PrimitiveParams, Tensor } from '@gemlab/tensor';
import type { Users } from './samples.ts';
import type { Variable } from './variable.ts';

export interface Entry {
  /** The result of the step. */
  readonly out: Variable;
  /** What the step made it from beside the parameter: x of a product. */
  readonly input: Tensor | null;
  /**
   * The gradient of the parameter for each sample, [n, ...its shape], from that of `out`, whose samples lie along `axis`. Null if
   * the parameter has an axis of samples itself.
   */
  readonly perSample: (delta: Tensor, axis: number) => Tensor | null;
}

/** The tensor with `axis` in front. */
export function toFront(t: Tensor, axis: number): Tensor {
  return axis === 0 ? t : t.permute([axis, ...t.shape.keys()].filter((a, i) => i === 0 || a !== axis));
}

/** [n, ..., k] as a stack of matrices, each the rows of as many samples: [stacks, rows, k]. */
export function asRows(t: Tensor, stacks: number): Tensor {
  const samples = stacks === 0 ? 0 : t.shape[0]! / stacks;
  const rows = t.shape.slice(1, -1).reduce((product, d) => product * d, samples);
  return t.reshape([stacks, rows, t.shape.at(-1)!]);
}

/** Every entry of the variable `v`, or the first use of it that is none of the known ways. */
export function entriesOf(v: Variable, users: Users): Entry[] | Variable {
  const found: Entry[] = [];
  for (const use of users.get(v) ?? []) {
    const entries = entriesThrough(v, use, users);
    if (!Array.isArray(entries)) return entries;
    found.push(...entries);
  }
  return found;
}

function entriesThrough(
  v: Variable,
  { out, place }: { out: Variable; place: number },
  users: Users,
): Entry[] | Variable {
  switch (out.node!.op) {
    case 'matmul':
      return place === 1 && v.rank === 2 ? [product(out)] : out;
    case 'expand': {
      // A matrix is repeated to multiply a stack of others.
      const products = users.get(out) ?? [];
      const stacked = v.rank === 2 && products.every((use) => use.out.node!.op === 'matmul' && use.place === 1);
      return stacked ? products.map((use) => product(use.out)) : [repeated(v, out)];
    }
    case 'permute': {
      const { axes } = out.node!.params as PrimitiveParams['permute'];
      return after(entriesOf(out, users), (t) => t.permute([0, ...axes.map((_, i) => axes.indexOf(i) + 1)]));
    }
    case 'reshape':
      return after(entriesOf(out, users), (t) => t.reshape([t.shape[0]!, ...v.shape]));
    default:
      return out;
  }
}

function after(entries: Entry[] | Variable, view: (t: Tensor) => Tensor): Entry[] | Variable {
  if (!Array.isArray(entries)) return entries;
  return entries.map((entry) => ({
    ...entry,
    perSample: (delta, axis) => {
      const t = entry.perSample(delta, axis);
      return t && view(t);
    },
  }));
}

function product(out: Variable): Entry {
  const input = out.node!.values[0]!;
  return {
    out,
    input,
    perSample: (delta, axis) => {
      if (axis === delta.rank - 1) return null;
      const [A, D] = [input, delta].map((t) => asRows(toFront(t, axis), t.shape[axis]!)) as [Tensor, Tensor];
      return A.transpose().matmul(D);
    },
  };
}

function repeated(v: Variable, out: Variable): Entry {
  const lead = out.rank - v.rank;
  const axes = [...out.shape.keys()].filter((i) => i < lead || v.shape[i - lead] !== out.shape[i]);
  return {
    out,
    input: null,
    perSample: (delta, axis) => {
      if (!axes.includes(axis)) return null;
      const others = axes.filter((a) => a !== axis);
      return toFront(delta.sum(others, { keepDims: true }), axis).reshape([delta.shape[axis]!, ...v.shape]);
    },
  };
}
