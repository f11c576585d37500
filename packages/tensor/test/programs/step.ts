// What a step of a random program is, and the steps that only move elements.

import { concat, type SliceSpec, stack, type Tensor, tensor } from '../../src/index.ts';
import { sizeOf } from '../../src/shape.ts';
import { broadcast } from '../support/model.ts';

/** A tensor on both devices, and how far apart the two may be. */
export interface Value {
  readonly cpu: Tensor;
  readonly reference: Tensor;
  readonly apart: number;
}
/** Chooses one of n. All entropy of a program comes through this, so that it shrinks well. */
export type Pick = (n: number) => number;
/** What an op does to its operands, and to the distance of their two versions (which grows by rounding, if it rounds). */
export interface Step {
  readonly operands: readonly Value[];
  readonly run: (...tensors: Tensor[]) => Tensor;
  readonly apart: number;
}
export type Maker = (x: Value, pick: Pick, others: readonly Value[]) => Step;

export const shapeOf = (v: Value) => v.cpu.shape;
export const fits = (x: Value) => (y: Value) => broadcast(shapeOf(x), shapeOf(y)) !== null;
export const choose = <T>(from: readonly T[], pick: Pick): T => from[pick(from.length)]!;
export const axisOf = (x: Value, pick: Pick) => pick(x.cpu.rank);
export const axesOf = (x: Value, pick: Pick) => shapeOf(x).flatMap((_, i) => (pick(2) === 0 ? [i] : []));

// --- Steps for any dtype: they only move elements, and keep the distance that these have -------------------------------

const moves =
  (run: (x: Value, pick: Pick) => (t: Tensor) => Tensor): Maker =>
  (x, pick) => ({
    operands: [x],
    run: run(x, pick),
    apart: x.apart,
  });

/** All elements in a line, and the windows of two along it added up again: all but the first and last come twice. */
export const overlapped = (t: Tensor): Tensor =>
  t.size < 2 ? t : t.reshape([1, 1, -1]).unfold(2).fold([t.size], 2).reshape([-1]);

/** An int32 index into an axis: the same on both devices. */
export const indices = (x: Value, axis: number, pick: Pick, shape: readonly number[]) => {
  const values = Array.from({ length: sizeOf(shape) }, () => pick(shapeOf(x)[axis]!));
  return (t: Tensor) => tensor(Int32Array.from(values), { shape, device: t.device });
};

export const structural: Record<string, Maker> = {
  permute: moves((x, pick) => {
    const axes = [...shapeOf(x).keys()];
    for (let i = axes.length - 1; i > 0; i--) {
      const j = pick(i + 1);
      [axes[i], axes[j]] = [axes[j]!, axes[i]!];
    }
    return (t) => t.permute(axes);
  }),
  slice: moves((x, pick) => {
    const specs = shapeOf(x).map((d): SliceSpec => {
      if (d > 0 && pick(4) === 0) return pick(d);
      return pick(2) === 0
        ? [pick(d + 1), null, 1 + pick(2)]
        : [null, pick(2) === 0 ? null : pick(d + 1), -1 - pick(2)];
    });
    return (t) => t.slice(...specs);
  }),
  slidingWindows: moves((x, pick) => {
    const axes = shapeOf(x).flatMap((d, axis) => (d > 0 && pick(2) === 0 ? [axis] : []));
    const sizes = axes.map((axis) => 1 + pick(shapeOf(x)[axis]!));
    const stride = 1 + pick(2);
    return (t) => (t.rank > 2 ? t : t.slidingWindows(sizes, axes, { stride }));
  }),
  maxPool: moves((_, pick) => {
    const [stride, before] = [1 + pick(3), pick(2)];
    return (t) => (t.rank === 0 || t.size === 0 ? t : t.maxPool1d(2, { stride, padding: [[before, 1]] }));
  }),
  flip: moves((x, pick) => {
    const axes = axesOf(x, pick);
    return (t) => t.flip(axes);
  }),
  // No two sorted lines are further apart than the lines were.
  sort: moves((x, pick) => {
    if (x.cpu.rank === 0) return (t) => t;
    const axis = axisOf(x, pick);
    const descending = pick(2) === 0;
    return (t) => t.sort(axis, { descending });
  }),
  unsqueeze: moves((x, pick) => {
    const axis = pick(x.cpu.rank + 1);
    return (t) => (t.rank > 3 ? t.squeeze() : t.unsqueeze(axis));
  }),
  expand: moves((x, pick) => {
    const shape = [1 + pick(2), ...shapeOf(x).map((d) => (d === 1 ? 1 + pick(3) : d))];
    return (t) => (t.rank > 3 ? t : t.expand(shape));
  }),
  flatten: moves(() => (t) => t.reshape([-1])),
  pad: moves((x, pick) => {
    const widths = shapeOf(x).map(() => [pick(2), pick(2)] as const);
    return (t) => t.pad(widths, 1);
  }),
  indexSelect: moves((x, pick) => {
    if (x.cpu.size === 0 || x.cpu.rank === 0) return (t) => t;
    const axis = axisOf(x, pick);
    const index = indices(x, axis, pick, [1 + pick(4)]);
    return (t) => t.indexSelect(axis, index(t));
  }),
  gather: moves((x, pick) => {
    if (x.cpu.size === 0 || x.cpu.rank === 0) return (t) => t;
    const axis = axisOf(x, pick);
    const index = indices(x, axis, pick, shapeOf(x));
    return (t) => t.gather(axis, index(t));
  }),
  concat: (x, pick, others) => {
    const y = choose(
      others.filter((o) => String(shapeOf(o)) === String(shapeOf(x))),
      pick,
    );
    const axis = pick(Math.max(1, x.cpu.rank));
    const run = (a: Tensor, b: Tensor) => (a.rank === 0 ? stack([a, b]) : concat([a, b, a], axis));
    return { operands: [x, y], run, apart: Math.max(x.apart, y.apart) };
  },
  scatter: (x, pick, others) => {
    const y = choose(
      others.filter((o) => String(shapeOf(o)) === String(shapeOf(x)) && o.cpu.dtype === x.cpu.dtype),
      pick,
    );
    const apart = Math.max(x.apart, y.apart);
    if (x.cpu.size === 0 || x.cpu.rank === 0) return { operands: [x, y], run: (a) => a, apart };
    const axis = axisOf(x, pick);
    const index = indices(x, axis, pick, shapeOf(x));
    return { operands: [x, y], run: (a, b) => a.scatter(axis, index(a), b), apart };
  },
};
