/**
 * Matrix product of float32 matrices that live in WebAssembly memory, with 128-bit vectors.
 *
 *   C[i,j] = sum over k of A[i,k] B[k,j]
 *
 * A product is a sum of outer products: for each k, a column of A times a row of B. A tile of C, 5 rows by 8 columns, stays in
 * ten vector registers while k runs, and one step is 8 values of B loaded, five values of A splatted, ten multiply-adds. Both
 * operands are read as panels: 5 rows of A (8 columns of B) interleaved, so that the values of one step lie side by side. Packing
 * a panel takes any strides, so transposed, broadcast and reversed views need no kernels of their own. The blocking is that of
 * Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008: a panel of A and one of B
 * in the first-level cache, a block of B in the second.
 *
 * Order of summation, the same for every element and every shape: that of gemm-loops.ts, blocks of `K_BLOCK`, each summed
 * upwards from 0, one rounding for the product and one for the sum. So the result has the bits of the plain loops on every
 * machine, and a row of C does not depend on which rows are computed with it. `relaxed` gives the first up for one fused
 * rounding where the machine has it.
 */
import {
  advance,
  type Call,
  type Code,
  f32,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  select,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { K_BLOCK } from './gemm-loops.ts';
import { instantiate, type WasmMemory } from './module.ts';

/** Columns of a tile: two vectors. */
const COLUMNS = 8;
/** Bytes of one step in a packed panel of B. */
const B_STEP = 4 * COLUMNS;
/** `K_BLOCK` rows of B by this many columns fill half of a second-level cache of 1 MiB. */
const N_BLOCK = 256;
/** Rows of C between two blocks of k, few enough that they stay in cache. */
const M_BLOCK = 240;
/** Fewer rows than this do not repay packing a B that can be read in place. */
const PACK_B_FROM_ROWS = 48;

/** Rows r of a tile. V8 on x64 has 15 vector registers to give: 2 r sums, 2 vectors of B, a splat and, unless fused, a product. */
const EXACT_ROWS = 5;
const RELAXED_ROWS = 6;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const constant = i32.const;

/** A function that interleaves `lines` lines of length k, `width` at a time: target[panel][k][w] = source[panel * width + w][k]. */
const packer = (module: ModuleBuilder, width: number, name?: string): Call =>
  module.func({
    ...(name === undefined ? {} : { export: name }),
    params: { lines: 'i32', k: 'i32', source: 'i32', lineStep: 'i32', kStep: 'i32', target: 'i32' },
    body: ({ lines, k, source, lineStep, kStep, target }, local) => {
      const line = range(width).map(() => local('i32'));
      const left = local('i32');
      const gather = (w: number): Code =>
        [1, 2, 3].reduce((v: Code, lane) => v128.load32Lane(line[w + lane], v, lane), v128.load32Zero(line[w]));
      const quads = range(width >> 2).map((i) => v128.store(target, gather(4 * i), 16 * i));
      const rest = range(width & 3).map((i) => f32.store(target, f32.load(line[width - 1 - i]), 4 * (width - 1 - i)));
      // A line that does not exist repeats the one before; what is computed from it is never stored.
      const stepTo = (w: number): Code => i32.mul(lineStep, i32.gtS(lines, constant(w)));
      return whileLoop(i32.gtS(lines, constant(0)), [
        line.map((p, w) => p.set(w === 0 ? source : i32.add(line[w - 1], stepTo(w)))),
        left.set(k),
        whileLoop(left, [
          quads,
          rest,
          line.map((p) => advance(p, kStep)),
          advance(target, constant(4 * width)),
          advance(left, constant(-1)),
        ]),
        advance(source, i32.mul(lineStep, constant(width))),
        advance(lines, constant(-width)),
      ]);
    },
  });

/**
 * A function for one tile: C (+)= panel of A times `vectors` vectors of B. Of its rows the first `rows` exist, of its last vector
 * the first `lanes` columns. It holds no loop but that over k: V8 unrolls nested loops and then runs out of registers.
 */
const tile = (module: ModuleBuilder, tileRows: number, vectors: number, relaxed: boolean): Call =>
  module.func({
    params: {
      k: 'i32',
      a: 'i32',
      b: 'i32',
      bStep: 'i32',
      c: 'i32',
      cStep: 'i32',
      rows: 'i32',
      lanes: 'i32',
      accumulate: 'i32',
    },
    body: ({ k, a, b, bStep, c, cStep, rows, lanes, accumulate }, local) => {
      const madd = (x: Code, y: Code, sum: Code) =>
        relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
      const sums = range(tileRows).map(() => range(vectors).map(() => local('v128')));
      const bs = range(vectors).map(() => local('v128'));
      const splat = local('v128');
      // From the last row back: V8 emits loads in program order but sums in the reverse order of their variables. Only where both
      // agree is a splat used up before the next is loaded; otherwise all are loaded first and spill.
      const backwards = range(tileRows).reverse();
      const step: Code = [
        bs.map((v, i) => v.set(v128.load(b, 16 * i))),
        backwards.map((r) => [
          splat.set(f32x4.loadSplat(a, 4 * r)),
          sums[r].map((sum, i) => sum.set(madd(splat, bs[i], sum))).reverse(),
        ]),
        advance(a, constant(4 * tileRows)),
        advance(b, bStep),
        advance(k, constant(-1)),
      ];
      const storeRow = (row: readonly Local[]): Code => {
        const last = row[vectors - 1];
        const at = 16 * (vectors - 1);
        const storeLanes = [
          when(i32.eq(lanes, constant(1)), v128.store32Lane(c, last, 0, at), v128.store64Lane(c, last, 0, at)),
          when(i32.eq(lanes, constant(3)), v128.store32Lane(c, last, 2, at + 8)),
        ];
        return [
          when(
            accumulate,
            row.map((sum, i) => sum.set(f32x4.add(v128.load(c, 16 * i), sum))),
          ),
          row.slice(0, -1).map((sum, i) => v128.store(c, sum, 16 * i)),
          when(i32.eq(lanes, constant(4)), v128.store(c, last, at), storeLanes),
          advance(c, cStep),
        ];
      };
      return [whileLoop(k, step), sums.map((row, r) => when(i32.gtS(rows, constant(r)), storeRow(row)))];
    },
  });

/** The whole module: `pack` for B, `multiply` for one block, C[m,n] (+)= A[m,k] B[k,n]. */
const encode = (tileRows: number, relaxed: boolean): Uint8Array<ArrayBuffer> => {
  const module = wasmModule();
  const packA = packer(module, tileRows);
  packer(module, COLUMNS, 'pack');
  const narrow = tile(module, tileRows, 1, relaxed);
  const wide = tile(module, tileRows, 2, relaxed);
  module.func({
    export: 'multiply',
    params: {
      m: 'i32',
      n: 'i32',
      k: 'i32',
      a: 'i32',
      aRow: 'i32',
      aCol: 'i32',
      b: 'i32',
      bStep: 'i32',
      bPanel: 'i32',
      c: 'i32',
      cRow: 'i32',
      accumulate: 'i32',
      panel: 'i32',
    },
    body: ({ m, n, k, a, aRow, aCol, b, bStep, bPanel, c, cRow, accumulate, panel }, local) => {
      const left = local('i32');
      const bj = local('i32');
      const cj = local('i32');
      const run = (call: Call, lanes: Code) => call(k, panel, bj, bStep, cj, cRow, m, lanes, accumulate);
      return whileLoop(i32.gtS(m, constant(0)), [
        packA(select(i32.ltS(m, constant(tileRows)), m, constant(tileRows)), k, a, aRow, aCol, panel),
        left.set(n),
        bj.set(b),
        cj.set(c),
        whileLoop(i32.geS(left, constant(COLUMNS)), [
          run(wide, constant(4)),
          advance(bj, bPanel),
          advance(cj, constant(4 * COLUMNS)),
          advance(left, constant(-COLUMNS)),
        ]),
        when(i32.gtS(left, constant(4)), run(wide, i32.sub(left, constant(4))), when(left, run(narrow, left))),
        advance(a, i32.mul(aRow, constant(tileRows))),
        advance(c, i32.mul(cRow, constant(tileRows))),
        advance(m, constant(-tileRows)),
      ]);
    },
  });
  return module.bytes();
};

interface Exports {
  pack(lines: number, k: number, source: number, lineStep: number, kStep: number, target: number): void;
  multiply(
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aCol: number,
    b: number,
    bStep: number,
    bPanel: number,
    c: number,
    cRow: number,
    accumulate: number,
    panel: number,
  ): void;
}

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
   * C[m,n] = A[m,k] B[k,n], C dense and row-major, overlapping neither A nor B. Up to 12 bytes behind the last row of B (where it
   * was not packed) and of C are read, and dropped: the memory must go on so far.
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

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compileGemm = (memory: WasmMemory, relaxed: boolean): GemmKernel | undefined => {
  const tileRows = relaxed ? RELAXED_ROWS : EXACT_ROWS;
  const wasm = instantiate<Exports>(encode(tileRows, relaxed), memory);
  if (wasm === undefined) return undefined;
  const panelBytes = 4 * tileRows * K_BLOCK;
  const isPacked = (m: number, bCol: number) => bCol !== 4 || m >= PACK_B_FROM_ROWS;
  return {
    name: relaxed ? 'wasm-relaxed-simd' : 'wasm-simd128',
    scratchBytes: (m, n, k, bCol) => panelBytes + (isPacked(m, bCol) ? B_STEP * k * Math.ceil(n / COLUMNS) : 0),
    columns(m, n, k, b, bRow, bCol, scratch) {
      if (!isPacked(m, bCol)) return { pointer: b, step: bRow, panel: B_STEP };
      const pointer = scratch + panelBytes;
      wasm.pack(n, k, b, bCol, bRow, pointer);
      return { pointer, step: B_STEP, panel: B_STEP * k };
    },
    multiply(m, n, k, a, aRow, aCol, b, c, scratch) {
      const cRow = 4 * n;
      for (let i = 0; i < m; i += M_BLOCK) {
        const rows = Math.min(M_BLOCK, m - i);
        for (let p = 0; p === 0 || p < k; p += K_BLOCK) {
          const depth = Math.min(K_BLOCK, k - p);
          for (let j = 0; j < n; j += N_BLOCK) {
            const ap = a + i * aRow + p * aCol;
            const bp = b.pointer + (j / COLUMNS) * b.panel + p * b.step;
            const width = Math.min(N_BLOCK, n - j);
            wasm.multiply(
              rows,
              width,
              depth,
              ap,
              aRow,
              aCol,
              bp,
              b.step,
              b.panel,
              c + i * cRow + 4 * j,
              cRow,
              p,
              scratch,
            );
          }
        }
      }
    },
  };
};
