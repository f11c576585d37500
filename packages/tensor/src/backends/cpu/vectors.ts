// The way from a primitive to the WebAssembly kernels over the heap. Each method here computes a primitive into `result`, which lies in the
// heap, or gives false if that is not for the kernels: another dtype, strides that they do not walk, operands that are not in the heap, so
// few elements so early that no kernel is built (patience.ts), no room for what is needed on the way. The caller then takes its loops, which give the same bits. What is large is
// shared by the threads of the heap's memory.

import type { Operand } from '../../backend.ts';
import { bytesOf } from '../../dtype.ts';
import type { Reduce, Softmax, Spec } from '../../primitives.ts';
import type { Lease, Storage } from '../../storage.ts';
import { contiguousView, isContiguous, positions, type View, type Window } from '../../view.ts';
import { compileElementwise, type ElementwiseKernel } from './elementwise.ts';
import { Folds } from './folds.ts';
import type { GemmEngine } from './gemm.ts';
import { type GemmKernel, NO_BIAS } from './gemm-kernel.ts';
import type { Heap } from './heap.ts';
import { Pair } from './pair.ts';
import type { Patience } from './patience.ts';
import { compileSoftmax, type SoftmaxKernel } from './softmax-kernel.ts';
import { Strided } from './strided.ts';
import { elementsInParts, inParts, isShort, RUN, threadsFor } from './threads.ts';

type UnaryOp = 'neg' | 'abs' | 'sqrt' | 'relu' | 'floor' | 'ceil' | 'trunc' | 'round';
type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'reluBackward';
type CompareOp = 'eq' | 'lt' | 'le';
type Binary = ElementwiseKernel[BinaryOp];

/** Operands outside of the heap of up to this many bytes are copied in: numbers, biases. */
const SMALL = 4096;

/** Planes of fewer elements, with an operand that can be copied, are walked faster as one row of a copy. */
const SMALL_PLANE = 128;

/** About what an exponential takes. */
const EXP_NANOSECONDS = 3;

export class Vectors {
  readonly #heap: Heap;
  readonly #engine: GemmEngine;
  /** Held, lest the collector take it for lost. */
  readonly #room: Lease;
  readonly #scratch: number;
  #elementwise: ElementwiseKernel | null | undefined = null;
  #softmax: SoftmaxKernel | null | undefined = null;
  #gemm: GemmKernel | null | undefined = null;
  readonly #strided: Strided;
  readonly #folds: Folds;
  readonly #pair = new Pair();
  readonly #patience: Patience;

  constructor(heap: Heap, engine: GemmEngine, room: Lease, patience: Patience) {
    this.#engine = engine;
    this.#heap = heap;
    this.#room = room;
    this.#scratch = this.#room.address;
    this.#strided = new Strided(heap);
    this.#patience = patience;
    this.#folds = new Folds(heap, this.#strided, patience);
  }

  /** The vectors over a heap that has room for them, and an engine whose workspace it is. */
  static over(heap: Heap | null, engine: GemmEngine, patience: Patience): Vectors | null {
    const room = heap?.take(3 * SMALL);
    return heap && room ? new Vectors(heap, engine, room, patience) : null;
  }

  unary(op: UnaryOp, x: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#elements(result.length);
    if (kernels === undefined) return false;
    const step = stepOf(x);
    if (step < 0) return this.#strided.densely([x], isScattered, ([y]) => this.unary(op, y!, out, result));
    let kernel: ElementwiseKernel[UnaryOp] | undefined;
    if (out.dtype === 'float32') kernel = kernels[op];
    else if (out.dtype === 'float64') kernel = kernels[`${op as 'neg'}64`];
    if (kernel === undefined) return false;
    const from = this.#addressOf(x, 0);
    if (from < 0) return false;
    if (step === 0) {
      kernel(1, from, result.address);
      result.data.fill(result.data[0]!);
      return true;
    }
    const run = kernel;
    const bytes = bytesOf(out.dtype);
    if (isShort(this.#heap.memory, result.length)) run(result.length, from, result.address);
    else {
      elementsInParts(this.#heap.memory, result.length, result.length, RUN, (call, start, n) =>
        call(run, n, from + bytes * start, result.address + bytes * start),
      );
    }
    return true;
  }

  binary(op: BinaryOp, a: Operand, b: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#elements(result.length);
    if (kernels === undefined) return false;
    if (out.dtype === 'float32') return this.#zip(kernels[op], 4, a, b, out, result);
    if (out.dtype === 'float64') return this.#zip(kernels[`${op}64`], 8, a, b, out, result);
    return false;
  }

  compare(op: CompareOp, a: Operand, b: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#elements(result.length);
    if (kernels === undefined || a.dtype !== 'float32') return false;
    return this.#zip(kernels[op], 4, a, b, out, result);
  }

  #zip(kernel: Binary, bytes: number, a: Operand, b: Operand, out: Spec, result: Storage): boolean {
    const pair = this.#pair;
    const walks = pair.take(out.shape, a.strides, b.strides);
    if (!walks || (pair.planes > 1 && pair.rows * pair.n < SMALL_PLANE)) {
      const again = ([x, y]: readonly Operand[]) => this.#zip(kernel, bytes, x!, y!, out, result);
      if (this.#strided.densely([a, b], isMoved, again)) return true;
      if (!walks) return this.#strided.densely([a, b], isScattered, again);
      if (!pair.take(out.shape, a.strides, b.strides)) return false;
    }
    const left = this.#addressOf(a, 0);
    if (left < 0) return false;
    const right = this.#addressOf(b, 1);
    if (right < 0) return false;
    const { planes, rows, n } = pair;
    const aPlane = bytes * pair.aPlane;
    const aRow = bytes * pair.aRow;
    const aStep = bytes * pair.aStep;
    const bPlane = bytes * pair.bPlane;
    const bRow = bytes * pair.bRow;
    const bStep = bytes * pair.bStep;
    const to = result.address;
    const outBytes = bytesOf(out.dtype);
    if (planes > 1) {
      const plane = rows * n;
      elementsInParts(this.#heap.memory, planes * plane, planes, 1, (call, first, count) => {
        for (let i = first; i < first + count; i++) {
          const [x, y] = [left + aPlane * i, right + bPlane * i];
          call(kernel, rows, n, x, aRow, aStep, y, bRow, bStep, to + outBytes * plane * i);
        }
      });
    } else if (isShort(this.#heap.memory, rows * n)) kernel(rows, n, left, aRow, aStep, right, bRow, bStep, to);
    else if (rows === 1) {
      elementsInParts(this.#heap.memory, n, n, RUN, (call, start, count) =>
        call(kernel, 1, count, left + aStep * start, 0, aStep, right + bStep * start, 0, bStep, to + outBytes * start),
      );
    } else {
      elementsInParts(this.#heap.memory, rows * n, rows, 1, (call, row, count) => {
        const [x, y] = [left + aRow * row, right + bRow * row];
        call(kernel, count, n, x, aRow, aStep, y, bRow, bStep, to + outBytes * n * row);
      });
    }
    return true;
  }

  where(condition: Operand, a: Operand, b: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#elements(result.length);
    if (kernels === undefined || out.dtype !== 'float32' || !isContiguous(condition)) return false;
    const aStep = stepOf(a);
    const bStep = stepOf(b);
    if (aStep < 0 || bStep < 0)
      return this.#strided.densely([a, b], isScattered, ([x, y]) => this.where(condition, x!, y!, out, result));
    const c = this.#addressOf(condition, 0);
    const x = this.#addressOf(a, 1);
    const y = this.#addressOf(b, 2);
    if (c < 0 || x < 0 || y < 0) return false;
    if (isShort(this.#heap.memory, result.length))
      kernels.where(result.length, c, x, 4 * aStep, y, 4 * bStep, result.address);
    else {
      elementsInParts(this.#heap.memory, result.length, result.length, RUN, (call, start, n) => {
        const at = 4 * start;
        call(kernels.where, n, c + start, x + aStep * at, 4 * aStep, y + bStep * at, 4 * bStep, result.address + at);
      });
    }
    return true;
  }

  addScaled(scale: number, a: Operand, b: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#elements(result.length);
    if (kernels === undefined || out.dtype !== 'float32') return false;
    if (!isContiguous(a) || !isContiguous(b)) {
      return this.#strided.densely([a, b], isSpread, ([x, y]) => this.addScaled(scale, x!, y!, out, result));
    }
    const x = this.#addressOf(a, 0);
    const y = this.#addressOf(b, 1);
    if (x < 0 || y < 0) return false;
    if (isShort(this.#heap.memory, result.length)) kernels.axpy(result.length, x, scale, y, result.address);
    else {
      elementsInParts(this.#heap.memory, result.length, result.length, RUN, (call, start, n) => {
        const at = 4 * start;
        call(kernels.axpy, n, x + at, scale, y + at, result.address + at);
      });
    }
    return true;
  }

  reduce(op: Reduce, axes: readonly number[], x: Operand, out: Spec, result: Storage): boolean {
    return this.#folds.reduce(op, axes, x, out, result);
  }

  exp(x: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#exponentials(result.length);
    if (kernels === undefined || out.dtype !== 'float32') return false;
    if (!isContiguous(x)) return this.#strided.densely([x], isScattered, ([y]) => this.exp(y!, out, result));
    const from = this.#addressOf(x, 0);
    if (from < 0) return false;
    inParts(this.#heap.memory, EXP_NANOSECONDS * result.length, result.length, RUN, (call, start, n) =>
      call(kernels.exp, n, from + 4 * start, result.address + 4 * start),
    );
    return true;
  }

  cast(x: Operand, out: Spec, result: Storage): boolean {
    const widens = x.dtype === 'float32' && out.dtype === 'float64';
    if (!widens && !(x.dtype === 'float64' && out.dtype === 'float32')) return false;
    const kernels = this.#elements(result.length);
    if (kernels === undefined) return false;
    if (!isContiguous(x)) return this.#strided.densely([x], isSpread, ([y]) => this.cast(y!, out, result));
    const from = this.#addressOf(x, 0);
    if (from < 0) return false;
    const kernel = widens ? kernels.widen : kernels.narrow;
    const [xBytes, outBytes] = [bytesOf(x.dtype), bytesOf(out.dtype)];
    elementsInParts(this.#heap.memory, result.length, result.length, RUN, (call, start, n) =>
      call(kernel, n, from + xBytes * start, result.address + outBytes * start),
    );
    return true;
  }

  softmax(op: Softmax, axis: number, x: Operand, out: Spec, result: Storage): boolean {
    const kernels = this.#exponentials(result.length);
    if (kernels === undefined || out.dtype !== 'float32') return false;
    const last = out.shape.length - 1;
    if (axis !== last) {
      return this.#strided.turned(axis, x, result, (y, storage) => this.softmax(op, last, y, y, storage));
    }
    if (!isContiguous(x))
      return this.#strided.densely([x], isScattered, ([y]) => this.softmax(op, axis, y!, out, result));
    const from = this.#addressOf(x, 0);
    if (from < 0) return false;
    const n = out.shape[axis]!;
    if (n === 0) return true;
    const rows = result.length / n;
    const { memory } = this.#heap;
    const nanoseconds = EXP_NANOSECONDS * result.length;
    if (op === 'softmax') {
      const bytes = 8 * (n + 1);
      const exps = this.#heap.reserve(threadsFor(memory, nanoseconds) * bytes);
      if (exps === undefined) return false;
      inParts(memory, nanoseconds, rows, RUN / 4, (call, row, count, thread) =>
        call(kernels.softmax, count, n, from + 4 * n * row, exps + thread * bytes, result.address + 4 * n * row),
      );
      return true;
    }
    const shifts = this.#heap.reserve(16 * rows);
    if (shifts === undefined) return false;
    const sums = shifts + 8 * rows;
    inParts(memory, nanoseconds, rows, RUN / 4, (call, row, count) => {
      const [at, to] = [from + 4 * n * row, result.address + 4 * n * row];
      call(kernels.sumExps, count, n, at, shifts + 8 * row, sums + 8 * row);
      call(kernels.logSums, count, sums + 8 * row);
      call(kernels.subtract, count, n, at, shifts + 8 * row, sums + 8 * row, to);
    });
    return true;
  }

  copy(x: Operand, result: Storage): boolean {
    return this.#strided.copy(x, contiguousView(x.shape), result);
  }

  /** To where `to` looks. */
  copyInto(x: Operand, to: View, result: Storage): boolean {
    return this.#strided.copy(x, to, result);
  }

  fold(x: Operand, windows: readonly Window[], out: Spec, result: Storage): boolean {
    return this.#strided.fold(x, windows, out.shape, result);
  }

  /** Where a bias [n] lies for `matmul`; -1 if it is not in the heap, or its elements are not side by side. */
  addressOfBias(bias: Operand): number {
    return isContiguous(bias) ? this.#addressOf(bias, 2) : -1;
  }

  /** `bias`, an address or NO_BIAS, is of as many numbers as the result has columns. */
  matmul(a: Operand, b: Operand, bias: number, out: Spec, result: Storage): boolean {
    if (this.#gemm === null) this.#gemm = this.#engine.compiled;
    const gemm = this.#gemm;
    if (gemm === undefined || out.dtype !== 'float32' || a.dtype !== 'float32' || b.dtype !== 'float32') return false;
    const left = this.#addressOf(a, 0);
    const right = this.#addressOf(b, 1);
    if (left < 0 || right < 0) return false;
    if (result.length === 0) return true;
    const col = out.shape.length - 1;
    const row = col - 1;
    const m = out.shape[row]!;
    const n = out.shape[col]!;
    const k = a.shape[col]!;
    const as = startsOf(a, left);
    const bs = startsOf(b, right);
    const bCol = 4 * b.strides[col]!;
    const aRow = 4 * a.strides[row]!;
    const aCol = 4 * a.strides[col]!;
    const bRow = 4 * b.strides[row]!;
    if (bRow === 4 && isLongSide(m, n, k)) {
      const adder = bias === NO_BIAS ? null : this.#elements(result.length);
      const transpose = this.#strided.transpose('float32');
      const turned = adder === undefined || transpose === undefined ? null : this.#heap.take(4 * result.length);
      const scratch = turned && this.#heap.reserve(gemm.stackScratchBytes(as.length, n, m, k, aRow));
      if (turned !== null && transpose !== undefined && typeof scratch === 'number') {
        gemm.multiplyStack(n, m, k, bs, bCol, bRow, as, aCol, aRow, turned.address, scratch, NO_BIAS);
        for (let at = 0; at < 4 * result.length; at += 4 * m * n) {
          transpose(n, m, turned.address + at, 4 * m, result.address + at, 4 * n);
        }
        turned.end();
        adder?.add(as.length * m, n, result.address, 4 * n, 4, bias, 0, 4, result.address);
        return true;
      }
      turned?.end();
    }
    const scratch = this.#heap.reserve(gemm.stackScratchBytes(as.length, m, n, k, bCol));
    if (scratch === undefined) return false;
    gemm.multiplyStack(m, n, k, as, aRow, aCol, bs, bRow, bCol, result.address, scratch, bias);
    return true;
  }

  /** Undefined where the engine has none, and as long as the loops are to do `n` elements. */
  #elements(n: number): ElementwiseKernel | undefined {
    if (this.#patience.lasts(n)) return undefined;
    if (this.#elementwise === null) this.#elementwise = compileElementwise(this.#heap.memory);
    return this.#elementwise;
  }

  #exponentials(n: number): SoftmaxKernel | undefined {
    if (this.#patience.lasts(n)) return undefined;
    if (this.#softmax === null) this.#softmax = compileSoftmax(this.#heap.memory);
    return this.#softmax;
  }

  /** Where an operand begins in the heap; small ones that are elsewhere are copied into a slot. -1 if it is not there. */
  #addressOf(x: Operand, slot: number): number {
    const { storage } = x;
    const bytes = bytesOf(x.dtype);
    if (storage.address >= 0) return storage.address + bytes * x.offset;
    const { data } = storage;
    if (data.byteLength > SMALL) return -1;
    const to = this.#scratch + slot * SMALL;
    this.#heap.elements(x.dtype).set(data, to / bytes);
    return to + bytes * x.offset;
  }
}

/** Where the matrices of a stack begin, the first of them at `address`. */
function startsOf(x: Operand, address: number): number[] {
  if (x.shape.length === 2) return [address];
  const stack = { shape: x.shape.slice(0, -2), strides: x.strides, offset: 0 };
  return Array.from(positions(stack), (position) => address + 4 * position);
}

/**
 * Whether the product of A [m, k] and a B [k, n] whose columns lie side by side is formed as the transpose of B'A': B is then read where it is, in
 * place of being packed. That pays for a B beside which A is small: where B is not in cache, as in the gradient of a convolution's filters, or
 * where the rows of A, by then columns, are few and leave hardly a lane empty, as those of a small batch in a linear layer. To pack B
 * takes as long as to multiply four rows by it.
 */
function isLongSide(m: number, n: number, k: number): boolean {
  if (n * k >= 2 ** 19 && 2 * m <= n && m >= 16) return true;
  const spare = -m & 3;
  return m <= 32 && spare <= 1 && n >= 32 && n * k >= 2 ** 13;
}

/** Whether the elements of a view do not lie side by side. */
function isSpread(x: View): boolean {
  return !isContiguous(x);
}

/** Whether they do neither that, nor are all the same one. */
function isScattered(x: View): boolean {
  return stepOf(x) < 0;
}

/** Whether they are not side by side, but each is one of its own. */
function isMoved(x: View): boolean {
  if (isContiguous(x)) return false;
  const { shape, strides } = x;
  for (let i = 0; i < shape.length; i++) if (strides[i] === 0 && shape[i] !== 1) return false;
  return true;
}

/** 1 for elements side by side, 0 for one that is repeated, else -1. */
function stepOf(x: View): number {
  if (isContiguous(x)) return 1;
  const { shape, strides } = x;
  for (let i = 0; i < shape.length; i++) if (strides[i] !== 0 && shape[i] !== 1) return -1;
  return 0;
}
