// The same elements at other places, or at several: roll, tile, repeatInterleave, and pad, which also brings in new ones. What no
// views can say is a gather of whole lines, whose index is worked out on the host: an element outside of x, at i, is
//
//   edge: x[clamp(i)]      wrap: x[i mod n]      reflect: x[|i|] with period 2 (n - 1), the end itself not repeated
//
// as in NumPy's pad, however wide the border is.

import { OptionError, ShapeError, shapeText } from '../errors.ts';
import { axisList, normalizeAxis, withRoom } from '../shape.ts';
import { expandTo } from './carrier.ts';
import { concat } from './reduce.ts';
import { SolveOps } from './solve.ts';
import type { SliceSpec, ViewOps } from './views.ts';

/** How x goes on beyond its ends. */
export type PadMode = 'edge' | 'reflect' | 'wrap';

const modulo = (i: number, n: number): number => ((i % n) + n) % n;
/** The place in an axis of n elements that stands for place i, inside or outside of it. */
const continued: { readonly [M in PadMode]: (i: number, n: number) => number } = {
  edge: (i, n) => Math.min(n - 1, Math.max(0, i)),
  reflect: (i, n) => (n === 1 ? 0 : n - 1 - Math.abs(n - 1 - modulo(i, 2 * (n - 1)))),
  wrap: modulo,
};

const isCount = (n: number | undefined): n is number => n !== undefined && Number.isInteger(n) && n >= 0;

/** Whole lines of an axis by a 1-d index that has been checked. */
export function linesOf<T extends ViewOps<T>>(x: T, axis: number, index: T): T {
  const column = index.reshape(x.shape.map((_, i) => (i === axis ? index.size : 1)));
  return x.apply('gather', { axis }, [x, expandTo(column, x.shape.with(axis, index.size))]);
}

export abstract class RearrangeOps<Self extends RearrangeOps<Self>> extends SolveOps<Self> {
  /**
   * Moved forward by `shifts` along `axes`, what leaves at one end entering at the other. One shift may serve several axes; without
   * axes the elements move in row-major order.
   * @throws ShapeError for a shift that is not an integer, or another number of shifts than axes; AxisError.
   */
  roll(shifts: number | readonly number[], axes?: number | readonly number[]): Self {
    if (axes === undefined) return this.reshape([this.size]).roll(shifts, 0).reshape(this.shape);
    const along = axisList('roll', axes).map((a) => normalizeAxis('roll', a, this.rank));
    const by = typeof shifts === 'number' ? along.map(() => shifts) : [shifts].flat();
    if (by.length !== along.length || !by.every(Number.isInteger)) {
      throw new ShapeError(`roll: wants an integer for each of the axes [${axes}], found ${JSON.stringify(shifts)}`, {
        shifts,
        axes,
      });
    }
    return along.reduce((x, axis, i) => {
      const size = x.shape[axis]!;
      const cut = size === 0 ? 0 : modulo(-by[i]!, size);
      const part = (spec: SliceSpec) => x.slice(...x.shape.map((_, a): SliceSpec => (a === axis ? spec : null)));
      return cut === 0 ? x : concat<Self>([part([cut]), part([0, cut])], axis);
    }, this.self);
  }

  /**
   * The whole, repeated: `reps` times along each axis (NumPy's tile). One number counts for the last axis; the shorter of `reps` and
   * the shape is filled up with 1 at the front.
   * @throws ShapeError unless the repeats are non-negative integers.
   */
  tile(reps: number | readonly number[]): Self {
    const given = [reps].flat();
    if (!given.every(isCount)) {
      throw new ShapeError(`tile: repeats must be non-negative integers, found [${[reps].flat().map(String)}]`, {
        reps,
      });
    }
    const rank = Math.max(given.length, this.rank);
    const fill = (list: readonly number[]) => [...new Array<number>(rank - list.length).fill(1), ...list];
    const [times, shape] = [fill(given), fill(this.shape)];
    const apart = this.reshape(shape.flatMap((d) => [1, d])).expand(shape.flatMap((d, i) => [times[i]!, d]));
    return apart.reshape(shape.map((d, i) => d * times[i]!));
  }

  /**
   * Each element repeated in its place along an axis (NumPy's repeat): as often as one number says, or the number at its index.
   * Without an axis the elements are taken in row-major order.
   * @throws ShapeError unless there is one non-negative integer, or one for each element of the axis.
   */
  repeatInterleave(repeats: number | readonly number[], axis?: number): Self {
    if (axis === undefined) return this.reshape([this.size]).repeatInterleave(repeats, 0);
    const at = normalizeAxis('repeatInterleave', axis, this.rank);
    const size = this.shape[at]!;
    const times = typeof repeats === 'number' ? new Array<number>(size).fill(repeats) : [repeats].flat();
    if (times.length !== size || ![repeats].flat().every(isCount)) {
      throw new ShapeError(
        `repeatInterleave: axis ${at} of ${shapeText(this.shape)} wants one non-negative integer or ${size} of them, found ${JSON.stringify(repeats)}`,
        { shape: this.shape, axis: at, repeats },
      );
    }
    const total = times.reduce((sum, count) => sum + count, 0);
    const from = withRoom('repeatInterleave', this.shape.with(at, total), () => new Int32Array(total));
    let end = 0;
    times.forEach((count, i) => {
      from.fill(i, end, end + count);
      end += count;
    });
    return linesOf<Self>(this.self, at, this.constant(from, [from.length], 'int32'));
  }

  /**
   * With a border: widths[i] = [before, after] for axis i. It holds a number (0 by default, cast to x's dtype), or x goes on in it:
   * 'edge' repeats the outermost element, 'reflect' mirrors about it, 'wrap' starts again from the other end.
   * @throws ShapeError unless there is one pair of non-negative integers for each axis, or where there is nothing to go on with;
   * OptionError for another mode.
   */
  pad(widths: readonly (readonly [number, number])[], border: number | PadMode = 0): Self {
    const isPair = (pair: unknown) => Array.isArray(pair) && isCount(pair[0]) && isCount(pair[1]);
    if (!Array.isArray(widths) || widths.length !== this.rank || !widths.every(isPair)) {
      throw new ShapeError(
        `pad: ${shapeText(this.shape)} wants a pair of non-negative integers for each axis, found ${JSON.stringify(widths)}`,
        { shape: this.shape, widths },
      );
    }
    const shape = this.shape.map((d, i) => widths[i]![0] + d + widths[i]![1]);
    if (typeof border === 'number') {
      const ranges = this.shape.map((length, i) => ({ start: widths[i]![0], step: 1, length }));
      return this.apply('embed', { shape, ranges, fill: border }, [this.self]);
    }
    if (!Object.hasOwn(continued, border)) {
      throw new OptionError(`pad: the border is a number, 'edge', 'reflect' or 'wrap', found '${String(border)}'`, {
        border,
      });
    }
    const empty = this.shape.findIndex((d, i) => d === 0 && shape[i]! > 0);
    if (empty >= 0) {
      throw new ShapeError(
        `pad: axis ${empty} of ${shapeText(this.shape)} has no elements for '${border}' to go on with`,
        {
          shape: this.shape,
          widths,
        },
      );
    }
    return this.shape.reduce(
      (x, size, axis) => x._continuedTo(shape[axis]!, axis, (i) => continued[border](i - widths[axis]![0], size)),
      this.self,
    );
  }

  private _continuedTo(length: number, axis: number, place: (i: number) => number): Self {
    if (length === this.shape[axis]) return this.self;
    const places = withRoom('pad', this.shape.with(axis, length), () => new Int32Array(length));
    for (let i = 0; i < length; i++) places[i] = place(i);
    return linesOf<Self>(this.self, axis, this.constant(places, [length], 'int32'));
  }
}
