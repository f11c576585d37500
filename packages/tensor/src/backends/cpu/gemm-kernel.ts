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
import {
  advance,
  type Call,
  type Code,
  f32,
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
import { K_BLOCK } from './gemm-loops.ts';
import { instantiate, type WasmMemory } from './module.ts';
import { type KernelCall, type ThreadModule, teamOf } from './threads.ts';

/** Columns of a tile: two vectors. */
const COLUMNS = 8;
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

/** How A lies: element k of row r at a + r * step + 4 k, or at a + 4 r + k * step. */
type Layout = 'rows' | 'columns';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const constant = i32.const;

/** A function that interleaves `lines` lines of length k, `width` at a time: target[panel][k][w] = source[panel * width + w][k]. */
const packer = (module: ModuleBuilder, width: number, name?: string): Call =>
  module.func({
    ...(name === undefined ? {} : { export: name }),
    params: { lines: 'i32', k: 'i32', source: 'i32', lineStep: 'i32', kStep: 'i32', target: 'i32' },
    body: ({ lines, k, source, lineStep, kStep, target }, local) => {
      const line = range(width).map(() => local('i32'));
      const vectors = range(8).map(() => local('v128'));
      const left = local('i32');
      const gather = (w: number): Code =>
        [1, 2, 3].reduce((v: Code, lane) => v128.load32Lane(line[w + lane], v, lane), v128.load32Zero(line[w]));
      const quads = range(width >> 2).map((i) => v128.store(target, gather(4 * i), 16 * i));
      const rest = range(width & 3).map((i) => f32.store(target, f32.load(line[width - 1 - i]), 4 * (width - 1 - i)));
      // A line that does not exist repeats the one before; what is computed from it is never stored.
      const stepTo = (w: number): Code => i32.mul(lineStep, i32.gtS(lines, constant(w)));
      const oneByOne = repeat(left, 1, [
        quads,
        rest,
        line.map((p) => advance(p, kStep)),
        advance(target, constant(4 * width)),
      ]);
      // Lines side by side: what one step takes is in one piece.
      const tail = 16 * (width >> 2);
      const pieces = repeat(left, 1, [
        range(width >> 2).map((i) => v128.store(target, v128.load(line[0], 16 * i), 16 * i)),
        width & 2 ? v128.store64Lane(target, v128.load64Zero(line[0], tail), 0, tail) : [],
        width & 1 ? f32.store(target, f32.load(line[0], 4 * (width - 1)), 4 * (width - 1)) : [],
        advance(line[0], kStep),
        advance(target, constant(4 * width)),
      ]);
      // Elements of a line side by side: four steps of four lines are a square, transposed in registers.
      const square = (w: number): Code => {
        const [a, b, c, d, ab, cd, abHigh, cdHigh] = vectors;
        const store = (step: number, v: Code) => v128.store(target, v, 4 * (step * width + w));
        return [
          [a, b, c, d].map((v, i) => v.set(v128.load(line[w + i]))),
          ab.set(f32x4.shuffle(a, b, [0, 4, 1, 5])),
          cd.set(f32x4.shuffle(c, d, [0, 4, 1, 5])),
          abHigh.set(f32x4.shuffle(a, b, [2, 6, 3, 7])),
          cdHigh.set(f32x4.shuffle(c, d, [2, 6, 3, 7])),
          store(0, f32x4.shuffle(ab, cd, [0, 1, 4, 5])),
          store(1, f32x4.shuffle(ab, cd, [2, 3, 6, 7])),
          store(2, f32x4.shuffle(abHigh, cdHigh, [0, 1, 4, 5])),
          store(3, f32x4.shuffle(abHigh, cdHigh, [2, 3, 6, 7])),
        ];
      };
      const squares =
        width % 4 === 0
          ? when(
              i32.eq(kStep, constant(4)),
              repeat(left, 4, [
                range(width >> 2).map((i) => square(4 * i)),
                line.map((p) => advance(p, constant(16))),
                advance(target, constant(16 * width)),
              ]),
            )
          : [];
      return whileLoop(i32.gtS(lines, constant(0)), [
        line.map((p, w) => p.set(w === 0 ? source : i32.add(line[w - 1], stepTo(w)))),
        left.set(k),
        when(i32.and(i32.eq(lineStep, constant(4)), i32.geS(lines, constant(width))), pieces, [squares, oneByOne]),
        advance(source, i32.mul(lineStep, constant(width))),
        advance(lines, constant(-width)),
      ]);
    },
  });

/**
 * The same for lines that lie side by side, all panels at once: the elements of one step are in one piece, and how long the pieces
 * are that memory is read in is what counts for a matrix that is not in cache.
 */
const sidePacker = (module: ModuleBuilder, width: number, name: string, pack: Call): Call =>
  module.func({
    export: name,
    params: { lines: 'i32', k: 'i32', source: 'i32', kStep: 'i32', target: 'i32' },
    body: ({ lines, k, source, kStep, target }, local) => {
      const [whole, left, steps, from, to] = range(5).map(() => local('i32'));
      const [from0, to0, panel] = range(3).map(() => local('i32'));
      const step = constant(4 * width);
      const [tail, last] = [16 * (width >> 2), 4 * (width - 1)];
      const piece = [
        range(width >> 2).map((i) => v128.store(to, v128.load(from, 16 * i), 16 * i)),
        width & 2 ? v128.store64Lane(to, v128.load64Zero(from, tail), 0, tail) : [],
        width & 1 ? f32.store(to, f32.load(from, last), last) : [],
      ];
      return [
        panel.set(i32.mul(k, step)),
        whole.set(i32.sub(lines, i32.remU(lines, constant(width)))),
        steps.set(k),
        from0.set(source),
        to0.set(target),
        repeat(steps, 1, [
          from.set(from0),
          to.set(to0),
          left.set(whole),
          repeat(left, width, [piece, advance(from, step), advance(to, panel)]),
          advance(from0, kStep),
          advance(to0, step),
        ]),
        // Lines that fill no panel.
        advance(source, i32.mul(whole, constant(4))),
        advance(target, i32.mul(i32.mul(whole, k), constant(4))),
        pack(i32.sub(lines, whole), k, source, constant(4), kStep, target),
      ];
    },
  });

/**
 * A function for one tile: C (+)= `tileRows` rows of A times `vectors` vectors of B. Of its rows the first `rows` exist, all or all
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
      accumulate: 'i32',
    },
    body: ({ k, a, aStep, b, bStep, c, cStep, rows, lanes, accumulate }, local) => {
      const madd = (x: Code, y: Code, sum: Code) =>
        relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
      const sums = range(tileRows).map(() => range(vectors).map(() => local('v128')));
      const bs = range(vectors).map(() => local('v128'));
      const splat = local('v128');
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
          when(
            accumulate,
            row.map((sum, i) => sum.set(f32x4.add(v128.load(c, 16 * i), sum))),
          ),
          row.slice(0, -1).map((sum, i) => v128.store(c, sum, 16 * i)),
          when(i32.eq(lanes, constant(4)), v128.store(c, last, at), storeLanes),
          advance(c, cStep),
        ];
      };
      const stores = sums.map((row, r) =>
        r < tileRows - 1 ? storeRow(row) : when(i32.gtS(rows, constant(r)), storeRow(row)),
      );
      return [start, repeat(k, 1, step), stores];
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
      accumulate: 'i32',
    },
    body: ({ n, k, a, aStep, b, bStep, bPanel, c, cRow, rows, accumulate }) => {
      const run = (call: Call, lanes: Code) => call(k, a, aStep, b, bStep, c, cRow, rows, lanes, accumulate);
      return [
        repeat(n, COLUMNS, [run(wide, constant(4)), advance(b, bPanel), advance(c, constant(4 * COLUMNS))]),
        when(i32.gtS(n, constant(4)), run(wide, i32.sub(n, constant(4))), when(n, run(narrow, n))),
      ];
    },
  });
};

/** The whole module: packing, and `multiplyRows` and `multiplyColumns` for one block, C[m,n] (+)= A[m,k] B[k,n], by how A lies. */
const encode = (tileRows: number, relaxed: boolean): ModuleBuilder => {
  const module = wasmModule();
  sidePacker(module, tileRows, 'packASide', packer(module, tileRows, 'packA'));
  packer(module, COLUMNS, 'packB');
  for (const layout of ['rows', 'columns'] as const) {
    const [tall, four, two] = [tileRows, 4, 2].map((rows) => strip(module, layout, rows, relaxed));
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
        accumulate: 'i32',
      },
      body: ({ m, n, k, a, aStep, aStrip, b, bStep, bPanel, c, cRow, accumulate }, local) => {
        const rows = local('i32');
        const run = (call: Call) => call(n, k, a, aStep, b, bStep, bPanel, c, cRow, rows, accumulate);
        return whileLoop(i32.gtS(m, constant(0)), [
          rows.set(select(i32.ltS(m, constant(tileRows)), m, constant(tileRows))),
          when(i32.gtS(rows, constant(4)), run(tall), when(i32.gtS(rows, constant(2)), run(four), run(two))),
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
  accumulate: number,
) => void;

interface Exports {
  packA(lines: number, k: number, source: number, lineStep: number, kStep: number, target: number): void;
  packASide(lines: number, k: number, source: number, kStep: number, target: number): void;
  packB(lines: number, k: number, source: number, lineStep: number, kStep: number, target: number): void;
  readonly multiplyRows: MultiplyBlock;
  readonly multiplyColumns: MultiplyBlock;
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
type Block = Pick<Exports, (typeof FUNCTIONS)[number]>;

const nameOf = (relaxed: boolean) => (relaxed ? 'wasm-relaxed-simd' : 'wasm-simd128');
const rowsOf = (relaxed: boolean) => (relaxed ? RELAXED_ROWS : EXACT_ROWS);

/** What the threads of a shared memory need to know. */
export const gemmModules = (): ThreadModule[] =>
  [false, true].map((relaxed) => ({
    name: nameOf(relaxed),
    bytes: encode(rowsOf(relaxed), relaxed).bytes(true),
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
  const wasm = instantiate<Exports>(encode(tileRows, relaxed), memory);
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
