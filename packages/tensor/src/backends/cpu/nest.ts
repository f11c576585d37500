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

/** Whether one stride of each operand, its step along the axes before, leads through this axis too. */
function merges(steps: readonly number[], views: readonly View[], axis: number, size: number): boolean {
  for (let i = 0; i < views.length; i++) if (steps[i] !== views[i]!.strides[axis]! * size) return false;
  return true;
}

/** The common walk over `shape` of operands that all have (at least) its axes. */
export function nestOf(shape: Shape, views: readonly View[]): Nest {
  const sizes: number[] = [];
  const strides: number[][] = views.map(() => []);
  const steps = new Array<number>(views.length).fill(0);
  let inner = 1;
  // `inner` and `steps` are the axis met last: one that cannot take in the next is an outer one.
  let isFirst = true;
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis]!;
    if (size === 1) continue;
    if (isFirst || !merges(steps, views, axis, size)) {
      if (!isFirst) {
        sizes.push(inner);
        for (let i = 0; i < steps.length; i++) strides[i]!.push(steps[i]!);
      }
      inner = 1;
      isFirst = false;
    }
    inner *= size;
    for (let i = 0; i < steps.length; i++) steps[i] = views[i]!.strides[axis]!;
  }
  return { sizes, strides, inner, steps, starts: views.map((v) => v.offset) };
}

/**
 * Calls `body` once for each inner loop, in row-major order of the outer axes, with the position at which each operand
 * starts it. The array is reused between calls.
 */
export function walk(nest: Nest, body: (at: readonly number[]) => void): void {
  const { sizes, strides } = nest;
  if (nest.inner === 0 || sizes.includes(0)) return;
  if (sizes.length === 0) {
    body(nest.starts);
    return;
  }
  const at = [...nest.starts];
  const outer = sizes.length - 1;
  // The last axis of all has a loop of its own: most steps are along it.
  const rows = sizes[outer]!;
  const steps = strides.map((s) => s[outer]!);
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
