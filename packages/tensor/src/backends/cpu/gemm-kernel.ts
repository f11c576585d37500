/**
 * Matrix product of float32 matrices that live in WebAssembly memory, with 128-bit vectors.
 *
 *   C[i,j] = sum over k of A[i,k] B[k,j]
 *
 * A product is a sum of outer products: for each k, a column of A times a row of B. A tile of C, 5 or 6 rows by 8 columns, stays in
 * vector registers while k runs, and one step is 8 values of B loaded and, for each row, one value of A splatted and two multiply-adds.
 *
 * A is read where it lies if its rows are dense, or if its columns are and k is short. Anything else (and a B that is transposed or
 * large) is packed into panels, 5 or 6 rows of A or 8 columns of B interleaved, so that the values of one step lie side by side:
 * that takes any strides, so transposed, broadcast and reversed views need no kernels of their own. The blocking is that of
 * Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008: a panel of A and one of B
 * in the first-level cache, a block of B in the second.
 *
 * Order of summation, the same for every element and every shape: that of gemm-loops.ts, blocks of `K_BLOCK`, each summed
 * upwards from 0, one rounding for the product and one for the sum. So the result has the bits of the plain loops on every
 * machine, and a row of C does not depend on which rows are computed with it. `relaxed` gives the first up for one fused
 * rounding where the machine has it.
 */
import { K_BLOCK } from './gemm-loops.ts';
import { COLUMNS, encodeGemm, type GemmExports } from './gemm-tiles.ts';
import { instantiate, type WasmMemory } from './module.ts';
import { type KernelCall, type ThreadModule, teamOf } from './threads.ts';

/** Bytes of one step in a packed panel of B. */
const B_STEP = 4 * COLUMNS;
/** `K_BLOCK` rows of B by this many columns fill half of a second-level cache of 1 MiB. */
const N_BLOCK = 256;
/** Rows of C between two blocks of k, few enough that they stay in cache. */
const M_BLOCK = 240;
/** A B that lies in rows is packed for more rows of C than this, if it has more elements than that. */
const PACK_B_ROWS = 64;
const PACK_B_SIZE = 16384;
/** An A that lies in columns is read in place up to this depth: its lines are far apart, and more of them do not stay in cache. */
const IN_PLACE_DEPTH = 64;

/** Rows of a tile. V8 on x64 has 15 vector registers to give: 2 r sums, 2 vectors of B, a splat and, unless fused, a product. */
const EXACT_ROWS = 5;
const RELAXED_ROWS = 6;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** B as the tiles read it: eight columns of step k are at `pointer + (column / 8) * panel + k * step`. */
export interface Columns {
  readonly pointer: number;
  readonly step: number;
  readonly panel: number;
}

/** Products over one memory. Pointers and strides are in bytes; strides of A and B may be zero or negative. */
export interface GemmKernel {
  readonly name: 'wasm-simd128' | 'wasm-relaxed-simd';
  /** Bytes of scratch that a product of this size needs, and both calls are given. */
  scratchBytes(m: number, n: number, k: number, bCol: number): number;
  /** Packs B into the scratch where that pays; B is then used for any number of products of up to m rows in all. */
  columns(m: number, n: number, k: number, b: number, bRow: number, bCol: number, scratch: number): Columns;
  /**
   * C[m,n] = A[m,k] B[k,n], C dense and row-major, overlapping neither A nor B. Up to 12 bytes behind the last element of A, of B
   * (where they were not packed) and of C are read, and dropped: the memory must go on so far.
   */
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
}

/** In the order of their numbers for threads. */
const FUNCTIONS = ['packA', 'packASide', 'multiplyRows', 'multiplyColumns'] as const;

/** One thread's part of the work: rows `from` to `to` of C, or columns. */
type Block = Pick<GemmExports, (typeof FUNCTIONS)[number]>;

const nameOf = (relaxed: boolean) => (relaxed ? 'wasm-relaxed-simd' : 'wasm-simd128');
const rowsOf = (relaxed: boolean) => (relaxed ? RELAXED_ROWS : EXACT_ROWS);

/** What the threads of a shared memory need to know. */
export const gemmModules = (): ThreadModule[] =>
  [false, true].map((relaxed) => ({
    name: nameOf(relaxed),
    bytes: encodeGemm(rowsOf(relaxed), relaxed).bytes(true),
    functions: FUNCTIONS,
  }));

/** Fewer multiplications than this are done before another thread has begun. */
const SHARED_FROM = 2 ** 19;
/** Threads begin at multiples of this many rows, those of a tile in either mode, or columns. */
const SHARE_ROWS = 30;

/** Cuts n into at most `parts` ranges that begin at multiples of `unit`. */
const cut = (n: number, unit: number, parts: number): [from: number, count: number][] => {
  const units = Math.ceil(n / unit);
  const count = Math.min(parts, units);
  return range(count).map((i) => {
    const from = unit * Math.floor((i * units) / count);
    const to = Math.min(n, unit * Math.floor(((i + 1) * units) / count));
    return [from, to - from];
  });
};

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. Large products are shared with the memory's team. */
export const compileGemm = (memory: WasmMemory, relaxed: boolean): GemmKernel | undefined => {
  const tileRows = rowsOf(relaxed);
  const name = nameOf(relaxed);
  const wasm = instantiate<GemmExports>(encodeGemm(tileRows, relaxed), memory);
  if (wasm === undefined) return undefined;
  const isPacked = (m: number, n: number, k: number, bCol: number) =>
    bCol !== 4 || (m > PACK_B_ROWS && n * k > PACK_B_SIZE);
  const blockBytes = (m: number, k: number) =>
    64 * Math.ceil((tileRows * Math.ceil(Math.min(m, M_BLOCK) / tileRows) * Math.min(k, K_BLOCK)) / 16);
  const threads = (m: number, n: number, k: number): number => {
    if (m * n * k < SHARED_FROM) return 1;
    const team = teamOf(memory);
    return team?.has(name) ? team.size : 1;
  };

  /** The calls that compute m rows and n columns of C, in order. */
  const multiply = (
    to: Block,
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
  ): void => {
    const strip = tileRows * aRow;
    for (let i = 0; i < m; i += M_BLOCK) {
      const rows = Math.min(M_BLOCK, m - i);
      for (let p = 0; p === 0 || p < k; p += K_BLOCK) {
        const depth = Math.min(K_BLOCK, k - p);
        const block = a + i * aRow + p * aCol;
        const inPlace = aRow === 4 && depth <= IN_PLACE_DEPTH;
        if (aCol !== 4 && !inPlace) {
          if (aRow === 4) to.packASide(rows, depth, block, aCol, scratch);
          else to.packA(rows, depth, block, aRow, aCol, scratch);
        }
        for (let j = 0; j < n; j += N_BLOCK) {
          const columns = Math.min(N_BLOCK, n - j);
          const bp = b.pointer + (j / COLUMNS) * b.panel + p * b.step;
          const cp = c + i * cRow + 4 * j;
          if (aCol === 4) {
            to.multiplyRows(rows, columns, depth, block, aRow, strip, bp, b.step, b.panel, cp, cRow, p);
          } else if (inPlace) {
            to.multiplyColumns(rows, columns, depth, block, aCol, strip, bp, b.step, b.panel, cp, cRow, p);
          } else {
            const step = 4 * tileRows;
            to.multiplyColumns(rows, columns, depth, scratch, step, step * depth, bp, b.step, b.panel, cp, cRow, p);
          }
        }
      }
    }
  };

  return {
    name,
    scratchBytes: (m, n, k, bCol) =>
      threads(m, n, k) * blockBytes(m, k) + (isPacked(m, n, k, bCol) ? B_STEP * k * Math.ceil(n / COLUMNS) : 0),
    columns(m, n, k, b, bRow, bCol, scratch) {
      if (!isPacked(m, n, k, bCol)) return { pointer: b, step: bRow, panel: B_STEP };
      const pointer = scratch + threads(m, n, k) * blockBytes(m, k);
      wasm.packB(n, k, b, bCol, bRow, pointer);
      return { pointer, step: B_STEP, panel: B_STEP * k };
    },
    multiply(m, n, k, a, aRow, aCol, b, c, scratch) {
      const size = threads(m, n, k);
      const byRows = m >= size * SHARE_ROWS;
      const shares = size === 1 ? [] : byRows ? cut(m, SHARE_ROWS, size) : cut(n, COLUMNS, size);
      const share = (to: Block, index: number): void => {
        const [from, count] = shares[index];
        const own = scratch + index * blockBytes(m, k);
        if (byRows) multiply(to, count, n, k, a + from * aRow, aRow, aCol, b, c + 4 * n * from, 4 * n, own);
        else {
          const columns = { ...b, pointer: b.pointer + (from / COLUMNS) * b.panel };
          multiply(to, m, count, k, a, aRow, aCol, columns, c + 4 * from, 4 * n, own);
        }
      };
      const lists = shares.slice(1).map((_, i) => {
        const calls: KernelCall[] = [];
        const record =
          (fn: number) =>
          (...args: number[]) =>
            void calls.push([fn, ...args]);
        share(Object.fromEntries(FUNCTIONS.map((f, fn) => [f, record(fn)])) as unknown as Block, i + 1);
        return calls;
      });
      const isShared = lists.length > 0 && teamOf(memory)?.run(name, lists, () => share(wasm, 0));
      if (!isShared) multiply(wasm, m, n, k, a, aRow, aCol, b, c, 4 * n, scratch);
    },
  };
};
