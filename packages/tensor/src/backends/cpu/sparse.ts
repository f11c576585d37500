/**
 * Products that skip zeros: A B where A is a matrix whose rows were also kept as their nonzero elements, or the transpose of one. Same bits
 * as the dense product: sparse-loops.ts says why, and where not.
 */

import { K_BLOCK } from './gemm-loops.ts';
import type { Workspace } from './module.ts';
import { compileSparse, type SparseKernel, STRIP } from './sparse-kernel.ts';
import { blocksOf, type CompressedRows, compress, countNonzero } from './sparse-loops.ts';

/** Rows of A that pass by all strips of columns before the next do: their elements stay in cache. */
const ROWS_AT_A_TIME = 64;

/** The rows of a matrix of finite numbers: values, columns and starts, one after another in one array. */
export interface PackedRows {
  readonly rows: number;
  readonly width: number;
  /** How many elements are not 0. */
  readonly count: number;
  readonly data: Float32Array;
}

/** Of 4 bytes. */
export const packedLength = (rows: number, width: number, count: number): number =>
  2 * count + rows * blocksOf(width) + 1;

/** The parts of packed rows. */
export function unpacked({ rows, width, count, data }: PackedRows): CompressedRows {
  const ints = new Int32Array(data.buffer, data.byteOffset, data.length);
  const [values, columns, starts] = [
    data.subarray(0, count),
    ints.subarray(count, 2 * count),
    ints.subarray(2 * count),
  ];
  return { rows, width, values, columns, starts };
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
  room: (length: number) => Float32Array | null,
): PackedRows | null {
  const count = countNonzero(dense());
  if (count > maxDensity * rows * width) return null;
  const data = room(packedLength(rows, width, count));
  if (data === null) return null;
  const packed = { rows, width, count, data };
  compress(dense(), unpacked(packed));
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

/** Where in `c` the product goes, dense and row-major. */
interface Target {
  readonly data: Float32Array;
  readonly offset: number;
}

export interface SparseEngine {
  /** C[m, n] = X[first.., :] B[width, n]. @returns false if that is to be had from the dense product only; C is then undefined. */
  rowsTimes(x: PackedRows, first: number, m: number, n: number, b: Strided, c: Target): boolean;
  /** C[width, n] = X[first..first + k, :]' D[k, n]. @returns as rowsTimes. */
  transposedRowsTimes(x: PackedRows, first: number, k: number, n: number, d: Strided, c: Target): boolean;
}

/** Rows in the memory of the kernels: a pointer, and how far apart they lie, in bytes. */
interface Placed {
  readonly at: number;
  readonly step: number;
}

/** An engine over the memory that tensors live in; products of others are left to the dense form. */
export const createSparse = ({ relaxed = false, workspace }: SparseOptions): SparseEngine => {
  const { memory } = workspace;
  let compiled: SparseKernel | null | undefined;
  const kernel = () => {
    if (compiled === undefined) compiled = compileSparse(memory, relaxed) ?? null;
    return compiled;
  };
  const isHere = (x: Float32Array) => x.buffer === memory.buffer;

  return {
    rowsTimes(x, first, m, n, b, c) {
      const wasm = kernel();
      if (wasm === null || !isHere(x.data) || !isHere(c.data)) return false;
      const [elements, cAt] = [x.data.byteOffset, c.data.byteOffset + 4 * c.offset];
      const rows = place(wasm, workspace, x.width, n, b, 0);
      if (rows === null) return false;
      const blocks = blocksOf(x.width);
      const [columns, starts] = [elements + 4 * x.count, elements + 8 * x.count + 4 * first * blocks];
      for (let i = 0; i < m; i += ROWS_AT_A_TIME) {
        for (const { column, vectors, lanes } of stripsOf(n)) {
          wasm.gather[vectors - 1]!(
            Math.min(ROWS_AT_A_TIME, m - i),
            blocks,
            starts + 4 * i * blocks,
            elements,
            columns,
            rows.at + 4 * column,
            rows.step,
            cAt + 4 * (i * n + column),
            4 * n,
            lanes,
          );
        }
      }
      return true;
    },

    transposedRowsTimes(x, first, k, n, d, c) {
      const wasm = kernel();
      if (wasm === null || !isHere(x.data) || !isHere(c.data)) return false;
      const [elements, cAt] = [x.data.byteOffset, c.data.byteOffset + 4 * c.offset];
      // Whole vectors of sums, for one block of terms.
      const step = 16 * Math.ceil(n / 4);
      const rows = place(wasm, workspace, k, n, d, x.width * step);
      if (rows === null) return false;
      const floats = new Float32Array(memory.buffer);
      const blocks = blocksOf(x.width);
      const [columns, starts] = [elements + 4 * x.count, elements + 8 * x.count + 4 * first * blocks];
      if (k === 0) floats.fill(0, cAt / 4, cAt / 4 + x.width * n);
      for (let k0 = 0; k0 < k; k0 += K_BLOCK) {
        const inPlace = k0 === 0 && step === 4 * n;
        const sums = inPlace ? cAt : rows.spare;
        floats.fill(0, sums / 4, (sums + x.width * step) / 4);
        for (const { column, vectors } of stripsOf(n)) {
          wasm.scatter[vectors - 1]!(
            Math.min(K_BLOCK, k - k0),
            4 * blocks,
            starts + 4 * k0 * blocks,
            elements,
            columns,
            rows.at + k0 * rows.step + 4 * column,
            rows.step,
            sums + 4 * column,
            step,
          );
        }
        if (!inPlace) addRows(floats, x.width, n, sums / 4, step / 4, cAt / 4, k0 > 0);
      }
      return true;
    },
  };
};

/** The strips of n columns. */
function stripsOf(n: number): { column: number; vectors: number; lanes: number }[] {
  const vectors = Math.ceil(n / 4);
  const strips = Math.ceil(vectors / STRIP);
  const first = (strip: number) => Math.floor((strip * vectors) / strips);
  return Array.from({ length: strips }, (_, i) => ({
    column: 4 * first(i),
    vectors: first(i + 1) - first(i),
    lanes: i + 1 < strips ? 4 : n - 4 * (vectors - 1),
  }));
}

/**
 * The rows of a matrix [k, n] as they are, or copied behind one another, and `spare` bytes of room. Null if not all elements are finite.
 */
function place(
  wasm: SparseKernel,
  workspace: Workspace,
  k: number,
  n: number,
  { data, offset, row, col }: Strided,
  spare: number,
): (Placed & { readonly spare: number }) | null {
  const { memory } = workspace;
  // Growing the memory detaches the arrays over it, but moves nothing: addresses are taken before.
  const address = data.buffer === memory.buffer ? data.byteOffset + 4 * offset : null;
  const here = col === 1 && row === n ? address : null;
  const padded = 4 * Math.ceil(n / 4);
  const scratch = workspace.reserve(spare + (here === null ? 4 * k * padded : 0));
  const at = here ?? scratch + spare;
  const floats = new Float32Array(memory.buffer);
  if (here === null) {
    const [from, start] = address === null ? [data, offset] : [floats, address / 4];
    copyRows(floats, at / 4, padded, from, start, k, n, row, col);
  }
  const size = here === null ? k * padded : k * n;
  if (wasm.finite(at, Math.ceil(size / 4)) === 0) return null;
  return { at, step: here === null ? 4 * padded : 4 * n, spare: scratch };
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

/** C = sums, or C += sums. */
function addRows(
  floats: Float32Array,
  rows: number,
  n: number,
  sums: number,
  step: number,
  c: number,
  accumulate: boolean,
): void {
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < n; j++) {
      const at = c + r * n + j;
      floats[at] = (accumulate ? floats[at]! : 0) + floats[sums + r * step + j]!;
    }
  }
}
