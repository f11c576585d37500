// The way from a reduction to the kernels of fold.ts, which fold rows or columns of a matrix: the folded axes are to lie side by side, or in runs
// with the same distance. Else a copy is made in which they do.

import type { Operand } from '../../backend.ts';
import type { Reduce, Spec } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import type { Storage } from '../../storage.ts';
import { isContiguous, permuteView } from '../../view.ts';
import { compileFold, type FoldKernel, SUM_COLUMNS_SCRATCH } from './fold.ts';
import { LANES, SHORT_ROW } from './fold-loops.ts';
import type { Heap } from './heap.ts';
import { nestOf } from './nest.ts';
import type { Patience } from './patience.ts';
import type { Strided } from './strided.ts';
import { type Call, elementsInParts, isShort, RUN, threadsForElements } from './threads.ts';

/** Elements that its loop adds up in the time that others take for one: they write none of them. */
const PER_ELEMENT = 4;

export class Folds {
  readonly #heap: Heap;
  readonly #strided: Strided;
  readonly #patience: Patience;
  #kernels: FoldKernel | null | undefined = null;

  constructor(heap: Heap, strided: Strided, patience: Patience) {
    this.#heap = heap;
    this.#strided = strided;
    this.#patience = patience;
  }

  /** See Vectors. */
  reduce(op: Reduce, axes: readonly number[], x: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#compiled(x);
    if (kernels === undefined || out.dtype !== 'float32' || x.storage.address < 0) return false;
    // [before, folded, behind]: the folded axes lie side by side.
    const { shape } = x;
    const first = axes[0] ?? shape.length;
    const last = first + axes.length;
    let together = isContiguous(x);
    for (let i = 0; i < axes.length; i++) if (axes[i] !== first + i) together = false;
    if (!together) {
      if (op === 'sum' && this.#sumRuns(kernels, axes, x, result)) return true;
      return this.#strided.gathered(axes, x, (y, side) => this.reduce(op, side, y, out, result));
    }
    let before = 1;
    let folded = 1;
    let behind = 1;
    for (let i = 0; i < shape.length; i++) {
      if (i < first) before *= shape[i]!;
      else if (i < last) folded *= shape[i]!;
      else behind *= shape[i]!;
    }
    const from = x.storage.address + 4 * x.offset;
    const to = result.address;
    const size = before * folded * behind;
    if (behind === 1) {
      const kernel = kernels[`${op}Rows`];
      if (isShort(this.#heap.memory, size)) kernel(before, folded, from, 4 * folded, to);
      else {
        elementsInParts(this.#heap.memory, size, before, folded < RUN ? RUN : 1, (call, row, rows) =>
          call(kernel, rows, folded, from + 4 * folded * row, 4 * folded, to + 4 * row),
        );
      }
      return true;
    }
    const tables =
      op === 'sum' ? this.#heap.reserve(threadsForElements(this.#heap.memory, size) * SUM_COLUMNS_SCRATCH) : 0;
    if (tables === undefined) return false;
    if (op === 'sum' && before === 1 && isShort(this.#heap.memory, size)) {
      kernels.sumColumns(folded, behind, from, 4 * behind, to, tables);
      return true;
    }

    const extremes = op === 'sum' ? null : kernels[`${op}Columns`];
    const fold = (call: Call, i: number, column: number, columns: number, thread: number): void => {
      const [source, target] = [from + 4 * (i * folded * behind + column), to + 4 * (i * behind + column)];
      if (extremes !== null) call(extremes, folded, columns, source, 4 * behind, target);
      else call(kernels.sumColumns, folded, columns, source, 4 * behind, target, tables + thread * SUM_COLUMNS_SCRATCH);
    };
    if (before === 1) {
      elementsInParts(this.#heap.memory, size, behind, RUN / 4, (call, column, columns, thread) =>
        fold(call, 0, column, columns, thread),
      );
    } else {
      elementsInParts(this.#heap.memory, size, before, 1, (call, start, count, thread) => {
        for (let i = start; i < start + count; i++) fold(call, i, 0, behind, thread);
      });
    }
    return true;
  }

  /** The sum of rows that are runs of whole lanes: of each channel of [n, channels, ...], say. False if they are not, or not evenly apart. */
  #sumRuns(kernels: FoldKernel, axes: readonly number[], x: Operand, result: Storage): boolean {
    const kept: number[] = [];
    for (let i = 0; i < x.shape.length; i++) if (!axes.includes(i)) kept.push(i);
    const [outer, inner] = [permuteView(x, kept), permuteView(x, axes)];
    const rows = nestOf(outer.shape, [outer]);
    const row = nestOf(inner.shape, [inner]);
    const runs = row.sizes[0] ?? 1;
    const n = row.inner;
    if (rows.sizes.length > 0 || row.sizes.length > 1 || row.steps[0] !== 1) return false;
    if (n % LANES !== 0 || runs * n < SHORT_ROW) return false;
    const from = x.storage.address + 4 * x.offset;
    const rowStep = 4 * rows.steps[0]!;
    const runStep = row.sizes.length === 0 ? 0 : 4 * row.strides[0]![0]!;
    elementsInParts(this.#heap.memory, runs * n * result.length, result.length, 1, (call, first, count) =>
      call(kernels.sumRuns, count, n, from + rowStep * first, rowStep, result.address + 4 * first, runs, runStep),
    );
    return true;
  }

  #compiled({ shape }: Operand): FoldKernel | undefined {
    if (this.#patience.lasts(sizeOf(shape) / PER_ELEMENT)) return undefined;
    if (this.#kernels === null) this.#kernels = compileFold(this.#heap.memory);
    return this.#kernels;
  }
}
