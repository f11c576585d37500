// The way to the kernels of strided-kernel.ts: views are merged to as few axes as they have together (nest.ts), and those beyond a row are laid
// out as a table. Threads share the first of them, each with a table of its own.

import type { Operand } from '../../backend.ts';
import { bytesOf } from '../../dtype.ts';
import { sizeOf } from '../../shape.ts';
import type { Storage } from '../../storage.ts';
import { contiguousView, isContiguous, permuteView, type View, type Window, windowView } from '../../view.ts';
import type { Heap } from './heap.ts';
import { type Nest, nestOf, walk } from './nest.ts';
import {
  type AddWindowsKernel,
  AXIS,
  type CopyKernel,
  compileAddWindows,
  compileCopy,
  type WalkArguments,
} from './strided-kernel.ts';
import { inParts, threadsFor } from './threads.ts';
import { compileTranspose, type Transpose } from './transpose.ts';

/** The most axes of a table, and its bytes: something is read behind the last. */
const AXES = 15;
const TABLE = AXIS * (AXES + 1);
/** Of fewer elements the loops are done before a table is laid. */
const FEW = 64;
/** Of more it is not worth a copy: memory would be filled, by what only repeats a few elements at that. */
const MANY = 2 ** 22;
/** Rows of so many elements are folded one onto another as well as any longer ones. */
const LONG = 64;
/** The most elements of a plane that are summed at once: they should stay in cache. */
const PLANE = 2 ** 20;
/** About what a word takes to be copied, and an element of a window to be added. */
const COPY_NANOSECONDS = 0.4;
const ADD_NANOSECONDS = 0.6;

export class Strided {
  readonly #heap: Heap;
  #copy: CopyKernel | null | undefined = null;
  #addWindows: AddWindowsKernel | null | undefined = null;
  readonly #transpose: { float32?: Transpose | undefined; float64?: Transpose | undefined } = {};

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** Copies x to where `to` looks in the heap; false if that is not for the kernel. */
  copy(x: Operand, to: View, target: Storage): boolean {
    const from = x.storage;
    const size = sizeOf(x.shape);
    const bytes = bytesOf(x.dtype);
    if (size < FEW || bytes < 4 || from.address < 0 || target.address < 0) return false;
    const elements = nestOf(x.shape, [x, to]);
    // (What is all of its storage has nothing behind it that may not be written over.)
    if (isContiguous(to) && size === target.length && this.#turn(elements, bytes, from, target)) return true;
    const nest = bytes === 4 ? elements : nestOf([...x.shape, 2], [inWords(x), inWords(to)]);
    if (nest.sizes.length > AXES + 1) return false;
    if (this.#copy === null) this.#copy = compileCopy(this.#heap.memory);
    const copy = this.#copy;
    if (copy === undefined) return false;
    const { memory } = this.#heap;
    const nanoseconds = COPY_NANOSECONDS * size;
    const tables = this.#heap.reserve(TABLE * threadsFor(memory, nanoseconds));
    if (tables === undefined) return false;
    const [x0, out0] = [from.address + 4 * nest.starts[0]!, target.address + 4 * nest.starts[1]!];
    const [xStep, outStep] = firstSteps(nest);
    inParts(memory, nanoseconds, nest.sizes[0] ?? nest.inner, 1, (call, first, count, thread) => {
      const walked = this.#lay(nest, count, 4, tables + TABLE * thread);
      call(copy, ...walked, x0 + 4 * xStep * first, out0 + 4 * outStep * first);
    });
    return true;
  }

  /**
   * Calls `run` with copies in place of some operands, those whose elements do not lie as they should, and gives what it gives; false if
   * there is none.
   */
  densely(
    operands: readonly Operand[],
    isMeant: (x: View) => boolean,
    run: (operands: readonly Operand[]) => boolean,
  ): boolean {
    const copies: Storage[] = [];
    const dense = operands.map((x) => {
      const copy = isMeant(x) ? this.#dense(x) : null;
      if (copy !== null) copies.push(copy.storage);
      return copy ?? x;
    });
    const done = copies.length > 0 && run(dense);
    for (const storage of copies) storage.release();
    return done;
  }

  /**
   * Calls `run` with a copy of x in which these axes lie side by side, and with their numbers there, and gives what it gives. The others keep
   * their order.
   */
  gathered(axes: readonly number[], x: Operand, run: (copy: Operand, axes: readonly number[]) => boolean): boolean {
    const others: number[] = [];
    for (let i = 0; i < x.shape.length; i++) if (!axes.includes(i)) others.push(i);
    const order = gatheringOrder(x, axes, others);
    const copy = this.#dense({ ...x, ...permuteView(x, order) });
    if (copy === null) return false;
    const done = run(
      copy,
      axes.map((axis) => order.indexOf(axis)),
    );
    copy.storage.release();
    return done;
  }

  /**
   * Calls `run` with x and a storage for a result of its shape, both with this axis as the last, and copies what it has put there to where it
   * belongs. False if `run` gives false, or the copy is not for the kernel.
   */
  turned(axis: number, x: Operand, result: Storage, run: (x: Operand, result: Storage) => boolean): boolean {
    const order = x.shape.map((_, i) => i).toSpliced(axis, 1);
    order.push(axis);
    const source = { ...x, ...permuteView(x, order) };
    const target = this.#heap.storage(x.dtype, result.length);
    if (target === null) return false;
    const back = permuteView(
      contiguousView(source.shape),
      order.map((_, i) => order.indexOf(i)),
    );
    const done =
      run(source, target) && this.copy({ ...back, dtype: x.dtype, storage: target }, contiguousView(x.shape), result);
    target.release();
    return done;
  }

  /**
   * Adds up the windows x, on the last axes of `result`, which has this shape. In the order of the loops: element by element of a window, for
   * all windows at once.
   */
  fold(x: Operand, windows: readonly Window[], shape: readonly number[], result: Storage): boolean {
    const rank = shape.length;
    const lead = rank - windows.length;
    if (x.dtype !== 'float32' || x.storage.address < 0 || windows.some((w) => w.axis < lead)) return false;
    const plane = shape.slice(lead);
    const size = sizeOf(plane);
    const elements = sizeOf(x.shape);
    if (elements < FEW || size > PLANE) return false;
    const leading = shape.slice(0, lead);
    const planes = nestOf(leading, [{ ...x, shape: leading }]);
    const inPlane = windowView(
      contiguousView(plane),
      windows.map((w) => ({ ...w, axis: w.axis - lead })),
    );
    const axes = plane.map((_, i) => i);
    const order = [...windows.map((_, i) => plane.length + i), ...axes];
    const inX = { shape: x.shape.slice(lead), strides: x.strides.slice(lead), offset: 0 };
    const nest = nestOf(
      order.map((i) => inPlane.shape[i]!),
      [permuteView(inX, order), permuteView(inPlane, order)],
    );
    if (nest.sizes.length > AXES + 1) return false;
    if (this.#addWindows === null) this.#addWindows = compileAddWindows(this.#heap.memory);
    const addWindows = this.#addWindows;
    if (addWindows === undefined) return false;
    const { memory } = this.#heap;
    const nanoseconds = ADD_NANOSECONDS * elements;
    const bytes = TABLE + 64 * Math.ceil(size / 8);
    const tables = this.#heap.reserve(bytes * threadsFor(memory, nanoseconds));
    if (tables === undefined) return false;
    const step = planes.steps[0]!;
    const { inner } = planes;
    inParts(memory, nanoseconds, sizeOf(leading), 1, (call, first, count, thread) => {
      const table = tables + bytes * thread;
      const walked = this.#lay(nest, nest.sizes[0] ?? nest.inner, 8, table);
      let begin = 0;
      // Planes [begin, begin + inner) lie `step` apart.
      walk(planes, (at) => {
        const [from, end] = [Math.max(begin, first), Math.min(begin + inner, first + count)];
        if (from < end) {
          const start = x.storage.address + 4 * (at[0]! + step * (from - begin));
          const to = result.address + 4 * size * from;
          call(addWindows, ...walked, end - from, start, 4 * step, table + TABLE, size, to);
        }
        begin += inner;
      });
    });
    return true;
  }

  /** The kernel of transpose.ts, where the engine has it. */
  transpose(dtype: 'float32' | 'float64'): Transpose | undefined {
    if (!(dtype in this.#transpose)) this.#transpose[dtype] = compileTranspose(this.#heap.memory, dtype);
    return this.#transpose[dtype];
  }

  /** A copy of matrices whose columns lie side by side: one after another, as each is written a little beyond its end. */
  #turn({ sizes, strides, inner, steps, starts }: Nest, bytes: number, from: Storage, target: Storage): boolean {
    const last = sizes.length - 1;
    if (last < 0 || steps[0] === 1 || strides[0]![last] !== 1 || steps[1] !== 1) return false;
    const columns = sizes[last]!;
    if (columns * inner < FEW) return false;
    const transpose = this.transpose(bytes === 4 ? 'float32' : 'float64');
    if (transpose === undefined) return false;
    const matrices: Nest = {
      sizes: sizes.slice(0, Math.max(0, last - 1)),
      strides: strides.map((s) => s.slice(0, Math.max(0, last - 1))),
      inner: last === 0 ? 1 : sizes[last - 1]!,
      steps: last === 0 ? [0, 0] : strides.map((s) => s[last - 1]!),
      starts,
    };
    const [xRow, outRow] = [bytes * steps[0]!, bytes * strides[1]![last]!];
    const [xStep, outStep] = [bytes * matrices.steps[0]!, bytes * matrices.steps[1]!];
    walk(matrices, ([x0, out0]) => {
      const [x, out] = [from.address + bytes * x0!, target.address + bytes * out0!];
      for (let i = 0; i < matrices.inner; i++) {
        transpose(inner, columns, x + xStep * i, xRow, out + outStep * i, outRow);
      }
    });
    return true;
  }

  /** The elements of x side by side, in a storage that the caller releases; null if it is not for the kernel. */
  #dense(x: Operand): Operand | null {
    const { dtype, shape, storage } = x;
    const size = sizeOf(shape);
    if (size < FEW || size > MANY || storage.address < 0) return null;
    const target = this.#heap.storage(dtype, size);
    if (target === null) return null;
    const dense = { ...contiguousView(shape), dtype, storage: target };
    if (this.copy(x, dense, target)) return dense;
    target.release();
    return null;
  }

  /** The walk over a nest of two views whose first axis has `count` elements: the second view's elements have `outBytes`. Writes its table. */
  #lay({ sizes, strides, inner, steps }: Nest, count: number, outBytes: number, table: number): WalkArguments {
    const [xs, outs] = strides as [readonly number[], readonly number[]];
    const [step, outStep] = [4 * steps[0]!, outBytes * steps[1]!];
    const last = sizes.length - 1;
    if (last < 0) return [count, step, outStep, 1, 0, 0, table, table];
    const words = this.#heap.elements('int32');
    let [x, out] = [0, 0];
    let at = table >> 2;
    for (let axis = last - 1; axis >= 0; axis--, at += 4) {
      const length = axis === 0 ? count : sizes[axis]!;
      words[at] = length;
      words[at + 1] = length;
      words[at + 2] = 4 * xs[axis]! - x;
      words[at + 3] = outBytes * outs[axis]! - out;
      x += 4 * xs[axis]! * (length - 1);
      out += outBytes * outs[axis]! * (length - 1);
    }
    const rows = last === 0 ? count : sizes[last]!;
    return [inner, step, outStep, rows, 4 * xs[last]!, outBytes * outs[last]!, table, at << 2];
  }
}

/**
 * All axes, some of them side by side: as they are if they are so, before rows long enough; else the last or the first, whichever leaves
 * the longer runs in memory.
 */
function gatheringOrder(x: View, axes: readonly number[], others: readonly number[]): readonly number[] {
  const first = axes[0] ?? 0;
  const behind = sizeOf(x.shape.slice(first + axes.length));
  if (behind >= LONG && axes.every((axis, i) => axis === first + i)) return x.shape.map((_, i) => i);
  const areFirst = runOf(permuteView(x, others)) > runOf(permuteView(x, axes));
  return areFirst ? [...axes, ...others] : [...others, ...axes];
}

/** How many elements lie side by side at the end of a view. */
function runOf(view: View): number {
  const { inner, steps } = nestOf(view.shape, [view]);
  return steps[0] === 1 ? inner : 1;
}

/** A view of float64 as one of words. */
function inWords({ shape, strides, offset }: View): View {
  return { shape: [...shape, 2], strides: [...strides.map((s) => 2 * s), 1], offset: 2 * offset };
}

/** How far the views move along the first axis of their nest. */
function firstSteps({ sizes, strides, steps }: Nest): readonly number[] {
  return sizes.length === 0 ? steps : strides.map((s) => s[0]!);
}
