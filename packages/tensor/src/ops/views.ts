// Views: other ways to look at the same storage. None of these copies, except a reshape that no strides can express.

import { describe } from '../describe.ts';
import { AxisError, IndexError, ShapeError, shapeText } from '../errors.ts';
import {
  areDistinct,
  axisList,
  broadcastShapes,
  checkShape,
  fitShape,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  sameShape,
  sizeOf,
  wantSizes,
} from '../shape.ts';
import type { Range } from '../view.ts';
import { Carrier } from './carrier.ts';

/**
 * What to take from one axis: an index (the axis disappears), null (all of it), or [start, stop, step] with NumPy's meaning:
 * negative ends count from the back, missing ones (undefined or null) reach to the end, step may be negative.
 */
export type SliceSpec =
  | number
  | null
  | readonly [start?: number | null | undefined, stop?: number | null | undefined, step?: number | null | undefined];

/** A NumPy slice as a start, a step and a length within an axis of `size` elements. */
function resolveRange(spec: Exclude<SliceSpec, number>, size: number): Range {
  const [start, stop, stride] = spec ?? [];
  const step = stride ?? 1;
  if (!Number.isInteger(step) || step === 0) {
    throw new IndexError(`slice: step must be a nonzero integer, found ${step}`, { step });
  }
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const end = (value: number | null | undefined, missing: number) => {
    if (value === undefined || value === null) return missing;
    if (!Number.isInteger(value)) throw new IndexError(`slice: ${value} is not an integer`, { value });
    return Math.min(high, Math.max(low, value < 0 ? value + size : value));
  };
  const from = end(start, step > 0 ? low : high);
  const to = end(stop, step > 0 ? high : low);
  return { start: from, step, length: Math.max(0, Math.ceil((to - from) / step)) };
}

export abstract class ViewOps<Self extends ViewOps<Self>> extends Carrier<Self> {
  /**
   * The same elements in row-major order under another shape; one size may be -1, to be worked out.
   * @throws ShapeError if the sizes do not multiply to this tensor's.
   */
  reshape(shape: Shape): Self {
    const full = fitShape('reshape', this.shape, shape);
    return sameShape(full, this.shape) ? this.self : this.apply('reshape', { shape: full }, [this.self]);
  }

  /** Axes `start` to `end` (inclusive) merged into one. */
  flatten(start = 0, end = -1): Self {
    if (this.rank === 0) return this.reshape([1]);
    const from = normalizeAxis('flatten', start, this.rank);
    const to = normalizeAxis('flatten', end, this.rank);
    if (to < from) throw new AxisError(`flatten: axis ${start} comes after axis ${end}`, { start, end });
    const merged = sizeOf(this.shape.slice(from, to + 1));
    return this.reshape([...this.shape.slice(0, from), merged, ...this.shape.slice(to + 1)]);
  }

  /**
   * The axes in another order: axis i of the result is axis `axes[i]` of this.
   * @throws AxisError unless every axis is named once.
   */
  permute(axes: readonly number[]): Self {
    const order = axisList('permute', axes).map((a) => normalizeAxis('permute', a, this.rank));
    if (order.length !== this.rank || !areDistinct(order)) {
      throw new AxisError(`permute: [${axes}] must name each of the ${this.rank} axes once`, { axes, rank: this.rank });
    }
    return this.apply('permute', { axes: order }, [this.self]);
  }

  /**
   * Axes moved to other places, the others keeping their order: `x.moveAxis(0, -1)` puts the first axis last.
   * @throws AxisError if an axis is named twice, or there are not as many sources as destinations.
   */
  moveAxis(source: number | readonly number[], destination: number | readonly number[]): Self {
    const [from, to] = [source, destination].map((axes) =>
      axisList('moveAxis', axes).map((a) => normalizeAxis('moveAxis', a, this.rank)),
    ) as [number[], number[]];
    if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
      throw new AxisError(
        `moveAxis: [${source}] cannot move to [${destination}]: needs as many places as axes, none twice`,
        {
          source,
          destination,
          rank: this.rank,
        },
      );
    }
    const rest = this.shape.map((_, i) => i).filter((a) => !from.includes(a));
    return this.permute(this.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!)));
  }

  /** Two axes swapped; by default the last two (a matrix transpose). @throws AxisError */
  transpose(a = -2, b = -1): Self {
    const axes = this.shape.map((_, i) => i);
    const i = normalizeAxis('transpose', a, this.rank);
    const j = normalizeAxis('transpose', b, this.rank);
    axes[i] = j;
    axes[j] = i;
    return this.apply('permute', { axes }, [this.self]);
  }

  /** Without its size-1 axes, or without the given ones. @throws ShapeError if a given axis has another size. */
  squeeze(axes?: number | readonly number[]): Self {
    const drop = normalizeAxes('squeeze', axes, this.rank).filter((a) => axes !== undefined || this.shape[a] === 1);
    for (const a of drop) {
      if (this.shape[a] !== 1) {
        throw new ShapeError(`squeeze: axis ${a} of ${shapeText(this.shape)} has size ${this.shape[a]}, not 1`, {
          shape: this.shape,
          axis: a,
        });
      }
    }
    return this.reshape(this.shape.filter((_, i) => !drop.includes(i)));
  }

  /** With a new axis of size 1 at `axis` of the result. @throws AxisError */
  unsqueeze(axis: number): Self {
    const at = normalizeAxis('unsqueeze', axis, this.rank + 1);
    return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
  }

  /**
   * Repeated along size-1 and new leading axes to `shape`, where -1 keeps an axis as it is.
   * @throws ShapeError if the shape is not one that this broadcasts to.
   */
  expand(shape: Shape): Self {
    wantSizes('expand', 'a shape', shape);
    const lead = shape.length - this.rank;
    const full = shape.map((d, i) => (d === -1 && i >= lead ? this.shape[i - lead]! : d));
    checkShape('expand', full);
    if (!sameShape(broadcastShapes('expand', this.shape, full), full)) {
      throw new ShapeError(`expand: ${shapeText(this.shape)} cannot be expanded to ${shapeText(shape)}`, {
        from: this.shape,
        to: shape,
      });
    }
    return sameShape(full, this.shape) ? this.self : this.apply('expand', { shape: full }, [this.self]);
  }

  /**
   * Part of each axis, as NumPy's `x[1:3, ::-1, 0]`: `x.slice([1, 3], [null, null, -1], 0)`. Axes not mentioned stay whole.
   * @throws IndexError for an index outside its axis or a step of 0.
   */
  slice(...specs: SliceSpec[]): Self {
    if (specs.length > this.rank) {
      throw new IndexError(`slice: ${specs.length} slices for the ${this.rank} axes of ${shapeText(this.shape)}`, {
        shape: this.shape,
      });
    }
    const dropped: number[] = [];
    const ranges = this.shape.map((size, axis): Range => {
      const spec = specs[axis] ?? null;
      if (typeof spec !== 'number') {
        if (spec === null || Array.isArray(spec)) return resolveRange(spec as Exclude<SliceSpec, number>, size);
        const rule = `an axis takes an index, null or [start, stop, step]; found ${describe(spec)} for axis ${axis}`;
        throw new IndexError(`slice: ${rule}; did you mean take?`, { spec, axis });
      }
      if (!Number.isInteger(spec) || spec < -size || spec >= size) {
        throw new IndexError(`slice: index ${spec} is out of range for axis ${axis} of ${shapeText(this.shape)}`, {
          index: spec,
          shape: this.shape,
          axis,
        });
      }
      dropped.push(axis);
      return { start: spec < 0 ? spec + size : spec, step: 1, length: 1 };
    });
    const part = this.apply('slice', { ranges }, [this.self]);
    return dropped.length === 0 ? part : part.squeeze(dropped);
  }

  /** Reversed along the given axes (all by default). @throws AxisError */
  flip(axes?: number | readonly number[]): Self {
    const reversed = normalizeAxes('flip', axes, this.rank);
    return this.slice(...this.shape.map((_, i): SliceSpec => (reversed.includes(i) ? [null, null, -1] : null)));
  }

  /** Equal parts along an axis, `parts` of them, or parts of the sizes given. @throws ShapeError if they do not fill it. */
  split(parts: number | readonly number[], axis = 0): Self[] {
    const at = normalizeAxis('split', axis, this.rank);
    const size = this.shape[at]!;
    const isSize = (d: number) => Number.isInteger(d) && d >= 0;
    const fits =
      typeof parts === 'number' ? isSize(size / parts) && isSize(parts) : Array.isArray(parts) && parts.every(isSize);
    const sizes = typeof parts !== 'number' ? parts : fits ? new Array<number>(parts).fill(size / parts) : [];
    if (!fits || sizes.reduce((a, b) => a + b, 0) !== size) {
      const sized = Array.isArray(parts) ? shapeText(parts) : describe(parts);
      const into = typeof parts === 'number' ? `${parts} equal parts` : `parts of ${sized}`;
      throw new ShapeError(`split: axis ${at} of ${shapeText(this.shape)} does not split into ${into}`, {
        shape: this.shape,
        parts,
      });
    }
    let start = 0;
    return sizes.map((d) => {
      const spec: SliceSpec[] = this.shape.map((_, i) => (i === at ? [start, start + d] : null));
      start += d;
      return this.slice(...spec);
    });
  }

  /**
   * At most `chunks` parts along an axis, all of one length but the last, which may be shorter: with ceil(size / chunks) to each,
   * there may be fewer.
   * @throws ShapeError unless `chunks` is a positive integer.
   */
  chunk(chunks: number, axis = 0): Self[] {
    const size = this.shape[normalizeAxis('chunk', axis, this.rank)]!;
    if (!Number.isInteger(chunks) || chunks < 1) {
      throw new ShapeError(`chunk: the number of parts must be a positive integer, found ${chunks}`, { chunks });
    }
    const length = Math.max(1, Math.ceil(size / chunks));
    const count = Math.max(1, Math.ceil(size / length));
    return this.split(
      Array.from({ length: count }, (_, i) => Math.min(length, size - i * length)),
      axis,
    );
  }

  /** The slices along an axis, one for each of its indices, without that axis. @throws AxisError */
  unbind(axis = 0): Self[] {
    const at = normalizeAxis('unbind', axis, this.rank);
    const before = new Array<null>(at).fill(null);
    return Array.from({ length: this.shape[at]! }, (_, i) => this.slice(...before, i));
  }
}
