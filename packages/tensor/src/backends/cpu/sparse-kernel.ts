/**
 * The products of sparse-loops.ts on rows that lie in WebAssembly memory, with 128-bit vectors and the same bits: sums of rows of B,
 *
 *   C[i, :] (+)= sum over the elements of a range of  value B[column, :]
 *
 * A row of C stays in vector registers while the elements of its range come by. Of X B they are those of a row of X; of X' D those of a
 * column, that is of a row of the transpose. Columns of C go in strips of up to `STRIP` vectors: V8 loads all of a strip's vectors
 * before it uses one, and has registers for so many vectors and sums.
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
  select,
  storeSome,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { instantiate, type WasmMemory } from './module.ts';

/** Vectors of a strip. Measured: 4 to 7 are nearly as fast, and 8 take twice as long. */
const STRIP = 5;
/** Rows of C that all strips of columns pass by before the next do: what they are made of stays in cache. */
const ROWS_AT_A_TIME = 64;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const constant = i32.const;

type Madd = (x: Code, y: Code, sum: Code) => Code;

/** Stores `vectors`, as far as the `left` bytes of a row go: to some lane of the last. */
const storeStrip = (at: Local, vectors: readonly Local[], left: Local): Code => {
  const last = vectors.at(-1)!;
  const offset = 16 * (vectors.length - 1);
  return [
    vectors.slice(0, -1).map((v, i) => v128.store(at, v, 16 * i)),
    when(
      i32.geU(left, constant(offset + 16)),
      v128.store(at, last, offset),
      storeSome(at, last, offset, (lanes) => i32.eq(left, constant(offset + 4 * lanes))),
    ),
  ];
};

/** C[m, strip] (+)= the sums of the ranges (+ bias): the m + 1 numbers at `starts` are where they begin, and where the last ends. */
const gather = (module: ModuleBuilder, vectors: number, madd: Madd): Call =>
  module.func({
    params: i32s('m', 'starts', 'elements', 'b', 'bRow', 'c', 'cRow', 'left', 'accumulate', 'bias'),
    body: ({ m, starts, elements, b, bRow, c, cRow, left, accumulate, bias }, local) => {
      const sums = range(vectors).map(() => local('v128'));
      const [value, zero] = [local('v128'), local('v128')];
      const [at, end, row] = [local('i32'), local('i32'), local('i32')];
      const element: Code = [
        row.set(i32.add(b, i32.mul(i32.load(at), bRow))),
        value.set(f32x4.loadSplat(at, 4)),
        sums.map((sum, i) => sum.set(madd(value, v128.load(row, 16 * i), sum))),
        advance(at, constant(8)),
      ];
      const place = (number: Code): Code => i32.add(elements, i32.shl(number, constant(3)));
      return whileLoop(m, [
        at.set(place(i32.load(starts))),
        end.set(place(i32.load(starts, 4))),
        sums.map((sum) => sum.set(zero)),
        whileLoop(i32.ltU(at, end), element),
        when(
          accumulate,
          sums.map((sum, i) => sum.set(f32x4.add(v128.load(c, 16 * i), sum))),
        ),
        when(
          bias,
          sums.map((sum, i) => sum.set(f32x4.add(sum, v128.load(bias, 16 * i)))),
        ),
        storeStrip(c, sums, left),
        advance(starts, constant(4)),
        advance(c, cRow),
        advance(m, constant(-1)),
      ]);
    },
  });

/** C[m, n] = the sums of the ranges of all `blocks` (+ bias), whose starts lie `blockStep` apart. Rows of C are dense. */
const product = (module: ModuleBuilder, madd: Madd): void => {
  const strips = range(STRIP).map((i) => gather(module, i + 1, madd));
  module.func({
    export: 'product',
    params: i32s('m', 'n', 'starts', 'blocks', 'blockStep', 'elements', 'b', 'bRow', 'c', 'bias'),
    body: ({ m, n, starts, blocks, blockStep, elements, b, bRow, c, bias }, local) => {
      const [rows, block, from] = [local('i32'), local('i32'), local('i32')];
      // In bytes of a row of C.
      const [column, left, added, cRow] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const run = (width: number): Code =>
        strips[width - 1](
          rows,
          from,
          elements,
          i32.add(b, column),
          bRow,
          i32.add(c, column),
          cRow,
          left,
          block,
          select(added, i32.add(added, column), constant(0)),
        );
      /** The next strip, of up to `width` vectors. */
      const next = (width: number): Code =>
        width === 1 ? run(1) : when(i32.gtS(left, constant(16 * width - 16)), run(width), next(width - 1));
      return [
        cRow.set(i32.shl(n, constant(2))),
        whileLoop(m, [
          rows.set(select(i32.ltU(m, constant(ROWS_AT_A_TIME)), m, constant(ROWS_AT_A_TIME))),
          block.set(constant(0)),
          from.set(starts),
          whileLoop(i32.ltU(block, blocks), [
            // To the whole sum.
            added.set(select(i32.eq(i32.add(block, constant(1)), blocks), bias, constant(0))),
            column.set(constant(0)),
            left.set(cRow),
            whileLoop(i32.gtS(left, constant(0)), [
              next(STRIP),
              advance(column, constant(16 * STRIP)),
              advance(left, constant(-16 * STRIP)),
            ]),
            advance(from, blockStep),
            advance(block, constant(1)),
          ]),
          advance(starts, i32.shl(rows, constant(2))),
          advance(c, i32.mul(rows, cRow)),
          m.set(i32.sub(m, rows)),
        ]),
      ];
    },
  });
};

/** 1 if the `count` vectors from `p` on hold nothing but finite numbers, else 0. */
const finite = (module: ModuleBuilder): Call =>
  module.func({
    export: 'finite',
    params: i32s('p', 'count'),
    result: 'i32',
    body: ({ p, count }, local) => {
      const [sum, zero] = [local('v128'), local('v128')];
      return [
        // x times 0 is 0, or NaN.
        whileLoop(count, [
          sum.set(f32x4.add(sum, f32x4.mul(v128.load(p), zero))),
          advance(p, constant(16)),
          advance(count, constant(-1)),
        ]),
        i32.eqz(v128.anyTrue(f32x4.ne(sum, sum))),
      ];
    },
  });

/** Pointers and steps in bytes. */
export interface SparseKernel {
  /** 1 if all numbers of that many vectors are finite, else 0. */
  finite(p: number, vectors: number): number;
  /** Without a bias that is 0. Up to 12 bytes behind a row of B and of C, and behind the bias, are read. */
  product(
    m: number,
    n: number,
    starts: number,
    blocks: number,
    blockStep: number,
    elements: number,
    b: number,
    bRow: number,
    c: number,
    bias: number,
  ): void;
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compileSparse = (memory: WasmMemory, relaxed: boolean): SparseKernel | undefined => {
  const module = wasmModule();
  finite(module);
  product(module, (x, y, sum) => (relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y))));
  return instantiate<SparseKernel>(module, memory);
};
