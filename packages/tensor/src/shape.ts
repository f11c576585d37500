// Shapes: sizes, axes and NumPy's broadcasting rule. A shape is a plain list of sizes; [] is a scalar.

import { describe } from './describe.ts';
import { AxisError, ShapeError, shapeText } from './errors.ts';

export type Shape = readonly number[];

/** How many elements a tensor of this shape has: the product of its sizes (1 for a scalar). */
export function sizeOf(shape: Shape): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Throws ShapeError unless `shape`, which the message calls by that name, is an array. */
export function wantSizes(op: string, name: string, shape: Shape): void {
  if (Array.isArray(shape)) return;
  const hint = typeof shape === 'number' ? `; did you mean [${shape}]?` : '';
  throw new ShapeError(`${op}: ${name} is an array of sizes, found ${describe(shape)}${hint}`, { shape });
}

/** Throws ShapeError unless `shape` is a list of non-negative integers whose product is a safe integer. */
export function checkShape(op: string, shape: Shape): void {
  wantSizes(op, 'a shape', shape);
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) {
      throw new ShapeError(`${op}: a size must be a non-negative integer, found ${d} in ${shapeText(shape)}`, {
        shape,
      });
    }
  }
  if (!Number.isSafeInteger(sizeOf(shape))) {
    throw new ShapeError(`${op}: shape ${shapeText(shape)} has more elements than can be counted`, { shape });
  }
}

/** What `make` gives. @throws ShapeError where there is no memory for it, as the runtime says; any other error as it is. */
export function withRoom<T>(op: string, shape: Shape, make: () => T): T {
  try {
    return make();
  } catch (error) {
    // An op that is made of others says what they could not.
    const cause = error instanceof ShapeError ? error.cause : error;
    // Calls nested too deeply are a RangeError as well.
    if (!(cause instanceof RangeError) || cause.message.includes('stack')) throw error;
    const elements = sizeOf(shape);
    const message = `${op}: no memory for the ${elements} elements of ${shapeText(shape)}`;
    throw Object.assign(new ShapeError(message, { shape, elements }), { cause });
  }
}

/**
 * `to` as a shape for the `from` elements, with its -1 (at most one) worked out.
 * @throws ShapeError if the sizes do not multiply to the same number.
 */
export function fitShape(op: string, from: Shape, to: Shape): number[] {
  const size = sizeOf(from);
  const free = Array.isArray(to) ? to.indexOf(-1) : -1;
  if (free >= 0 && to.includes(-1, free + 1)) {
    throw new ShapeError(`${op}: only one size may be -1, found ${shapeText(to)}`, { from, to });
  }
  const full = free < 0 ? to : to.with(free, 1);
  checkShape(op, full);
  const known = sizeOf(full);
  if (free < 0 ? known !== size : known === 0 || size % known !== 0) {
    const found = free < 0 ? `has ${known}` : 'cannot be made to fit by any size in place of -1';
    throw new ShapeError(`${op}: ${shapeText(from)} has ${size} elements, ${shapeText(to)} ${found}`, { from, to });
  }
  const fitted = [...full];
  if (free >= 0) fitted[free] = size / known;
  return fitted;
}

/** The index of the `at`-th element in row-major order. */
export function indexAt(shape: Shape, at: number): number[] {
  let rest = at;
  return shape
    .toReversed()
    .map((d) => {
      const i = rest % d;
      rest = Math.floor(rest / d);
      return i;
    })
    .reverse();
}

/** Row-major strides, in elements. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i]!;
  }
  return strides;
}

/**
 * The shape that several shapes broadcast to (NumPy's rule: align at the right; sizes agree where equal or 1).
 * @throws ShapeError naming the two sizes that differ and the axis they meet on.
 */
export function broadcastShapes(op: string, ...shapes: Shape[]): number[] {
  let rank = 0;
  for (const { length } of shapes) if (length > rank) rank = length;
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const lead = rank - shape.length;
    for (let i = 0; i < shape.length; i++) {
      const d = shape[i]!;
      const have = out[lead + i]!;
      if (have === 1) out[lead + i] = d;
      else if (d !== 1 && d !== have) {
        throw new ShapeError(
          `${op}: shapes ${shapes.map(shapeText).join(' and ')} do not broadcast: ${have} and ${d} differ on axis ` +
            `${lead + i - rank} and neither is 1`,
          { shapes, axis: lead + i - rank },
        );
      }
    }
  }
  return out;
}

/** An axis counted from 0, from one that may be negative. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (typeof axis !== 'number') {
    throw new AxisError(`${op}: an axis is an integer, found ${describe(axis)}${behindAxes(axis)}`, { axis, rank });
  }
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const range = rank === 0 ? 'a scalar has no axes' : `valid axes are ${-rank}..${rank - 1}`;
    throw new AxisError(`${op}: axis ${axis} is out of range for rank ${rank}; ${range}`, { axis, rank });
  }
  return axis < 0 ? axis + rank : axis;
}

/** True if no number is there twice. For few numbers. */
export function areDistinct(list: readonly number[]): boolean {
  for (let i = 1; i < list.length; i++) if (list.indexOf(list[i]!) < i) return false;
  return true;
}

/** One axis, or several, as a list. @throws AxisError for anything else. */
export function axisList(op: string, axes: number | readonly number[]): readonly number[] {
  if (typeof axes === 'number') return [axes];
  if (Array.isArray(axes)) return axes;
  if (ArrayBuffer.isView(axes)) return Array.from(axes as unknown as ArrayLike<number>);
  const found = `${describe(axes)}${behindAxes(axes)}`;
  throw new AxisError(`${op}: axes are an integer or an array of integers, found ${found}`, { axes });
}

/** What is said of an object that stands where axes are wanted. */
function behindAxes(found: unknown): string {
  return typeof found === 'object' && found !== null ? '; options come after the axes' : '';
}

/** Sorted distinct axes; `undefined` means all of them. */
export function normalizeAxes(op: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (typeof axes === 'number') return [normalizeAxis(op, axes, rank)];
  const given = axes === undefined ? undefined : axisList(op, axes);
  const list = new Array<number>(given === undefined ? rank : given.length);
  for (let i = 0; i < list.length; i++) list[i] = given === undefined ? i : normalizeAxis(op, given[i]!, rank);
  if (list.every((axis, i) => i === 0 || list[i - 1]! < axis)) return list;
  if (!areDistinct(list)) {
    throw new AxisError(`${op}: an axis is named twice in [${String(axes)}] for rank ${rank}`, { axes, rank });
  }
  return list.sort((a, b) => a - b);
}

/** The shape left after reducing `axes` (sorted, from 0). */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  const left: number[] = [];
  for (let i = 0; i < shape.length; i++) {
    if (!axes.includes(i)) left.push(shape[i]!);
    else if (keepDims) left.push(1);
  }
  return left;
}
