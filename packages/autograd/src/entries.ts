// How a parameter enters the computation on samples: through which steps, and how a gradient there, one for each
// sample, becomes that of the parameter. Known are the ways in which layers use theirs:
//
//   linear    y = x W' + b              the gradient of W for a sample is d_i' x_i, that of b is d_i, with d that of y
//   matmul    y = x W, or y = W x       that of W is x_i' d_i, or d_i x_i'
//   gather    rows of a table E         that of E is d_i, added up where the rows came from
//   expand    b repeated for all        that of b is d_i, added up over where else it was repeated
//
// any of them after permutes, reshapes and elementwise steps, by which a convolution makes its matrix of filters, and a batch normalisation
// in evaluation its scale.

import { type PrimitiveParams, type Tensor, zeros } from '@gemlab/tensor';
import { elementwise } from './rules/elementwise.ts';
import { pullBack } from './rules/index.ts';
import type { Along, Users } from './samples.ts';
import { inputsThen } from './tape.ts';
import { Variable } from './variable.ts';

export interface Entry {
  /** The result of the step. */
  readonly out: Variable;
  /** What the parameter was multiplied by there: x of a product. Lent: see `privately`. */
  readonly input: Tensor | null;
  /**
   * The gradient of the parameter for each of n samples, [n, ...its shape], from that of `out`; null if it has samples
   * itself.
   */
  readonly perSample: (delta: Tensor, along: Along, n: number) => Tensor | null;
}

/** How many of each sample lie along an axis; where there are no samples, as many as are known to. */
export function ofEach(t: Tensor, { axis, inner }: Along, n: number): number {
  return n === 0 ? inner : t.shape[axis]! / n;
}

/** [n, ..., m, ...]: samples in front, and m of what was merged with them where they were. */
export function samplesFirst(t: Tensor, along: Along, n: number): Tensor {
  const { axis, inner } = along;
  const [before, after] = [t.shape.slice(0, axis), t.shape.slice(axis + 1)];
  const merged = ofEach(t, along, n);
  const split = t.reshape([...before, merged / inner, n, inner, ...after]);
  const order = [...split.shape.keys()].filter((a) => a !== axis + 1);
  return split.permute([axis + 1, ...order]).reshape([n, ...before, merged, ...after]);
}

/** [n, ..., k] as a stack of matrices, each the rows of as many samples: [stacks, rows, k]. */
export function asRows(t: Tensor, stacks: number): Tensor {
  const samples = stacks === 0 ? 0 : t.shape[0]! / stacks;
  const rows = t.shape.slice(1, -1).reduce((product, d) => product * d, samples);
  return t.reshape([stacks, rows, t.shape.at(-1)!]);
}

/** Steps on the way from a parameter to the samples. More would be no layer's, and every fork on the way is followed twice. */
const FAR = 8;

/** Every entry of the variable `v`, or the first use of it that is none of the known ways. */
export function entriesOf(v: Variable, users: Users, steps = 0): Entry[] | Variable {
  const found: Entry[] = [];
  for (const use of users.get(v) ?? []) {
    if (steps > FAR) return use.out;
    const entries = entriesThrough(v, use, users, steps + 1);
    if (!Array.isArray(entries)) return entries;
    found.push(...entries);
  }
  return found;
}

function entriesThrough(
  v: Variable,
  { out, place }: { out: Variable; place: number },
  users: Users,
  steps: number,
): Entry[] | Variable {
  switch (out.node!.op) {
    case 'linear':
      return [place === 2 ? repeated(v, out) : place === 1 ? weightOf(out) : rowsOf(v, out)];
    case 'matmul':
      return isPlainProduct(out) ? [product(out, place)] : out;
    case 'gather':
      return place === 0 ? [lookedUp(v, out)] : out;
    case 'expand': {
      // A matrix is repeated, as it is, to multiply a stack of others.
      const products = users.get(out) ?? [];
      const whole = v.rank === 2 && v.shape.every((d, a) => out.shape.at(a - 2) === d);
      const stacked = whole && products.every((use) => isPlainProduct(use.out) && use.place === 1);
      return stacked ? products.map((use) => stackedProduct(use.out)) : [repeated(v, out)];
    }
    case 'permute': {
      const { axes } = out.node!.params as PrimitiveParams['permute'];
      return after(entriesOf(out, users, steps), (t) => t.permute([0, ...axes.map((_, i) => axes.indexOf(i) + 1)]));
    }
    case 'reshape':
      return after(entriesOf(out, users, steps), (t) => t.reshape([t.shape[0]!, ...v.shape]));
    default:
      if (!(out.node!.op in elementwise)) return out;
      return after(entriesOf(out, users, steps), (t) => elementwiseBack(t, out, place));
  }
}

/** A product in the operands' own type, in which factors may be formed again. */
const isPlainProduct = ({ node }: Variable): boolean =>
  node!.op === 'matmul' && (node!.params as PrimitiveParams['matmul']).dtype === undefined;

/** Through an elementwise step, whose rule takes the gradients of all samples at once where all are in their shape, [n, ...]. */
function elementwiseBack(t: Tensor, out: Variable, place: number): Tensor {
  const node = out.node!;
  const repeat = (x: Variable) => new Variable(x.peek, false).expand(t.shape);
  const inputs = inputsThen(node).map(repeat);
  const pulled = pullBack(node, new Variable(t, false), { inputs, out: repeat(out) }, (x) => x === inputs[place]);
  return pulled[place]!.value;
}

function after(entries: Entry[] | Variable, view: (t: Tensor) => Tensor): Entry[] | Variable {
  if (!Array.isArray(entries)) return entries;
  return entries.map((entry) => ({
    ...entry,
    perSample: (...gradient) => {
      const t = entry.perSample(...gradient);
      return t && view(t);
    },
  }));
}

/**
 * The parameter is one of two stacks of matrices that were multiplied; samples lie along the rows or columns of the
 * other.
 */
function product(out: Variable, place: number): Entry {
  const input = lent(out.node!.values[1 - place]!);
  return {
    out,
    input,
    perSample: (delta, along, n) => {
      if (along.axis !== out.rank - 1 - place) return null;
      const [x, d] = [samplesFirst(input, along, n), samplesFirst(delta, along, n)];
      return place === 1 ? x.transpose().matmul(d) : d.matmul(x.transpose());
    },
  };
}

/**
 * The parameter is a matrix by which the rows of all samples were multiplied: `gradient` gives that of each sample from the
 * rows of x and of the result that are its own, [n, rows, k].
 */
function shared(out: Variable, gradient: (x: Tensor, d: Tensor) => Tensor): Entry {
  const input = lent(out.node!.values[0]!);
  return {
    out,
    input,
    perSample: (delta, along, n) => {
      if (along.axis === out.rank - 1) return null;
      const rows = (t: Tensor) => asRows(samplesFirst(t, along, n), n);
      return gradient(rows(input), rows(delta));
    },
  };
}

/** The parameter is a matrix that was repeated to multiply a stack of others. */
const stackedProduct = (out: Variable): Entry => shared(out, (x, d) => x.transpose().matmul(d));

/** The parameter is the weight of a linear step. */
const weightOf = (out: Variable): Entry => shared(out, (x, d) => d.transpose().matmul(x));

/** The parameter is what a linear step multiplied, by a weight whose rows belong to samples. */
function rowsOf(v: Variable, out: Variable): Entry {
  const weight = lent(out.node!.values[1]!);
  return {
    out,
    input: weight,
    perSample: (delta, along, n) => {
      if (along.axis !== out.rank - 1) return null;
      const w = samplesFirst(weight, { ...along, axis: 0 }, n);
      return asRows(samplesFirst(delta, along, n), n)
        .matmul(w)
        .reshape([n, ...v.shape]);
    },
  };
}

/** The parameter is a table, of which each sample took some rows (or columns, ...). */
function lookedUp(v: Variable, out: Variable): Entry {
  const { axis } = out.node!.params as PrimitiveParams['gather'];
  const index = lent(out.node!.values[1]!);
  return {
    out,
    input: null,
    perSample: (delta, along, n) => {
      if (along.axis !== axis) return null;
      const base = zeros([n, ...v.shape], { dtype: v.dtype, device: v.device });
      return base.scatterAdd(axis + 1, samplesFirst(index, along, n), samplesFirst(delta, along, n));
    },
  };
}

function repeated(v: Variable, out: Variable): Entry {
  const lead = out.rank - v.rank;
  const axes = [...out.shape.keys()].filter((i) => i < lead || v.shape[i - lead] !== out.shape[i]);
  return {
    out,
    input: null,
    perSample: (delta, { axis, inner }, n) => {
      if (!axes.includes(axis)) return null;
      const others = axes.filter((a) => a !== axis);
      const first = samplesFirst(delta.sum(others, { keepDims: true }), { axis, inner }, n);
      return first.sum(axis + 1).reshape([n, ...v.shape]);
    },
  };
}

/** A tensor of the tape, until the scopes that are open now end. Who gives it to others shares it. */
function lent(value: Tensor): Tensor {
  value.storage.use();
  return value;
}
