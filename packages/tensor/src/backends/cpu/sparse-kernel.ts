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
  type Local,
  type ModuleBuilder,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { instantiate, type WasmMemory } from './module.ts';

/** Vectors of a strip. Measured: 4 to 7 are nearly as fast, and 8 take twice as long. */
export const STRIP = 5;

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

/** C[m, strip] (+)= the sums of the ranges (+ bias): the m + 1 numbers at `starts` are where they begin, and where the last ends. */
const gather = (module: ModuleBuilder, vectors: number, madd: Madd): Call =>
  module.func({
    export: `gather${vectors}`,
    params: {
      m: 'i32',
      starts: 'i32',
      elements: 'i32',
      b: 'i32',
      bRow: 'i32',
      c: 'i32',
      cRow: 'i32',
      lanes: 'i32',
      accumulate: 'i32',
      bias: 'i32',
    },
    body: ({ m, starts, elements, b, bRow, c, cRow, lanes, accumulate, bias }, local) => {
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
        storeStrip(c, sums, lanes),
        advance(starts, constant(4)),
        advance(c, cRow),
        advance(m, constant(-1)),
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
  /** By the vectors of a strip, less one. Pointers and steps in bytes. Up to 12 bytes behind a row of B and of C, and behind the bias, are read. */
  readonly gather: readonly Strip[];
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compileSparse = (memory: WasmMemory, relaxed: boolean): SparseKernel | undefined => {
  const madd: Madd = (x, y, sum) => (relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y)));
  const module = wasmModule();
  finite(module);
  const strips = range(STRIP).map((i) => i + 1);
  for (const vectors of strips) gather(module, vectors, madd);
  const wasm = instantiate<Record<string, Strip> & Pick<SparseKernel, 'finite'>>(module, memory);
  if (wasm === undefined) return undefined;
  return { finite: wasm.finite, gather: strips.map((vectors) => wasm[`gather${vectors}`]!) };
};
