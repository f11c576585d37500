/**
 * The WebAssembly code of gemm-kernel.ts: tiles of C in vector registers, strips of tiles, and blocks of strips.
 */
import {
  advance,
  type Call,
  type Code,
  f32x4,
  i32,
  i32s,
  type Local,
  type ModuleBuilder,
  repeat,
  select,
  storeSome,
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
 * A function for one tile: C = `tileRows` rows of A times `vectors` vectors of B, and `more`. Of its rows the first `rows` exist, `sure` of
 * them in any case; of its last vector the first `lanes` columns. A third vector is the next panel's. It holds no loop but those over k: V8
 * unrolls nested loops and then runs out of registers.
 */
const tile = (
  module: ModuleBuilder,
  layout: Layout,
  tileRows: number,
  vectors: number,
  relaxed: boolean,
  sure = tileRows - 1,
): Call => {
  const isThree = vectors === 3;
  const params = ['k', 'a', 'aStep', 'b', 'bStep', 'c', 'cStep', 'rows', 'lanes', 'more'] as const;
  return module.func({
    params: i32s(...params, ...(isThree ? (['bNext'] as const) : [])),
    body: ({ k, a, aStep, b, bStep, c, cStep, rows, lanes, more, bNext }, local) => {
      const madd = (x: Code, y: Code, sum: Code) =>
        relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
      const sums = range(tileRows).map(() => range(vectors).map(() => local('v128')));
      const bs = range(vectors).map(() => local('v128'));
      const splat = local('v128');
      const [old, bias] = [local('i32'), local('i32')];
      const starts = layout === 'rows' ? range(tileRows).map(() => local('i32')) : [];
      // A row that does not exist is the one before, computed and never stored.
      const start = starts.map((p, r) => {
        const step = r < sure ? aStep : i32.mul(aStep, i32.gtS(rows, constant(r)));
        return p.set(r === 0 ? a : i32.add(starts[r - 1], step));
      });
      const element = (r: number) => (layout === 'rows' ? f32x4.loadSplat(starts[r]) : f32x4.loadSplat(a, 4 * r));
      // From the last row back: V8 emits loads in program order but sums in the reverse order of their variables. Only where both
      // agree is a splat used up before the next is loaded; otherwise all are loaded first and spill.
      const backwards = range(tileRows).reverse();
      const step: Code = [
        bs.map((v, i) => v.set(i < 2 ? v128.load(b, 16 * i) : v128.load(bNext))),
        backwards.map((r) => [
          splat.set(element(r)),
          sums[r].map((sum, i) => sum.set(madd(splat, bs[i], sum))).reverse(),
        ]),
        layout === 'rows' ? starts.map((p) => advance(p, constant(4))) : advance(a, aStep),
        advance(b, bStep),
        isThree ? advance(bNext, bStep) : [],
      ];
      /** For each row that exists, whose numbers are from `at` on. */
      const eachRow = (at: Local, each: (row: readonly Local[]) => Code): Code =>
        sums.map((row, r) => {
          const code = [each(row), advance(at, cStep)];
          return r < sure ? code : when(i32.gtS(rows, constant(r)), code);
        });
      const last = (row: readonly Local[]): Local => row[vectors - 1];
      const behind = 16 * (vectors - 1);
      const addC = eachRow(old, (row) => row.map((sum, i) => sum.set(f32x4.add(v128.load(old, 16 * i), sum))));
      const addBias = sums.map((row) => row.map((sum, i) => sum.set(f32x4.add(sum, v128.load(bias, 16 * i)))));
      const storeWhole = eachRow(c, (row) => row.map((sum, i) => v128.store(c, sum, 16 * i)));
      const storeLanes = eachRow(c, (row) => [
        row.slice(0, -1).map((sum, i) => v128.store(c, sum, 16 * i)),
        storeSome(c, last(row), behind, (count) => i32.eq(lanes, constant(count))),
      ]);
      const finish = [
        when(more, [
          when(i32.and(more, constant(C_ITSELF)), [old.set(c), addC]),
          bias.set(i32.and(more, constant(-4))),
          when(bias, addBias),
        ]),
        when(i32.eq(lanes, constant(4)), storeWhole, storeLanes),
      ];
      return [start, repeat(k, 1, step), finish];
    },
  });
};

/** A function for the tiles of up to `tileRows` rows of C, one beside the other. */
const strip = (module: ModuleBuilder, layout: Layout, tileRows: number, relaxed: boolean): Call => {
  const narrow = tile(module, layout, tileRows, 1, relaxed);
  const wide = tile(module, layout, tileRows, 2, relaxed);
  return module.func({
    params: i32s('n', 'k', 'a', 'aStep', 'b', 'bStep', 'bPanel', 'c', 'cRow', 'rows', 'more'),
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

/**
 * A function for the last nine to twelve columns, where as many stand beside whole panels, that gives how many columns are left to do. In tiles of
 * three vectors they take three quarters of the time of two vectors and then one, whose few sums wait for each other.
 */
const lastColumns = (module: ModuleBuilder, relaxed: boolean): Call => {
  const tileRows = 3;
  const three = tile(module, 'rows', tileRows, 3, relaxed, 1);
  return module.func({
    params: i32s('m', 'n', 'k', 'a', 'aStep', 'b', 'bStep', 'bPanel', 'c', 'cRow', 'more'),
    result: 'i32',
    body: ({ m, n, k, a, aStep, b, bStep, bPanel, c, cRow, more }, local) => {
      const [behind, bNext] = [local('i32'), local('i32')];
      const lanes = i32.add(behind, constant(1));
      return [
        behind.set(i32.and(i32.sub(n, constant(1)), constant(COLUMNS - 1))),
        when(i32.and(i32.gtS(n, constant(COLUMNS)), i32.ltU(behind, constant(4))), [
          n.set(i32.sub(i32.sub(n, constant(COLUMNS)), lanes)),
          advance(b, i32.mul(i32.divU(n, constant(COLUMNS)), bPanel)),
          bNext.set(i32.add(b, bPanel)),
          advance(c, i32.shl(n, constant(2))),
          when(i32.ltU(constant(C_ITSELF), more), advance(more, i32.shl(n, constant(2)))),
          whileLoop(i32.gtS(m, constant(0)), [
            three(k, a, aStep, b, bStep, c, cRow, m, lanes, more, bNext),
            advance(a, i32.mul(aStep, constant(tileRows))),
            advance(c, i32.mul(cRow, constant(tileRows))),
            advance(m, constant(-tileRows)),
          ]),
        ]),
        n,
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
  const last = lastColumns(module, relaxed);
  for (const layout of ['rows', 'columns'] as const) {
    const strips = heights.map((rows) => strip(module, layout, rows, relaxed));
    module.func({
      export: layout === 'rows' ? 'multiplyRows' : 'multiplyColumns',
      params: i32s('m', 'n', 'k', 'a', 'aStep', 'aStrip', 'b', 'bStep', 'bPanel', 'c', 'cRow', 'more'),
      body: ({ m, n, k, a, aStep, aStrip, b, bStep, bPanel, c, cRow, more }, local) => {
        const rows = local('i32');
        const run = (i: number): Code => {
          const call = strips[i](n, k, a, aStep, b, bStep, bPanel, c, cRow, rows, more);
          return i + 1 < strips.length ? when(i32.gtS(rows, constant(heights[i + 1])), call, run(i + 1)) : call;
        };
        const allStrips = whileLoop(i32.gtS(m, constant(0)), [
          rows.set(select(i32.ltS(m, constant(tileRows)), m, constant(tileRows))),
          run(0),
          advance(a, aStrip),
          advance(c, i32.mul(cRow, constant(tileRows))),
          advance(m, constant(-tileRows)),
        ]);
        if (layout === 'columns') return allStrips;
        return [n.set(last(m, n, k, a, aStep, b, bStep, bPanel, c, cRow, more)), when(n, allStrips)];
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
