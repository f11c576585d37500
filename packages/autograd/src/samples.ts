// Where parameters meet samples. Along the tape from the losses of n samples back to a parameter there is a last step whose
// result has an axis of n samples, while what enters it from the parameter's side is shared by all. If up to there no step
// lets samples meet, the losses' sum has all their derivatives there at once, each in its own place of that axis.

import { errors, type Primitive, type PrimitiveParams, type Shape } from '@gemlab/tensor';
import { elementwise } from './rules/elementwise.ts';
import { leadingTo, stepName } from './tape.ts';
import type { Variable } from './variable.ts';

/** What was computed from each variable, and which of the inputs it was there. */
export type Users = ReadonlyMap<Variable, readonly { readonly out: Variable; readonly place: number }[]>;

export function usersIn(order: readonly Variable[]): Users {
  const users = new Map<Variable, { out: Variable; place: number }[]>();
  for (const out of order) {
    out.node?.inputs.forEach(({ origin }, place) => {
      if (!users.has(origin)) users.set(origin, []);
      users.get(origin)!.push({ out, place });
    });
  }
  return users;
}

/** Given the sample axis of a step's result, that of the input at `place`; null if it has none, or samples meet. */
type AxisRule<Params> = (
  axis: number,
  step: { readonly params: Params; readonly from: Shape; readonly to: Shape; readonly place: number },
) => number | null;

const same: AxisRule<unknown> = (axis) => axis;
const before = (shape: Shape, axis: number): number => shape.slice(0, axis).reduce((n, d) => n * d, 1);

/** The axis that was folded to `axis`, if it was not folded away. */
const unfolded: AxisRule<PrimitiveParams['sum']> = (axis, { params: { axes, keepDims }, from }) => {
  if (keepDims) return axes.includes(axis) ? null : axis;
  return [...from.keys()].filter((a) => !axes.includes(a))[axis] ?? null;
};

/** For steps along one axis, whose other axes are as long as the result's, or not. */
const beside: AxisRule<{ readonly axis: number }> = (axis, { params, from, to }) =>
  axis !== params.axis && from[axis] === to[axis] ? axis : null;

/** For steps that place a range: that of the samples is all of them, in their order. */
const whole: AxisRule<PrimitiveParams['slice']> = (axis, { params: { ranges }, from, to }) =>
  ranges[axis]!.step === 1 && from[axis] === to[axis] ? axis : null;

/** A step without a rule may let samples meet. */
const rules: { readonly [P in Primitive]?: AxisRule<PrimitiveParams[P]> } = {
  ...Object.fromEntries(Object.keys(elementwise).map((op) => [op, same])),
  cast: same,
  copy: same,
  sum: unfolded,
  max: unfolded,
  min: unfolded,
  cumsum: beside,
  gather: beside,
  scatter: beside,
  concat: (axis, { params }) => (axis === params.axis ? null : axis),
  // Rows of the result come from rows of the left operand, columns from columns of the right, and stacks from stacks.
  matmul: (axis, { to, place }) => (axis === to.length - 1 - place ? null : axis),
  embed: whole,
  slice: whole,
  permute: (axis, { params: { axes } }) => axes[axis]!,
  reshape: (axis, { from, to }) => {
    const at = from.findIndex((d, a) => d === to[axis] && before(from, a) === before(to, axis));
    return at < 0 ? null : at;
  },
  expand: (axis, { from, to }) => {
    const at = axis - (to.length - from.length);
    return at >= 0 && from[at] === to[axis] ? at : null;
  },
};

/**
 * Which axis of each of `targets` is that of the samples, for the losses [n] whose tape is `order` (n > 1).
 * @returns in words why there is none, if samples may meet between the losses and some target.
 */
export function sampleAxes(
  losses: Variable,
  targets: ReadonlySet<Variable>,
  order: readonly Variable[],
): ReadonlyMap<Variable, number> | string {
  const axes = new Map([[losses, 0]]);
  const leads = leadingTo(targets, order);
  for (const v of order) {
    if (v.node === null || !leads.has(v)) continue;
    const { op, params, inputs } = v.node;
    const rule = op === 'custom' ? undefined : (rules[op] as AxisRule<unknown> | undefined);
    for (const [place, { origin, shape }] of inputs.entries()) {
      if (!leads.has(origin)) continue;
      const axis = rule?.(axes.get(v)!, { params, from: shape, to: v.shape, place }) ?? null;
      if (axis === null) {
        const shapes = inputs.map((x) => errors.shapeText(x.shape)).join(', ');
        return `samples may meet in ${stepName(v.node)} ${shapes} -> ${errors.shapeText(v.shape)}`;
      }
      if ((axes.get(origin) ?? axis) !== axis) return 'samples lie along two axes of one variable';
      axes.set(origin, axis);
    }
  }
  return axes;
}
