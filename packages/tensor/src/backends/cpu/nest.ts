// Walking several strided operands together. Neighbouring axes that every operand walks with one stride merge, so
// contiguous tensors of any rank become one flat loop; the innermost axis is left to the kernel's own loop, the rest is an
// odometer that adds strides. (The idea of NumPy's nditer: coalesce axes, then hand inner loops to the op.)

import type { Shape } from '../../shape.ts';
import type { View } from '../../view.ts';

export interface Nest {
  /** Sizes of the outer axes, and each operand's strides along them. */
  readonly sizes: readonly number[];
  readonly strides: readonly (readonly number[])[];
  /** Length of the inner loop, and each operand's step in it. */
  readonly inner: number;
  readonly steps: readonly number[];
  /** Where each operand starts. */
  readonly starts: readonly number[];
}

/** The common walk over `shape` of operands that all have (at least) its axes. */
export function nestOf(shape: Shape, views: readonly View[]): Nest {
  const sizes: number[] = [];
  const strides: number[][] = views.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const merges = last >= 0 && views.every((v, i) => strides[i]![last] === v.strides[axis]! * size);
    if (merges) sizes[last]! *= size;
    else sizes.push(size);
    views.forEach((v, i) => {
      if (merges) strides[i]![last] = v.strides[axis]!;
      else strides[i]!.push(v.strides[axis]!);
    });
  });
  const inner = sizes.pop() ?? 1;
  const steps = strides.map((s) => s.pop() ?? 0);
  return { sizes, strides, inner, steps, starts: views.map((v) => v.offset) };
}

/**
 * Calls `body` once for each inner loop, in row-major order of the outer axes, with the position at which each operand
 * starts it. The array is reused between calls.
 */
export function walk(nest: Nest, body: (at: readonly number[]) => void): void {
  const { sizes, strides } = nest;
  if (nest.inner === 0 || sizes.includes(0)) return;
  const at = [...nest.starts];
  const outer = sizes.length - 1;
  // The last axis of all has a loop of its own: most steps are along it.
  const rows = outer < 0 ? 1 : sizes[outer]!;
  const steps = strides.map((s) => s[outer] ?? 0);
  const index = new Array<number>(sizes.length).fill(0);
  for (;;) {
    for (let r = 0; r < rows; r++) {
      body(at);
      for (let k = 0; k < at.length; k++) at[k]! += steps[k]!;
    }
    for (let k = 0; k < at.length; k++) at[k]! -= steps[k]! * rows;
    let axis = outer - 1;
    for (; axis >= 0; axis--) {
      for (let k = 0; k < at.length; k++) at[k]! += strides[k]![axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      for (let k = 0; k < at.length; k++) at[k]! -= strides[k]![axis]! * sizes[axis]!;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}
