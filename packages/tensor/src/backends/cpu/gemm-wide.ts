/**
 * Matrix products of float32 and float64 operands in float64, on WebAssembly vectors where there are any: GEM's inner products of
 * gradients. The order of summation is that of gemm-wide-loops.ts, and so are the bits.
 *
 * Operands in the memory of the kernels are read where they are, and threads share what is large; others are copied, widened on the way. A
 * product of a matrix with its own transpose is computed on and above the diagonal only.
 */
import { compileWide, LANE_BYTES } from './gemm-wide-kernel.ts';
import { type Floats, type WideGemm, wideGemmLoops } from './gemm-wide-loops.ts';
import { createWorkspace, type Workspace } from './module.ts';
import { atOnce, type Call, inParts, threadsFor } from './threads.ts';

export { type Floats, type WideGemm, wideGemmLoops } from './gemm-wide-loops.ts';

/** Terms at a time: of four lines they fill a third of a first-level cache of 48 KiB. */
const CHUNK = 512;
/** Lines of A and of B at a time. */
const LINES = 64;
/** Up to so many rows of A, dense rows of B are read in place. */
const FEW_ROWS = 4;

/** In so many shares is a triangle cut. */
const SHARES = 256;

const MULTIPLICATIONS_PER_NANOSECOND = 4;

const even = (n: number): number => n + (n & 1);

interface Lines {
  readonly data: Floats;
  /** Where in the memory of the kernels, or undefined. Taken before the memory grows, which detaches every array over it. */
  readonly address: number | undefined;
  readonly offset: number;
  readonly row: number;
  readonly col: number;
}

/** A wide product with its own state: modules compiled at the first call, scratch memory that grows to the largest product. */
export const createWideGemm = (workspace?: Workspace): WideGemm => {
  const start = () => {
    const space = workspace ?? createWorkspace();
    const exact = space && compileWide(space.memory, false);
    // Of float32, whose products are exact, a fused sum has the same bits.
    return exact && { space, exact, fused: compileWide(space.memory, true) ?? exact };
  };
  let engine: ReturnType<typeof start> | null = null;

  return (m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset) => {
    if (m === 0 || n === 0) return;
    if (engine === null) engine = start();
    if (engine === undefined) {
      wideGemmLoops(m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset);
      return;
    }
    const { space } = engine;
    const { memory } = space;
    const areFloat32 = a instanceof Float32Array && b instanceof Float32Array;
    const wasm = areFloat32 ? engine.fused : engine.exact;
    const place = (data: Floats, offset: number) =>
      data.buffer === memory.buffer ? data.byteOffset + data.BYTES_PER_ELEMENT * offset : undefined;
    const x: Lines = { data: a, address: place(a, aOffset), offset: aOffset, row: aRow, col: aCol };
    const y: Lines = { data: b, address: place(b, bOffset), offset: bOffset, row: bCol, col: bRow };
    const cHere = place(c, cOffset);
    const combines = m <= FEW_ROWS && bCol === 1 && y.address !== undefined;
    const isSame = x.address === undefined ? a === b && aOffset === bOffset : x.address === y.address;
    const isTransposed = aRow === bCol && aCol === bRow && a.BYTES_PER_ELEMENT === b.BYTES_PER_ELEMENT;
    // What meets few lines is not worth widening first.
    const narrow = n <= 2 && x.address !== undefined && a instanceof Float32Array && aCol === 1;
    const isGram = !narrow && m === n && m <= LINES && isSame && isTransposed;
    // Other threads see the memory and nothing else; and to tell them of runs of terms that meet few lines takes as long as those.
    const isShared = x.address !== undefined && y.address !== undefined && !narrow;
    const time = isShared ? (m * n * k) / MULTIPLICATIONS_PER_NANOSECOND / (isGram ? 2 : 1) : 0;
    const threads = threadsFor(memory, time);
    const [rows, columns] = [Math.min(LINES, m), Math.min(LINES, n)];
    const width = 8 * CHUNK;
    const tableRow = LANE_BYTES * even(columns);
    const ownBytes = width * (rows + columns) + tableRow * even(rows);
    const scratchBytes = combines ? 32 * Math.ceil(k / 4) * m : threads * ownBytes;
    const scratch = space.reserve(scratchBytes + (cHere === undefined ? 8 * m * n : 0));
    if (scratch === undefined) {
      wideGemmLoops(m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset);
      return;
    }
    const out = cHere ?? scratch + scratchBytes;
    const floats = new Float64Array(memory.buffer);

    /** Lines first.. of x, terms p.., as float64 in the scratch. */
    const widen = (
      call: Call,
      { data, address, offset, row, col }: Lines,
      first: number,
      count: number,
      p: number,
      terms: number,
      to: number,
    ) => {
      const start = first * row + p * col;
      if (address !== undefined) {
        const bytes = data.BYTES_PER_ELEMENT;
        const widenHere = bytes === 4 ? wasm.widen32 : wasm.widen64;
        call(widenHere, count, terms, address + bytes * start, bytes * row, bytes * col, to);
        return;
      }
      let at = to / 8;
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < terms; j++) floats[at++] = data[offset + start + i * row + j * col];
        while (at % 4 !== 0) floats[at++] = 0;
      }
    };

    /** C from one row and column on to others, where it is symmetric on and above the diagonal, and by that below it. */
    const multiply = (
      call: Call,
      firstRow: number,
      endRow: number,
      firstColumn: number,
      endColumn: number,
      table: number,
    ) => {
      const xs = table + tableRow * even(rows);
      const ys = xs + width * rows;
      const symmetric = isGram ? 1 : 0;
      for (let i = firstRow; i < endRow; i += LINES) {
        const height = Math.min(LINES, endRow - i);
        for (let j = firstColumn; j < endColumn; j += LINES) {
          const breadth = Math.min(LINES, endColumn - j);
          call(wasm.clear, table, table + tableRow * even(height));
          for (let p = 0; p < k; p += CHUNK) {
            const terms = Math.min(CHUNK, k - p);
            const fours = Math.ceil(terms / 4);
            const line = 32 * fours;
            widen(call, y, j, breadth, p, terms, ys);
            if (isGram) {
              call(wasm.block64, height, breadth, fours, ys, line, ys, line, table, tableRow, 1);
            } else if (narrow && terms % 4 === 0) {
              const from = (x.address as number) + 4 * (i * aRow + p);
              call(wasm.block32, height, breadth, fours, from, 4 * aRow, ys, line, table, tableRow, 0);
            } else {
              widen(call, x, i, height, p, terms, xs);
              call(wasm.block64, height, breadth, fours, xs, line, ys, line, table, tableRow, 0);
            }
          }
          call(wasm.join, height, breadth, table, tableRow, out + 8 * (i * n + j), 8 * n, symmetric);
        }
      }
    };

    if (combines) {
      const bytes = b.BYTES_PER_ELEMENT;
      const combine = bytes === 4 ? wasm.combine32 : wasm.combine64;
      const from = y.address as number;
      widen(atOnce, x, 0, m, 0, k, scratch);
      inParts(memory, (m * n * k) / MULTIPLICATIONS_PER_NANOSECOND, n, 16, (call, column, count) => {
        for (let i = 0; i < m; i++) {
          const row = scratch + 32 * Math.ceil(k / 4) * i;
          call(combine, count, k, row, from + bytes * column, bytes * bRow, out + 8 * (i * n + column));
        }
      });
    } else if (isGram) {
      // The first rows are longer: so many make a share of the triangle.
      const bound = (share: number) =>
        share === SHARES ? m : even(Math.floor(m * (1 - Math.sqrt(1 - share / SHARES))));
      inParts(memory, time, SHARES, 1, (call, share, count, thread) => {
        const [row, end] = [bound(share), Math.min(m, bound(share + count))];
        multiply(call, row, end, row, m, scratch + thread * ownBytes);
      });
    } else if (m >= n) {
      inParts(memory, time, m, 2, (call, row, count, thread) =>
        multiply(call, row, row + count, 0, n, scratch + thread * ownBytes),
      );
    } else {
      inParts(memory, time, n, 2, (call, column, count, thread) =>
        multiply(call, 0, m, column, column + count, scratch + thread * ownBytes),
      );
    }
    if (cHere === undefined) c.set(floats.subarray(out / 8, out / 8 + m * n), cOffset);
  };
};
