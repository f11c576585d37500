// Derivatives of everything that moves, folds or multiplies whole tensors. Most are adjoint pairs: sum and expand, slice and
// embed, window and fold, gather and scatter-add, permute and its inverse. Where elements tie for max or min they share the
// gradient equally.

import { type PrimitiveParams, type Shape, type SliceSpec, where } from '@gemlab/tensor';
import type { Variable } from '../variable.ts';
import { constant, type Rules } from './rule.ts';

type Folding = PrimitiveParams['sum'];

/** A folded tensor spread over the axes it was folded from. */
function spread(folded: Variable, { axes, keepDims }: Folding, like: Variable): Variable {
  const kept = like.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  return (keepDims ? folded : folded.reshape(kept)).expand(like.shape);
}

/** max and min: the tied elements share the gradient equally. */
function extreme(g: Variable, x: Variable, out: Variable, params: Folding): Variable {
  const tied = x.eq(spread(out, params, x)).cast(x.dtype);
  return spread(g.div(tied.sum(params.axes, params)), params, x).mul(tied);
}

/** x moved `by` places along an axis (to the front if negative), with `fill` where nothing comes from. */
function shifted(x: Variable, axis: number, by: number, fill: number): Variable {
  const n = x.shape[axis]!;
  const rest = x.slice(
    ...x.shape.map((_, i) => (i !== axis ? null : by > 0 ? [0, Math.max(0, n - by)] : [-by]) as SliceSpec),
  );
  const room = n - rest.shape[axis]!;
  return rest.pad(
    x.shape.map((_, i) => (i !== axis ? [0, 0] : by > 0 ? [room, 0] : [0, room])),
    fill,
  );
}

/**
 * Of y_k = y_(k-1) x_k the gradient that comes to y_k is a_k = g_k + x_(k+1) a_(k+1), and x_k gets a_k y_(k-1): nothing is divided by, so
 * zeros are exact. The a_k are summed by doubling: after each round a_k holds the first 1, 2, 4, ... terms of its sum.
 */
function runningProduct(g: Variable, x: Variable, out: Variable, axis: number): Variable {
  let sum = g;
  let weight = shifted(x, axis, -1, 0);
  for (let terms = 1; terms < x.shape[axis]!; terms *= 2) {
    sum = sum.add(weight.mul(shifted(sum, axis, -terms, 0)));
    weight = weight.mul(shifted(weight, axis, -terms, 0));
  }
  return sum.mul(shifted(out, axis, 1, 1));
}

/** true for each update that a scatter 'set' left standing, false for those overwritten by a later one. */
function survivors(base: Variable, index: Variable, axis: number): Variable {
  const order = constant(index, 1, [index.size]).cumsum(0).reshape(index.shape);
  const last = index.apply('scatter', { axis, mode: 'set' }, [constant(index, 0, base.shape), index, order]);
  return index.apply('gather', { axis }, [last, index]).eq(order);
}

/** The axes along which `to` repeats `from`, counted in `to`. */
function repeatedAxes(from: Shape, to: Shape): number[] {
  const lead = to.length - from.length;
  const axes: number[] = [];
  for (let i = 0; i < to.length; i++) if (i < lead || from[i - lead] !== to[i]) axes.push(i);
  return axes;
}

/** [..., n] as a matrix. */
const inRows = (x: Variable): Variable => {
  const n = x.shape[x.rank - 1]!;
  return x.rank === 2 ? x : x.reshape([x.shape.slice(0, -1).reduce((a, b) => a * b, 1), n]);
};

export const structural = {
  sum: [(g, { inputs: [x], params }) => spread(g, params, x!)],
  max: [(g, { inputs: [x], out, params }) => extreme(g, x!, out, params)],
  min: [(g, { inputs: [x], out, params }) => extreme(g, x!, out, params)],
  argmax: 'nondifferentiable',
  argmin: 'nondifferentiable',
  argsort: 'nondifferentiable',
  softmax: [(g, { out, params: { axis } }) => out.mul(g.sub(g.mul(out).sum(axis, { keepDims: true })))],
  logSoftmax: [(g, { out, params: { axis } }) => g.sub(out.exp().mul(g.sum(axis, { keepDims: true })))],
  cumsum: [(g, { params: { axis } }) => g.flip(axis).cumsum(axis).flip(axis)],
  cumprod: [(g, { inputs: [x], out, params: { axis } }) => runningProduct(g, x!, out, axis)],
  matmul: [
    (g, { inputs: [a, b], params }) => g.matmul(b!.transpose(), params).cast(a!.dtype),
    // Where b is W', the gradient of W is to lie as W does. (The products are the same numbers, added in the same order.)
    (g, { inputs: [a, b], params }) =>
      (b!.node?.op === 'permute'
        ? g.transpose().matmul(a!, params).transpose()
        : a!.transpose().matmul(g, params)
      ).cast(b!.dtype),
  ],
  // The rows of all leading axes are those of one product.
  linear: [
    (g, { inputs: [x, w] }) => (g.rank === 2 ? g.matmul(w!) : inRows(g).matmul(w!).reshape(x!.shape)),
    (g, { inputs: [x] }) => inRows(g).transpose().matmul(inRows(x!)),
    (g) => (g.rank === 1 ? g : g.sum(g.shape.slice(1).map((_, axis) => axis))),
  ],
  // An index that the op has checked is not checked again: to check is to read, for which a gpu must be waited for.
  gather: [
    (g, { inputs: [x, index], params: { axis } }) =>
      g.apply('scatter', { axis, mode: 'add' }, [constant(g, 0, x!.shape), index!, g]),
    null,
  ],
  scatter: [
    (g, { inputs: [, index], params: { axis, mode } }) =>
      mode === 'add' ? g : g.apply('scatter', { axis, mode: 'set' }, [g, index!, constant(g, 0, index!.shape)]),
    null,
    (g, { inputs: [base, index], params: { axis, mode } }) => {
      const taken = g.apply('gather', { axis }, [g, index!]);
      return mode === 'add' ? taken : where(survivors(base!, index!, axis), taken, 0);
    },
  ],
  concat: (g, { inputs, params: { axis } }) =>
    g.split(
      inputs.map((x) => x.shape[axis]!),
      axis,
    ),
  embed: [(g, { params: { ranges } }) => g.apply('slice', { ranges }, [g])],
  fold: [(g, { params: { windows } }) => g.apply('window', { windows }, [g])],
  cast: [(g, { inputs: [x] }) => g.cast(x!.dtype)],
  copy: [(g) => g],
  reshape: [(g, { inputs: [x] }) => g.reshape(x!.shape)],
  permute: [(g, { params: { axes } }) => g.permute(axes.map((_, i) => axes.indexOf(i)))],
  slice: [(g, { inputs: [x], params: { ranges } }) => g.apply('embed', { shape: x!.shape, ranges, fill: 0 }, [g])],
  expand: [(g, { inputs: [x], params: { shape } }) => g.sum(repeatedAxes(x!.shape, shape)).reshape(x!.shape)],
  window: [(g, { inputs: [x], params: { windows } }) => g.apply('fold', { shape: x!.shape, windows }, [g])],
} satisfies Rules;
