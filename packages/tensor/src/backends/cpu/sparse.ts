/**
 * Products that skip zeros: A B where A is a matrix whose rows were also kept as their nonzero elements, or the transpose of one, which is then
 * kept in the same way. Same bits as the dense product: sparse-loops.ts says why, and where not.
 */

import type { WasmMemory, Workspace } from './module.ts';
import type { PackKernel } from './pack-kernel.ts';
import { compileSparse, type SparseKernel } from './sparse-kernel.ts';
import { blocksOf, type CompressedRows, compress, countNonzero, transpose } from './sparse-loops.ts';
import { inParts } from './threads.ts';
import { compileTranspose, type Transpose } from './transpose.ts';

/** About, of one thread. */
const PRODUCTS_PER_NANOSECOND = 13;

/** The rows of a matrix of finite numbers: its elements, room for `SPARE` more, and starts, one after another in one array. */
export interface PackedRows {
  readonly rows: number;
  readonly width: number;
  /** How many elements are not 0. */
  readonly count: number;
  readonly data: Float32Array;
}

/** So many elements more are written behind the last: kernels do not ask whether there is one. */
const SPARE = 1;

/** Where there is room for so many floats; null if nowhere. It may detach arrays over the memory. */
export type Room = (length: number) => Float32Array | null;

/** The kernels that find zeros in matrices in their memory. Others, or all where there are none, are left to the loops. */
export interface Packing {
  readonly memory: WasmMemory;
  readonly kernel: PackKernel;
}

/** Of 4 bytes. */
const packedLength = ({ rows, width, count }: Omit<PackedRows, 'data'>): number =>
  2 * (count + SPARE) + rows * blocksOf({ width }) + 1;

/** The parts of packed rows. */
export function unpacked({ rows, width, count, data }: PackedRows): CompressedRows {
  const ints = new Int32Array(data.buffer, data.byteOffset, data.length);
  const [columns, values] = [ints.subarray(0, 2 * count), data.subarray(0, 2 * count)];
  return { rows, width, columns, values, starts: ints.subarray(2 * (count + SPARE)) };
}

/**
 * The rows of a dense matrix; null if one of its elements is not finite, or more than that share of them are not 0. To find `room` may
 * detach arrays, so the matrix is asked for twice.
 */
export function packRows(
  dense: () => Float32Array,
  rows: number,
  width: number,
  maxDensity: number,
  room: Room,
  packing: Packing | null = null,
): PackedRows | null {
  const most = maxDensity * rows * width;
  const count = countIn(dense(), most, packing);
  if (count > most) return null;
  const of = { rows, width, count };
  const data = room(packedLength(of));
  if (data === null) return null;
  const packed = { ...of, data };
  const [from, into] = [dense(), unpacked(packed)];
  const kernel = kernelOver(packing, from, data);
  if (kernel === null) compress(from, into);
  else kernel.compress(from.byteOffset, rows, width, data.byteOffset, into.starts.byteOffset);
  return packed;
}

/** The kernels, if there are some and all these arrays lie in their memory. */
const kernelOver = (packing: Packing | null, ...arrays: readonly Float32Array[]): PackKernel | null =>
  packing !== null && arrays.every(({ buffer }) => buffer === packing.memory.buffer) ? packing.kernel : null;

/** As countNonzero, but for what it has counted where there are more. */
function countIn(x: Float32Array, limit: number, packing: Packing | null): number {
  const kernel = kernelOver(packing, x);
  if (kernel === null) return countNonzero(x, limit);
  const vectors = Math.floor(x.length / 4);
  const count = kernel.count(x.byteOffset, vectors);
  return count < 0 ? Number.POSITIVE_INFINITY : count + countNonzero(x.subarray(4 * vectors), limit);
}

/** The transpose of k rows, from `first` on; null if there is no room, to find which may detach arrays: so `x` is asked for twice. */
export function packTranspose(
  x: () => PackedRows,
  first: number,
  k: number,
  room: Room,
  packing: Packing | null = null,
): PackedRows | null {
  const { rows, width } = x();
  const { starts } = unpacked(x());
  let count = 0;
  for (let block = 0; block < blocksOf({ width }); block++) {
    const start = block * rows + first;
    count += starts[start + k]! - starts[start]!;
  }
  const of = { rows: width, width: k, count };
  const data = room(packedLength(of));
  if (data === null) return null;
  const packed = { ...of, data };
  const [from, into] = [unpacked(x()), unpacked(packed)];
  const kernel = kernelOver(packing, from.values, data);
  if (kernel === null) transpose(from, first, into);
  else {
    into.starts.fill(0);
    kernel.transpose(
      k,
      data.byteOffset,
      into.starts.byteOffset,
      width,
      from.values.byteOffset,
      from.starts.byteOffset + 4 * first,
      rows,
      blocksOf(from),
    );
  }
  return packed;
}

/** A strided matrix: array, offset, row and column stride in elements. */
interface Strided {
  readonly data: Float32Array;
  readonly offset: number;
  readonly row: number;
  readonly col: number;
}

export interface SparseOptions {
  readonly relaxed?: boolean;
  readonly workspace: Workspace;
}

/** Where in `c` the product goes, dense and row-major, and the address of what is added to each of its rows, or NO_BIAS. */
interface Target {
  readonly data: Float32Array;
  readonly offset: number;
  readonly bias: number;
}

export interface SparseEngine {
  /** C[m, n] = X[first.., :] B[width, n] + bias. @returns false if that is to be had from the dense product only; C is then undefined. */
  rowsTimes(x: PackedRows, first: number, m: number, n: number, b: Strided, c: Target): boolean;
}

interface Kernels extends SparseKernel {
  readonly transpose: Transpose;
}

/** Rows in the memory of the kernels: a pointer, and how far apart they lie, in bytes. */
interface Placed {
  readonly at: number;
  readonly step: number;
}

/** An engine over the memory that tensors live in; products of others are left to the dense form. */
export const createSparse = ({ relaxed = false, workspace }: SparseOptions): SparseEngine => {
  const { memory } = workspace;
  let compiled: Kernels | null | undefined;
  const kernels = (): Kernels | null => {
    if (compiled === undefined) {
      const [sparse, turn] = [compileSparse(memory, relaxed), compileTranspose(memory)];
      compiled = sparse && turn ? { ...sparse, transpose: turn } : null;
    }
    return compiled;
  };
  const isHere = (x: Float32Array) => x.buffer === memory.buffer;

  return {
    rowsTimes(x, first, m, n, b, c) {
      const wasm = kernels();
      if (wasm === null || !isHere(x.data) || !isHere(c.data)) return false;
      // Growing the memory detaches the arrays over it, but moves nothing.
      const [elements, to] = [x.data.byteOffset, c.data.byteOffset + 4 * c.offset];
      const placed = place(wasm, workspace, x.width, n, b);
      if (placed === null) return false;
      const starts = elements + 8 * (x.count + SPARE) + 4 * first;
      const products = ((x.count * m) / Math.max(1, x.rows)) * n;
      // Threads share the rows of C.
      inParts(memory, products / PRODUCTS_PER_NANOSECOND, m, 1, (call, from, count) => {
        call(
          wasm.product,
          count,
          n,
          starts + 4 * from,
          blocksOf(x),
          4 * x.rows,
          elements,
          placed.at,
          placed.step,
          to + 4 * from * n,
          c.bias,
        );
      });
      return true;
    },
  };
};

/** The rows of a matrix [k, n] as they are, or copied behind one another. Null if not all elements are finite, or there is no room. */
function place(
  wasm: Kernels,
  workspace: Workspace,
  k: number,
  n: number,
  { data, offset, row, col }: Strided,
): Placed | null {
  const { memory } = workspace;
  const address = data.buffer === memory.buffer ? data.byteOffset + 4 * offset : null;
  const here = col === 1 && row === n ? address : null;
  const padded = 4 * Math.ceil(n / 4);
  const at = here ?? workspace.reserve(4 * k * padded);
  if (at === undefined) return null;
  if (here === null && address !== null && row === 1) wasm.transpose(n, k, address, 4 * col, at, 4 * padded);
  else if (here === null) {
    const floats = new Float32Array(memory.buffer);
    const [from, start] = address === null ? [data, offset] : [floats, address / 4];
    copyRows(floats, at / 4, padded, from, start, k, n, row, col);
  }
  const size = here === null ? k * padded : k * n;
  if (wasm.finite(at, Math.ceil(size / 4)) === 0) return null;
  return { at, step: here === null ? 4 * padded : 4 * n };
}

/** Rows of n, `width` apart, with zeros between them. */
function copyRows(
  to: Float32Array,
  at: number,
  width: number,
  from: Float32Array,
  offset: number,
  k: number,
  n: number,
  row: number,
  col: number,
): void {
  for (let i = 0; i < k; i++) {
    const [start, target] = [offset + i * row, at + i * width];
    for (let j = 0; j < n; j++) to[target + j] = from[start + j * col]!;
    for (let j = n; j < width; j++) to[target + j] = 0;
  }
}
