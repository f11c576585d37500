/**
 * The products of sparse-loops.ts on rows that lie in WebAssembly memory, with 128-bit vectors and the same bits.
 *
 *   C = X B     a row of C stays in vector registers while the nonzero elements of a row of X come by, each bringing a row of B
 *   C = X' D    a row of D stays in registers while they come by, each taking it to a row of C
 *
 * Columns go in strips of up to `STRIP` vectors: V8 has registers for no more.
 */
import {
  advance,
  type Call,
  type Code,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { instantiate, type WasmMemory } from './module.ts';

/** Vectors of a strip. */
export const STRIP = 7;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const constant = i32.const;

type Madd = (x: Code, y: Code, sum: Code) => Code;

/** Stores `vectors`, of whose last the first `lanes` columns exist. */
const storeStrip = (at: Local, vectors: readonly Local[], lanes: Local): Code => {
  const last = vectors.at(-1)!;
  const offset = 16 * (vectors.length - 1);
  return [
    vectors.slice(0, -1).map((v, i) => v128.store(at, v, 16 * i)),
    when(i32.eq(lanes, constant(4)), v128.store(at, last, offset), [
      when(i32.eq(lanes, constant(1)), v128.store32Lane(at, last, 0, offset), v128.store64Lane(at, last, 0, offset)),
      when(i32.eq(lanes, constant(3)), v128.store32Lane(at, last, 2, offset + 8)),
    ]),
  ];
};

/** C[m, strip] = X B for rows of X that have `blocks` blocks of columns. Elements count from `values` and `columns`, rows from `starts`. */
const gather = (module: ModuleBuilder, vectors: number, madd: Madd): Call =>
  module.func({
    export: `gather${vectors}`,
    params: {
      m: 'i32',
      blocks: 'i32',
      starts: 'i32',
      values: 'i32',
      columns: 'i32',
      b: 'i32',
      bRow: 'i32',
      c: 'i32',
      cRow: 'i32',
      lanes: 'i32',
    },
    body: ({ m, blocks, starts, values, columns, b, bRow, c, cRow, lanes }, local) => {
      const sums = range(vectors).map(() => local('v128'));
      const [value, zero] = [local('v128'), local('v128')];
      const [at, end, row, block] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const element: Code = [
        row.set(i32.add(b, i32.mul(i32.load(i32.add(columns, at)), bRow))),
        value.set(f32x4.loadSplat(i32.add(values, at))),
        sums.map((sum, i) => sum.set(madd(value, v128.load(row, 16 * i), sum))),
        advance(at, constant(4)),
      ];
      const oneBlock: Code = [
        at.set(i32.shl(i32.load(starts), constant(2))),
        end.set(i32.shl(i32.load(starts, 4), constant(2))),
        sums.map((sum) => sum.set(zero)),
        whileLoop(i32.ltU(at, end), element),
        when(
          block,
          sums.map((sum, i) => sum.set(f32x4.add(v128.load(c, 16 * i), sum))),
        ),
        storeStrip(c, sums, lanes),
        advance(starts, constant(4)),
        advance(block, constant(1)),
      ];
      return whileLoop(m, [
        block.set(constant(0)),
        whileLoop(i32.ltU(block, blocks), oneBlock),
        advance(c, cRow),
        advance(m, constant(-1)),
      ]);
    },
  });

/** C[width, strip] += X' D for `k` rows; `starts` are `startStep` apart, as far as the blocks of a row. C has room for whole vectors. */
const scatter = (module: ModuleBuilder, vectors: number, madd: Madd): Call =>
  module.func({
    export: `scatter${vectors}`,
    params: {
      k: 'i32',
      startStep: 'i32',
      starts: 'i32',
      values: 'i32',
      columns: 'i32',
      d: 'i32',
      dRow: 'i32',
      c: 'i32',
      cRow: 'i32',
    },
    body: ({ k, startStep, starts, values, columns, d, dRow, c, cRow }, local) => {
      const ds = range(vectors).map(() => local('v128'));
      const value = local('v128');
      const [at, end, row] = [local('i32'), local('i32'), local('i32')];
      const element: Code = [
        row.set(i32.add(c, i32.mul(i32.load(i32.add(columns, at)), cRow))),
        value.set(f32x4.loadSplat(i32.add(values, at))),
        ds.map((v, i) => v128.store(row, madd(value, v, v128.load(row, 16 * i)), 16 * i)),
        advance(at, constant(4)),
      ];
      return whileLoop(k, [
        at.set(i32.shl(i32.load(starts), constant(2))),
        advance(starts, startStep),
        end.set(i32.shl(i32.load(starts), constant(2))),
        ds.map((v, i) => v.set(v128.load(d, 16 * i))),
        whileLoop(i32.ltU(at, end), element),
        advance(d, dRow),
        advance(k, constant(-1)),
      ]);
    },
  });

/** 1 if the `count` vectors from `p` on hold nothing but finite numbers, else 0. */
const finite = (module: ModuleBuilder): Call =>
  module.func({
    export: 'finite',
    params: { p: 'i32', count: 'i32' },
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

type Strip = (...args: number[]) => void;

export interface SparseKernel {
  /** 1 if all numbers of that many vectors are finite, else 0. */
  finite(p: number, vectors: number): number;
  /** By the vectors of a strip, less one. Pointers and steps in bytes. Up to 12 bytes behind a row of B and of C are read. */
  readonly gather: readonly Strip[];
  readonly scatter: readonly Strip[];
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compileSparse = (memory: WasmMemory, relaxed: boolean): SparseKernel | undefined => {
  const madd: Madd = (x, y, sum) => (relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y)));
  const module = wasmModule();
  finite(module);
  const strips = range(STRIP).map((i) => i + 1);
  for (const vectors of strips) {
    gather(module, vectors, madd);
    scatter(module, vectors, madd);
  }
  const wasm = instantiate<Record<string, Strip> & Pick<SparseKernel, 'finite'>>(module, memory);
  if (wasm === undefined) return undefined;
  return {
    finite: wasm.finite,
    gather: strips.map((vectors) => wasm[`gather${vectors}`]!),
    scatter: strips.map((vectors) => wasm[`scatter${vectors}`]!),
  };
};
