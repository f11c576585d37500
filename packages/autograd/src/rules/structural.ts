// Derivatives of everything that moves, folds or multiplies whole tensors. Most are adjoint pairs: sum and expand, slice and
// embed, gather and scatter-add, permute and its inverse. Where elements tie for max or min they share the gradient equally.

import { type PrimitiveParams, type Shape, where } from '@gemlab/tensor';
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
  const tied = x.eq(spread(out, params, x));
  return spread(g.div(tied.sum(params.axes, params)), params, x).mul(tied);
}

/** true for each update that a scatter 'set' left standing, false for those overwritten by a later one. */
function survivors(base: Variable, index: Variable, axis: number): Variable {
  const order = constant(index, 1, [index.size]).cumsum(0).reshape(index.shape);
  return constant(index, 0, base.shape).scatter(axis, index, order).gather(axis, index).eq(order);
}

/** The axes along which `to` repeats `from`, counted in `to`. */
function repeatedAxes(from: Shape, to: Shape): number[] {
  const lead = to.length - from.length;
  return to.flatMap((d, i) => (i < lead || from[i - lead] !== d ? [i] : []));
}

export const structural = {
  sum: [(g, { inputs: [x], params }) => spread(g, params, x!)],
  max: [(g, { inputs: [x], out, params }) => extreme(g, x!, out, params)],
  min: [(g, { inputs: [x], out, params }) => extreme(g, x!, out, params)],
  argmax: 'nondifferentiable',
  argmin: 'nondifferentiable',
  cumsum: [(g, { params: { axis } }) => g.flip(axis).cumsum(axis).flip(axis)],
  matmul: [(g, { inputs: [, b] }) => g.matmul(b!.transpose()), (g, { inputs: [a] }) => a!.transpose().matmul(g)],
  gather: [(g, { inputs: [x, index], params: { axis } }) => constant(g, 0, x!.shape).scatterAdd(axis, index!, g), null],
  scatter: [
    (g, { inputs: [, index], params: { axis, mode } }) =>
      mode === 'add' ? g : g.scatter(axis, index!, constant(g, 0, index!.shape)),
    null,
    (g, { inputs: [base, index], params: { axis, mode } }) => {
      const taken = g.gather(axis, index!);
      return mode === 'add' ? taken : where(survivors(base!, index!, axis), taken, 0);
    },
  ],
  concat:
    (k) =>
    (g, { inputs, params: { axis } }) => {
      const start = inputs.slice(0, k).reduce((n, x) => n + x.shape[axis]!, 0);
      const stop = start + inputs[k]!.shape[axis]!;
      return g.slice(...g.shape.map((_, i) => (i === axis ? ([start, stop] as const) : null)));
    },
  embed: [(g, { params: { ranges } }) => g.apply('slice', { ranges }, [g])],
  cast: [(g, { inputs: [x] }) => g.cast(x!.dtype)],
  copy: [(g) => g],
  reshape: [(g, { inputs: [x] }) => g.reshape(x!.shape)],
  permute: [(g, { params: { axes } }) => g.permute(axes.map((_, i) => axes.indexOf(i)))],
  slice: [(g, { inputs: [x], params: { ranges } }) => g.apply('embed', { shape: x!.shape, ranges, fill: 0 }, [g])],
  expand: [
    (g, { inputs: [x], params: { shape } }) =>
      g.sum(repeatedAxes(x!.shape, shape), { keepDims: true }).reshape(x!.shape),
  ],
} satisfies Rules;
