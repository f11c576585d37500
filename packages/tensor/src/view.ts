// A view is how a tensor looks at its storage: element (i0, i1, ...) lives at offset + sum(i_k * stride_k).
// Reshape, permute, slice, expand and window only make a new view, so they copy nothing (NumPy's ndarray model).
// A stride of 0 repeats (broadcasting); a negative stride walks backwards (slices with a negative step).

import { contiguousStrides, type Shape, sizeOf } from './shape.ts';

export interface View {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** A slice of one axis: `length` elements from `start`, `step` apart (step may be negative, never 0). */
export interface Range {
  readonly start: number;
  readonly step: number;
  readonly length: number;
}

/** Windows along one axis: the i-th holds `size` elements, from i * stride on and `dilation` apart. */
export interface Window {
  readonly axis: number;
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
}

export function contiguousView(shape: Shape): View {
  return { shape, strides: contiguousStrides(shape), offset: 0 };
}

/** True if walking the view in row-major order walks its storage one element at a time. */
export function isContiguous({ shape, strides }: View): boolean {
  let inOrder = true;
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const d = shape[i]!;
    if (d === 0) return true;
    if (d !== 1) {
      if (strides[i] !== step) inOrder = false;
      step *= d;
    }
  }
  return inOrder;
}

export function permuteView(view: View, axes: readonly number[]): View {
  const { shape, strides, offset } = view;
  return { shape: axes.map((a) => shape[a]!), strides: axes.map((a) => strides[a]!), offset };
}

export function sliceView(view: View, ranges: readonly Range[]): View {
  let offset = view.offset;
  ranges.forEach((r, i) => {
    if (r.length > 0) offset += r.start * view.strides[i]!;
  });
  // Of one element nothing is read by its step, which may be any number: a walk would lose digits in it.
  const strides = ranges.map((r, i) => (r.length > 1 ? r.step : 1) * view.strides[i]!);
  return { shape: ranges.map((r) => r.length), strides, offset };
}

/** How many elements a window spans, from its first to its last. */
export function windowReach({ size, dilation }: Pick<Window, 'size' | 'dilation'>): number {
  return dilation * (size - 1) + 1;
}

/** The shape of a windowed view: on each windowed axis the number of windows that fit, and a last axis for what is in them. */
export function windowShape(shape: Shape, windows: readonly Window[]): number[] {
  const counts = [...shape];
  for (const w of windows) counts[w.axis] = Math.max(0, Math.floor((shape[w.axis]! - windowReach(w)) / w.stride) + 1);
  return [...counts, ...windows.map((w) => w.size)];
}

/** Overlapping windows need no copies: the window moves by one stride, within it one moves by another. */
export function windowView(view: View, windows: readonly Window[]): View {
  const shape = windowShape(view.shape, windows);
  const strides = [...view.strides];
  // One window alone, and an element alone in its window, are read by no step, as in slices.
  for (const w of windows) if (shape[w.axis]! > 1) strides[w.axis]! *= w.stride;
  for (const w of windows) strides.push(view.strides[w.axis]! * (w.size > 1 ? w.dilation : 1));
  return { shape, strides, offset: view.offset };
}

/** Repeats size-1 and missing leading axes by stride 0. The caller has checked that the shapes broadcast. */
export function expandView(view: View, shape: Shape): View {
  const lead = shape.length - view.shape.length;
  const strides = shape.map((d, i) => (i < lead || view.shape[i - lead] !== d ? 0 : view.strides[i - lead]!));
  return { shape, strides, offset: view.offset };
}

/**
 * The same elements under another shape, or null where no strides can say it and the data must be copied.
 * Runs of axes that lie contiguously in storage merge into one; the new axes must split those runs.
 */
export function reshapeView(view: View, shape: Shape): View | null {
  if (isContiguous(view)) return { shape, strides: contiguousStrides(shape), offset: view.offset };
  const runs = mergeAxes(view);
  const strides = new Array<number>(shape.length).fill(0);
  let axis = shape.length - 1;
  for (let r = runs.length - 1; r >= 0; r--) {
    const run = runs[r]!;
    let left = run.size;
    let stride = run.stride;
    while (axis >= 0 && left % shape[axis]! === 0 && (left > 1 || shape[axis] === 1)) {
      strides[axis] = stride;
      stride *= shape[axis]!;
      left /= shape[axis]!;
      axis--;
    }
    if (left !== 1) return null;
  }
  // What is left at the front can only be size-1 axes.
  return { shape, strides, offset: view.offset };
}

/** The view's axes with neighbours merged wherever one stride describes both; size-1 axes vanish. */
function mergeAxes({ shape, strides }: View): { size: number; stride: number }[] {
  const runs: { size: number; stride: number }[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const last = runs.at(-1);
    if (last && last.stride === strides[i]! * size) {
      last.size *= size;
      last.stride = strides[i]!;
    } else runs.push({ size, stride: strides[i]! });
  });
  return runs;
}

/** Storage positions of the view's elements in row-major order. The plain walk: one odometer, one addition a step. */
export function* positions({ shape, strides, offset }: View): Generator<number> {
  const rank = shape.length;
  const index = new Array<number>(rank).fill(0);
  let position = offset;
  for (let left = sizeOf(shape); left > 0; left--) {
    yield position;
    for (let axis = rank - 1; axis >= 0; axis--) {
      position += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      position -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}
