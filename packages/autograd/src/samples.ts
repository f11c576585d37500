// Where parameters meet samples. Along the tape from the losses of n samples back to a parameter there is a last step
// whose result has an axis of n samples, while what enters it from the parameter's side is shared by all. If up to
// there no step lets samples meet, the losses' sum has all their derivatives there at once, each in its own place of
// that axis.

import { errors, type Primitive, type PrimitiveParams, type Shape } from '@gemlab/tensor';
import { elementwise } from './rules/elementwise.ts';
import { leadingTo, reverseOrder, stepName } from './tape.ts';
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

/**
 * Where samples lie: along `axis`, which may also hold what a reshape has merged with them, as [..., sample, inner].
 */
export interface Along {
  readonly axis: number;
  readonly inner: number;
}

/**
 * Given the axis of a step's result along which samples lie, that of the input at `place`; null if there is none, or
 * samples meet.
 */
type AxisRule<Params> = (
  axis: number,
  step: { readonly params: Params; readonly from: Shape; readonly to: Shape; readonly place: number },
) => number | null;

const same: AxisRule<unknown> = (axis) => axis;

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

/** Windows go along other axes than that of the samples, and their new axes come after it. */
const apart: AxisRule<PrimitiveParams['window']> = (axis, { params: { windows }, from, to }) =>
  axis < Math.min(from.length, to.length) && !windows.some((w) => w.axis === axis) ? axis : null;

/** A step without a rule may let samples meet. */
const rules: { readonly [P in Primitive]?: AxisRule<PrimitiveParams[P]> } = {
  ...Object.fromEntries(Object.keys(elementwise).map((op) => [op, same])),
  cast: same,
  copy: same,
  sum: unfolded,
  max: unfolded,
  min: unfolded,
  cumsum: beside,
  cumprod: beside,
  softmax: beside,
  logSoftmax: beside,
  gather: beside,
  scatter: beside,
  concat: (axis, { params }) => (axis === params.axis ? null : axis),
  // Rows of the result come from rows of the left operand, columns from columns of the right, and stacks from stacks.
  matmul: (axis, { to, place }) => (axis === to.length - 1 - place ? null : axis),
  // Rows come from rows of x, columns from rows of the weight, and from the bias.
  linear: (axis, { to, place }) => {
    const isColumn = axis === to.length - 1;
    if (place === 0) return isColumn ? null : axis;
    return isColumn ? 0 : null;
  },
  embed: whole,
  slice: whole,
  window: apart,
  fold: apart,
  permute: (axis, { params: { axes } }) => axes[axis]!,
  expand: (axis, { from, to }) => {
    const at = axis - (to.length - from.length);
    return at >= 0 && from[at] === to[axis] ? at : null;
  },
};

/** How far apart neighbours along an axis lie in row-major order. */
export const after = (shape: Shape, axis: number): number => shape.slice(axis + 1).reduce((n, d) => n * d, 1);

/** Samples after a reshape from `to` back to `from`: they are as far apart as before, in row-major order. */
function reshaped({ axis, inner }: Along, from: Shape, to: Shape, n: number): Along | null {
  const apart = inner * after(to, axis);
  const isMultiple = (of: number, all: number) => (all === 0 ? of === 0 : of % all === 0);
  const at = from.findIndex((d, a) => isMultiple(apart, after(from, a)) && isMultiple(after(from, a) * d, n * apart));
  return at < 0 ? null : { axis: at, inner: apart / after(from, at) };
}

/**
 * Where samples lie in each of `targets`, for the losses [n], or outputs [n, ...], whose tape is `order` (n > 1).
 * @returns in words why that cannot be said, if samples may meet between the losses and some target.
 */
export function sampleAxes(
  losses: Variable,
  targets: ReadonlySet<Variable>,
  order: readonly Variable[],
): ReadonlyMap<Variable, Along> | string {
  const found = new Map<Variable, Along>([[losses, { axis: 0, inner: 1 }]]);
  const leads = leadingTo(targets, order);
  for (const v of order) {
    if (v.node === null || !leads.has(v)) continue;
    const { op, params, inputs } = v.node;
    const along = found.get(v)!;
    const rule = op === 'custom' ? undefined : (rules[op] as AxisRule<unknown> | undefined);
    const through = (from: Shape, place: number): Along | null => {
      if (op === 'reshape') return reshaped(along, from, v.shape, losses.shape[0]!);
      const axis = rule?.(along.axis, { params, from, to: v.shape, place }) ?? null;
      return axis === null ? null : { axis, inner: along.inner };
    };
    for (const [place, { origin, shape }] of inputs.entries()) {
      if (!leads.has(origin)) continue;
      const next = through(shape, place);
      if (next === null) {
        const shapes = inputs.map((x) => errors.shapeText(x.shape)).join(', ');
        return `samples may meet in ${stepName(v.node)} ${shapes} -> ${errors.shapeText(v.shape)}`;
      }
      const had = found.get(origin) ?? next;
      if (had.axis !== next.axis || had.inner !== next.inner) return 'samples lie in two ways in one variable';
      found.set(origin, next);
    }
  }
  return found;
}

/**
 * Whether each row i of `outputs` [n, ...] is computed from row i of `inputs` [n, ...] and none of the others, so that
 * a sample's outputs are the same in any batch. Read off the tape, so `inputs` must require a gradient, and what was
 * computed without the tape (from `detach()`, or an argmax) is not seen.
 * @returns null if so, else in words why that cannot be said.
 */
export function samplesMeet(outputs: Variable, inputs: Variable): string | null {
  const n = inputs.shape[0];
  if (outputs.rank === 0 || outputs.shape[0] !== n)
    return `${n} samples gave outputs ${errors.shapeText(outputs.shape)}`;
  const order = reverseOrder(outputs);
  if (!order.includes(inputs)) return null;
  const found = sampleAxes(outputs, new Set([inputs]), order);
  if (typeof found === 'string') return found;
  const along = found.get(inputs)!;
  return along.axis === 0 && along.inner === 1 ? null : 'samples do not lie along the first axis';
}
