/**
 * Matrix product of float32 matrices that live in WebAssembly memory, with 128-bit vectors.
 *
 *   C[i,j] = sum over k of A[i,k] B[k,j]
 *
 * A product is a sum of outer products: for each k, a column of A times a row of B. A tile of C, 5, 6 or 8 rows by 8 columns, stays in
 * vector registers while k runs, and one step is 8 values of B loaded and, for each row, one value of A splatted and two multiply-adds. (Where
 * the last tile would have up to 4 columns, the last two become one of 3 rows by up to 12.)
 *
 * A is read where it lies if its rows are dense, or if its columns are and k is short. Anything else (and a B that is transposed or
 * large) is packed into panels, the rows of a tile of A or 8 columns of B interleaved, so that the values of one step lie side by side:
 * that takes any strides, so transposed, broadcast and reversed views need no kernels of their own. The blocking is that of
 * Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008: a panel of A and one of B
 * in the first-level cache, a block of B in the second.
 *
 * Order of summation, the same for every element and every shape: that of gemm-loops.ts, blocks of `K_BLOCK`, each summed
 * upwards from 0, one rounding for the product and one for the sum. So the result has the bits of the plain loops on every
 * machine, and a row of C does not depend on which rows are computed with it: threads share rows, or columns. `relaxed` gives the
 * first up for one fused rounding where the machine has it.
 */
import { K_BLOCK } from './gemm-loops.ts';
import { C_ITSELF, COLUMNS, encodeGemm, type GemmExports } from './gemm-tiles.ts';
import { instantiate, type WasmMemory } from './module.ts';
import { Probe } from './probe.ts';
import { atOnce, type Call, inParts, threadsFor } from './threads.ts';

/** Bytes of one step in a packed panel of B. */
const B_STEP = 4 * COLUMNS;
/** `K_BLOCK` rows of B by this many columns fill half of a second-level cache of 1 MiB. */
const N_BLOCK = 256;
/** Rows of C between two blocks of k, whole tiles and few enough that they stay in cache. */
const M_BLOCK = 240;
/** A B that lies in rows is packed for more rows of C than this, if it has more elements than that. */
const PACK_B_ROWS = 64;
const PACK_B_SIZE = 16384;
/** An A that lies in columns is read in place up to this depth: its lines are far apart, and more of them do not stay in cache. */
const IN_PLACE_DEPTH = 64;

/**
 * Rows r of a tile. V8 on x64 has 15 vector registers to give: 2 r sums, 2 vectors of B, a splat and, unless fused, a product. Where there are
 * twice as many, as on arm64, a tall tile has enough sums to keep all units busy that multiply and add.
 */
export const TILE_ROWS = { exact: 5, relaxed: 6, tall: 8 };

/** B as the tiles read it: eight columns of step k are at `pointer + (column / 8) * panel + k * step`. */
export interface Columns {
  readonly pointer: number;
  readonly step: number;
  readonly panel: number;
}

/** In place of the address of a bias, which is never there: a heap begins with the room of its Vectors. */
export const NO_BIAS = 0;

/** Threads begin at multiples of about this many rows, those of some tiles. */
const SHARE_ROWS = 30;
const MULTIPLICATIONS_PER_NANOSECOND = 20;

/**
 * Products over one memory; its threads share large ones. Pointers and strides are in bytes; strides of A and B may be zero or negative. C is
 * dense and row-major and overlaps neither A nor B. Up to 12 bytes behind the last element of A, of B (where it was not packed), of C and of a
 * bias are read, and dropped: the memory must go on so far.
 */
export interface GemmKernel {
  readonly name: 'wasm-simd128' | 'wasm-relaxed-simd';
  /** Bytes of scratch that `columns` and `multiply` are given for a product of this size. */
  scratchBytes(m: number, n: number, k: number, bCol: number): number;
  /** Packs B into the scratch where that pays; B is then used for any number of products of up to m rows in all. */
  columns(m: number, n: number, k: number, b: number, bRow: number, bCol: number, scratch: number): Columns;
  /** C[m,n] = A[m,k] B[k,n]. */
  multiply(
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aCol: number,
    b: Columns,
    c: number,
    scratch: number,
  ): void;
  /** Bytes of scratch that `multiplyStack` is given for `count` products of this size. */
  stackScratchBytes(count: number, m: number, n: number, k: number, bCol: number): number;
  /** C_i[m,n] = A_i[m,k] B_i[k,n] + bias[n], where A_i begins at a[i] and B_i at b[i], and one C lies behind the other. */
  multiplyStack(
    m: number,
    n: number,
    k: number,
    a: readonly number[],
    aRow: number,
    aCol: number,
    b: readonly number[],
    bRow: number,
    bCol: number,
    c: number,
    scratch: number,
    bias: number,
  ): void;
}

/** Compiles the kernels over `memory`, of the tile that is found to be the fastest; undefined where the engine has no such vectors. */
export const compileGemm = (memory: WasmMemory, relaxed: boolean): GemmKernel | undefined => {
  const usual = compileTile(memory, relaxed, relaxed ? TILE_ROWS.relaxed : TILE_ROWS.exact);
  if (usual === undefined) return undefined;
  const probe = new Probe(usual, () => compileTile(memory, relaxed, TILE_ROWS.tall));
  return {
    ...usual,
    multiply: (...args) => {
      const [m, n, k, , , aCol] = args;
      probe.run(m * n * k, [m, n, k, aCol], (kernel) => kernel.multiply(...args));
    },
    multiplyStack: (...args) => {
      const [m, n, k, a, , aCol, , , bCol] = args;
      probe.run(a.length * m * n * k, [m, n, k, aCol, bCol, a.length], (kernel) => kernel.multiplyStack(...args));
    },
  };
};

/** The kernels for tiles of so many rows. What the scratch holds depends on those, how long it is does not. */
export const compileTile = (memory: WasmMemory, relaxed: boolean, tileRows: number): GemmKernel | undefined => {
  const compiled = instantiate<GemmExports>(encodeGemm(tileRows, relaxed), memory);
  if (compiled === undefined) return undefined;
  const { packA, packASide, packB, multiplyRows, multiplyColumns } = compiled;
  const isPacked = (m: number, n: number, k: number, bCol: number) =>
    bCol !== 4 || (m > PACK_B_ROWS && n * k > PACK_B_SIZE);
  const aBytes = (m: number, k: number) =>
    64 * Math.ceil((Math.min(m + TILE_ROWS.tall - 1, M_BLOCK) * Math.min(k, K_BLOCK)) / 16);
  const bBytes = (m: number, n: number, k: number, bCol: number) =>
    isPacked(m, n, k, bCol) ? 64 * Math.ceil((B_STEP * k * Math.ceil(n / COLUMNS)) / 64) : 0;
  const shareRows = tileRows * Math.round(SHARE_ROWS / tileRows);
  const nanoseconds = (count: number, m: number, n: number, k: number) =>
    (count * m * n * k) / MULTIPLICATIONS_PER_NANOSECOND;

  const pack = (
    call: Call,
    m: number,
    n: number,
    k: number,
    b: number,
    bRow: number,
    bCol: number,
    scratch: number,
  ): Columns => {
    if (!isPacked(m, n, k, bCol)) return { pointer: b, step: bRow, panel: B_STEP };
    call(packB, n, k, b, bCol, bRow, scratch);
    return { pointer: scratch, step: B_STEP, panel: B_STEP * k };
  };

  /** m rows and n columns of C, in one thread. */
  const multiply = (
    call: Call,
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aCol: number,
    b: Columns,
    c: number,
    cRow: number,
    scratch: number,
    bias: number,
  ): void => {
    const strip = tileRows * aRow;
    for (let i = 0; i < m; i += M_BLOCK) {
      const rows = Math.min(M_BLOCK, m - i);
      for (let p = 0; p === 0 || p < k; p += K_BLOCK) {
        const depth = Math.min(K_BLOCK, k - p);
        const block = a + i * aRow + p * aCol;
        const inPlace = aRow === 4 && depth <= IN_PLACE_DEPTH;
        if (aCol !== 4 && !inPlace) {
          if (aRow === 4) call(packASide, rows, depth, block, aCol, scratch);
          else call(packA, rows, depth, block, aRow, aCol, scratch);
        }
        for (let j = 0; j < n; j += N_BLOCK) {
          const columns = Math.min(N_BLOCK, n - j);
          const bp = b.pointer + (j / COLUMNS) * b.panel + p * b.step;
          const cp = c + i * cRow + 4 * j;
          const isLast = p + K_BLOCK >= k;
          const more = (p === 0 ? 0 : C_ITSELF) + (isLast && bias !== NO_BIAS ? bias + 4 * j : 0);
          if (aCol === 4) {
            call(multiplyRows, rows, columns, depth, block, aRow, strip, bp, b.step, b.panel, cp, cRow, more);
          } else if (inPlace) {
            call(multiplyColumns, rows, columns, depth, block, aCol, strip, bp, b.step, b.panel, cp, cRow, more);
          } else {
            const step = 4 * tileRows;
            const panel = step * depth;
            call(multiplyColumns, rows, columns, depth, scratch, step, panel, bp, b.step, b.panel, cp, cRow, more);
          }
        }
      }
    }
  };

  /** Cuts `count` products of m by n: `part` does some rows and columns of the i-th. */
  const share = (
    count: number,
    m: number,
    n: number,
    k: number,
    part: (call: Call, i: number, row: number, rows: number, column: number, columns: number, thread: number) => void,
  ): void => {
    const time = nanoseconds(count, m, n, k);
    const threads = threadsFor(memory, time);
    if (count * m < shareRows * threads && n >= COLUMNS * threads) {
      inParts(memory, time, n, COLUMNS, (call, column, columns, thread) => {
        for (let i = 0; i < count; i++) part(call, i, 0, m, column, columns, thread);
      });
      return;
    }
    const strips = Math.ceil(m / shareRows);
    inParts(memory, time, count * strips, 1, (call, from, units, thread) => {
      for (let at = from; at < from + units; ) {
        const i = Math.floor(at / strips);
        const first = at - i * strips;
        const end = Math.min(strips, first + from + units - at);
        const row = shareRows * first;
        part(call, i, row, Math.min(m, shareRows * end) - row, 0, n, thread);
        at += end - first;
      }
    });
  };

  return {
    name: relaxed ? 'wasm-relaxed-simd' : 'wasm-simd128',
    scratchBytes: (m, n, k, bCol) => threadsFor(memory, nanoseconds(1, m, n, k)) * aBytes(m, k) + bBytes(m, n, k, bCol),
    columns: (m, n, k, b, bRow, bCol, scratch) =>
      pack(atOnce, m, n, k, b, bRow, bCol, scratch + threadsFor(memory, nanoseconds(1, m, n, k)) * aBytes(m, k)),
    multiply(m, n, k, a, aRow, aCol, b, c, scratch) {
      share(1, m, n, k, (call, _, row, rows, column, columns, thread) => {
        const own = { ...b, pointer: b.pointer + (column / COLUMNS) * b.panel };
        const to = c + 4 * (row * n + column);
        const space = scratch + thread * aBytes(m, k);
        multiply(call, rows, columns, k, a + row * aRow, aRow, aCol, own, to, 4 * n, space, NO_BIAS);
      });
    },
    stackScratchBytes: (count, m, n, k, bCol) =>
      threadsFor(memory, nanoseconds(count, m, n, k)) * (aBytes(m, k) + bBytes(m, n, k, bCol)),
    // Every thread packs the B that it needs: for one of them to do it takes the others as long.
    multiplyStack(m, n, k, a, aRow, aCol, b, bRow, bCol, c, scratch, bias) {
      share(a.length, m, n, k, (call, i, row, rows, column, columns, thread) => {
        const space = scratch + thread * (aBytes(m, k) + bBytes(m, n, k, bCol));
        const own = pack(call, rows, columns, k, b[i] + column * bCol, bRow, bCol, space + aBytes(m, k));
        const to = c + 4 * ((i * m + row) * n + column);
        const shift = bias === NO_BIAS ? NO_BIAS : bias + 4 * column;
        multiply(call, rows, columns, k, a[i] + row * aRow, aRow, aCol, own, to, 4 * n, space, shift);
      });
    },
  };
};
