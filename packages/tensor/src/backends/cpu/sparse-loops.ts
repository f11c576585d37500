/**
 * Products with a matrix that is mostly zeros, as plain loops: its rows are kept as their nonzero elements, and zeros are skipped. A zero
 * adds nothing to a sum of finite products, and no sum that starts from 0 is ever -0, so the bits are those of the dense product
 * (gemm-loops.ts) whose order of summation is kept: blocks of `K_BLOCK` terms, each summed upwards from 0, the sums of the blocks added
 * in order. Where the other operand holds NaN or infinity it is not so (0 times those is NaN): the caller looks before.
 */
import { K_BLOCK } from './gemm-loops.ts';

/**
 * The rows of a matrix [rows, width] as their nonzero elements: one row after another those in the first `K_BLOCK` columns, then those in the next,
 * as the products of many rows want them. Element e is a pair: it stands in column `columns[2 * e]` and is `values[2 * e + 1]`. Both arrays are
 * over the same memory, as who wants the one wants the other.
 */
export interface CompressedRows {
  readonly rows: number;
  readonly width: number;
  readonly columns: Int32Array;
  readonly values: Float32Array;
  /** Where the elements begin of row i in block b of columns: starts[b * rows + i], and behind them all where they end. */
  readonly starts: Int32Array;
}

/** How many blocks of columns a row has. */
export const blocksOf = ({ width }: { readonly width: number }): number => Math.ceil(width / K_BLOCK);

/** How many elements are not 0, if no more than `limit`; infinity if one of those before that is no finite number. */
export function countNonzero(data: Float32Array, limit: number): number {
  let count = 0;
  for (let i = 0; i < data.length && count <= limit; i++) {
    const x = data[i]!;
    if (x === 0) continue;
    // Also NaN, for which nothing holds.
    if (!(Math.abs(x) < Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
    count++;
  }
  return count;
}

/** Fills `into`, which has room for the nonzero elements, from a dense matrix. */
export function compress(dense: Float32Array, { rows, width, values, columns, starts }: CompressedRows): void {
  let [at, next] = [0, 0];
  for (let from = 0; from < width; from += K_BLOCK) {
    for (let i = 0; i < rows; i++) {
      starts[next++] = at;
      for (let j = from; j < Math.min(from + K_BLOCK, width); j++) {
        const x = dense[i * width + j]!;
        if (x === 0) continue;
        columns[2 * at] = j;
        values[2 * at + 1] = x;
        at++;
      }
    }
  }
  starts[next] = at;
}

/** Fills `into`, which has room for its elements, with the transpose of rows of x: of as many as it has columns, from `first` on. */
export function transpose(x: CompressedRows, first: number, into: CompressedRows): void {
  const { width, values, columns, starts } = into;
  const each = (visit: (e: number, i: number, cell: number) => void) => {
    for (let block = 0; block < blocksOf(x); block++) {
      for (let i = 0; i < width; i++) {
        const start = block * x.rows + first + i;
        for (let e = x.starts[start]!; e < x.starts[start + 1]!; e++) {
          visit(e, i, Math.floor(i / K_BLOCK) * into.rows + x.columns[2 * e]!);
        }
      }
    }
  };
  // How many there are of each, one place ahead; then, added up, where they begin.
  starts.fill(0);
  each((_, __, cell) => {
    starts[cell + 1]!++;
  });
  for (let c = 1; c < starts.length; c++) starts[c]! += starts[c - 1]!;
  const next = starts.slice();
  each((e, i, cell) => {
    const at = next[cell]!++;
    columns[2 * at] = i;
    values[2 * at + 1] = x.values[2 * e + 1]!;
  });
}

/** B or C: an array, where in it the matrix begins, and the distance of its rows, which lie dense. */
export interface Rows {
  readonly data: Float32Array;
  readonly at: number;
  readonly step: number;
}

const round = Math.fround;

/** C[m, n] = X[first.., :] B[width, n], where X are compressed rows. */
export function rowsTimes(x: CompressedRows, first: number, m: number, n: number, b: Rows, c: Rows): void {
  const blocks = blocksOf(x);
  const sums = new Float32Array(n);
  for (let i = 0; i < m; i++) {
    for (let block = 0; block < blocks; block++) {
      sums.fill(0);
      const start = block * x.rows + first + i;
      for (let e = x.starts[start]!; e < x.starts[start + 1]!; e++) {
        const [value, row] = [x.values[2 * e + 1]!, b.at + x.columns[2 * e]! * b.step];
        for (let j = 0; j < n; j++) sums[j] = round(sums[j]! + round(value * b.data[row + j]!));
      }
      for (let j = 0; j < n; j++)
        c.data[c.at + i * c.step + j] = (block === 0 ? 0 : c.data[c.at + i * c.step + j]!) + sums[j]!;
    }
  }
}
