/**
 * The WebAssembly code of gemm-kernel.ts: tiles of C in vector registers, strips of tiles, and blocks of strips.
 */
import {
  advance,
  type Call,
  type Code,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  repeat,
  select,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { packer, sidePacker } from './gemm-pack.ts';

/** Columns of a tile: two vectors. */
export const COLUMNS = 8;

/**
 * What is added to the sums of a tile before they are stored, in one number, as one more parameter is felt in small products: nothing (0), what C
 * holds (1), a bias (its address, a multiple of 4, of which each column of C has an element), or both, in this order.
 */
export const C_ITSELF = 1;

/** How A lies: element k of row r at a + r * step + 4 k, or at a + 4 r + k * step. */
type Layout = 'rows' | 'columns';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const constant = i32.const;

/**
 * A function for one tile: C = `tileRows` rows of A times `vectors` vectors of B, and `more`. Of its rows the first `rows` exist, all or all
 * but one; of its last vector the first `lanes` columns. It holds no loop but those over k: V8 unrolls nested loops and then runs
 * out of registers.
 */
const tile = (module: ModuleBuilder, layout: Layout, tileRows: number, vectors: number, relaxed: boolean): Call =>
  module.func({
    params: {
      k: 'i32',
      a: 'i32',
      aStep: 'i32',
      b: 'i32',
      bStep: 'i32',
      c: 'i32',
      cStep: 'i32',
      rows: 'i32',
      lanes: 'i32',
      more: 'i32',
    },
    body: ({ k, a, aStep, b, bStep, c, cStep, rows, lanes, more }, local) => {
      const madd = (x: Code, y: Code, sum: Code) =>
        relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
      const sums = range(tileRows).map(() => range(vectors).map(() => local('v128')));
      const bs = range(vectors).map(() => local('v128'));
      const splat = local('v128');
      const bias = local('i32');
      const starts = layout === 'rows' ? range(tileRows).map(() => local('i32')) : [];
      // A row that does not exist is the one before, computed and never stored.
      const start = starts.map((p, r) => {
        const step = r === tileRows - 1 ? i32.mul(aStep, i32.gtS(rows, constant(r))) : aStep;
        return p.set(r === 0 ? a : i32.add(starts[r - 1], step));
      });
      const element = (r: number) => (layout === 'rows' ? f32x4.loadSplat(starts[r]) : f32x4.loadSplat(a, 4 * r));
      // From the last row back: V8 emits loads in program order but sums in the reverse order of their variables. Only where both
      // agree is a splat used up before the next is loaded; otherwise all are loaded first and spill.
      const backwards = range(tileRows).reverse();
      const step: Code = [
        bs.map((v, i) => v.set(v128.load(b, 16 * i))),
        backwards.map((r) => [
          splat.set(element(r)),
          sums[r].map((sum, i) => sum.set(madd(splat, bs[i], sum))).reverse(),
        ]),
        layout === 'rows' ? starts.map((p) => advance(p, constant(4))) : advance(a, aStep),
        advance(b, bStep),
      ];
      const storeRow = (row: readonly Local[]): Code => {
        const last = row[vectors - 1];
        const at = 16 * (vectors - 1);
        const storeLanes = [
          when(i32.eq(lanes, constant(1)), v128.store32Lane(c, last, 0, at), v128.store64Lane(c, last, 0, at)),
          when(i32.eq(lanes, constant(3)), v128.store32Lane(c, last, 2, at + 8)),
        ];
        return [
          when(more, [
            when(
              i32.and(more, constant(C_ITSELF)),
              row.map((sum, i) => sum.set(f32x4.add(v128.load(c, 16 * i), sum))),
            ),
            when(
              bias,
              row.map((sum, i) => sum.set(f32x4.add(sum, v128.load(bias, 16 * i)))),
            ),
          ]),
          row.slice(0, -1).map((sum, i) => v128.store(c, sum, 16 * i)),
          when(i32.eq(lanes, constant(4)), v128.store(c, last, at), storeLanes),
          advance(c, cStep),
        ];
      };
      const stores = sums.map((row, r) =>
        r < tileRows - 1 ? storeRow(row) : when(i32.gtS(rows, constant(r)), storeRow(row)),
      );
      return [start, repeat(k, 1, step), bias.set(i32.and(more, constant(-4))), stores];
    },
  });

/** A function for the tiles of up to `tileRows` rows of C, one beside the other. */
const strip = (module: ModuleBuilder, layout: Layout, tileRows: number, relaxed: boolean): Call => {
  const narrow = tile(module, layout, tileRows, 1, relaxed);
  const wide = tile(module, layout, tileRows, 2, relaxed);
  return module.func({
    params: {
      n: 'i32',
      k: 'i32',
      a: 'i32',
      aStep: 'i32',
      b: 'i32',
      bStep: 'i32',
      bPanel: 'i32',
      c: 'i32',
      cRow: 'i32',
      rows: 'i32',
      more: 'i32',
    },
    body: ({ n, k, a, aStep, b, bStep, bPanel, c, cRow, rows, more }) => {
      const next = constant(4 * COLUMNS);
      const run = (call: Call, lanes: Code) => call(k, a, aStep, b, bStep, c, cRow, rows, lanes, more);
      return [
        repeat(n, COLUMNS, [
          run(wide, constant(4)),
          advance(b, bPanel),
          advance(c, next),
          when(i32.ltU(constant(C_ITSELF), more), advance(more, next)),
        ]),
        when(i32.gtS(n, constant(4)), run(wide, i32.sub(n, constant(4))), when(n, run(narrow, n))),
      ];
    },
  });
};

/** The whole module: packing, and `multiplyRows` and `multiplyColumns` for one block, C[m,n] = A[m,k] B[k,n] and `more`, by how A lies. */
export const encodeGemm = (tileRows: number, relaxed: boolean): ModuleBuilder => {
  const module = wasmModule();
  // Of what is left below the last whole strip, a tile serves its height and one row less.
  const lower = range(tileRows).filter((rows) => rows > 0 && rows % 2 === 0);
  const heights = [tileRows, ...lower.reverse()];
  sidePacker(module, tileRows, 'packASide', packer(module, tileRows, 'packA'));
  packer(module, COLUMNS, 'packB');
  for (const layout of ['rows', 'columns'] as const) {
    const strips = heights.map((rows) => strip(module, layout, rows, relaxed));
    module.func({
      export: layout === 'rows' ? 'multiplyRows' : 'multiplyColumns',
      params: {
        m: 'i32',
        n: 'i32',
        k: 'i32',
        a: 'i32',
        aStep: 'i32',
        aStrip: 'i32',
        b: 'i32',
        bStep: 'i32',
        bPanel: 'i32',
        c: 'i32',
        cRow: 'i32',
        more: 'i32',
      },
      body: ({ m, n, k, a, aStep, aStrip, b, bStep, bPanel, c, cRow, more }, local) => {
        const rows = local('i32');
        const run = (i: number): Code => {
          const call = strips[i](n, k, a, aStep, b, bStep, bPanel, c, cRow, rows, more);
          return i + 1 < strips.length ? when(i32.gtS(rows, constant(heights[i + 1])), call, run(i + 1)) : call;
        };
        return whileLoop(i32.gtS(m, constant(0)), [
          rows.set(select(i32.ltS(m, constant(tileRows)), m, constant(tileRows))),
          run(0),
          advance(a, aStrip),
          advance(c, i32.mul(cRow, constant(tileRows))),
          advance(m, constant(-tileRows)),
        ]);
      },
    });
  }
  return module;
};

type MultiplyBlock = (
  m: number,
  n: number,
  k: number,
  a: number,
  aStep: number,
  aStrip: number,
  b: number,
  bStep: number,
  bPanel: number,
  c: number,
  cRow: number,
  more: number,
) => void;

export interface GemmExports {
  packA(lines: number, k: number, source: number, lineStep: number, kStep: number, target: number): void;
  packASide(lines: number, k: number, source: number, kStep: number, target: number): void;
  packB(lines: number, k: number, source: number, lineStep: number, kStep: number, target: number): void;
  readonly multiplyRows: MultiplyBlock;
  readonly multiplyColumns: MultiplyBlock;
}
