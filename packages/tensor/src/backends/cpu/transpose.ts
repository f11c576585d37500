/**
 * The transpose of a float matrix in WebAssembly memory, out[j, i] = x[i, j]: some rows of x at a time, as many as a vector has elements,
 * and as many columns of them are a square that is turned in registers.
 */
import {
  advance,
  type Code,
  f32,
  f32x4,
  f64,
  i32,
  i32s,
  type Local,
  repeat,
  v128,
  wasmModule,
  whileLoop,
} from './assembler.ts';
import { instantiate, type WasmMemory } from './module.ts';

const constant = i32.const;

/** How vectors of one type are turned: square by square, and the columns that fill none. */
interface Turn {
  /** Elements of a vector, which is as many rows. */
  readonly rows: number;
  readonly bytes: number;
  readonly vectors: number;
  /** Sets `vectors` from those at `lines` and gives the columns. */
  square(
    lines: readonly Local[],
    vectors: readonly Local[],
  ): { readonly load: Code; readonly columns: readonly Code[] };
  /** Moves one element. */
  move(to: Code, from: Code, offset: number): Code;
}

const FLOAT32: Turn = {
  rows: 4,
  bytes: 4,
  vectors: 8,
  square: (lines, [a, b, c, d, ab, cd, abHigh, cdHigh]) => ({
    load: [
      [a, b, c, d].map((v, i) => v.set(v128.load(lines[i]))),
      ab.set(f32x4.shuffle(a, b, [0, 4, 1, 5])),
      cd.set(f32x4.shuffle(c, d, [0, 4, 1, 5])),
      abHigh.set(f32x4.shuffle(a, b, [2, 6, 3, 7])),
      cdHigh.set(f32x4.shuffle(c, d, [2, 6, 3, 7])),
    ],
    columns: [
      f32x4.shuffle(ab, cd, [0, 1, 4, 5]),
      f32x4.shuffle(ab, cd, [2, 3, 6, 7]),
      f32x4.shuffle(abHigh, cdHigh, [0, 1, 4, 5]),
      f32x4.shuffle(abHigh, cdHigh, [2, 3, 6, 7]),
    ],
  }),
  move: (to, from, offset) => f32.store(to, f32.load(from), offset),
};

/** A float64 is two lanes of float32. */
const FLOAT64: Turn = {
  rows: 2,
  bytes: 8,
  vectors: 2,
  square: (lines, [a, b]) => ({
    load: [a, b].map((v, i) => v.set(v128.load(lines[i]))),
    columns: [f32x4.shuffle(a, b, [0, 1, 4, 5]), f32x4.shuffle(a, b, [2, 3, 6, 7])],
  }),
  move: (to, from, offset) => f64.store(to, f64.load(from), offset),
};

/**
 * Rows of x are `xRow` bytes apart, those of the result `outRow`: no less than it is wide. Whole vectors of it are written, so that up to
 * 12 bytes behind its last row are too.
 */
export type Transpose = (rows: number, columns: number, x: number, xRow: number, out: number, outRow: number) => void;

/** Compiles the kernel over `memory`; undefined where the engine has no such vectors. */
export const compileTranspose = (
  memory: WasmMemory,
  dtype: 'float32' | 'float64' = 'float32',
): Transpose | undefined => {
  const turn = dtype === 'float32' ? FLOAT32 : FLOAT64;
  const module = wasmModule();
  module.func({
    export: 'transpose',
    params: i32s('rows', 'columns', 'x', 'xRow', 'out', 'outRow'),
    body: ({ rows, columns, x, xRow, out, outRow }, local) => {
      const lines = Array.from({ length: turn.rows }, () => local('i32'));
      const vectors = Array.from({ length: turn.vectors }, () => local('v128'));
      const [first, left, to] = [local('i32'), local('i32'), local('i32')];
      const square = turn.square(lines, vectors);
      const next = (columnsMoved: number): Code => lines.map((p) => advance(p, constant(turn.bytes * columnsMoved)));
      // A row that x does not have is the one before. What is written of it is the beginning of the next row of the result, and is written
      // over: the rows that may be missing come first, and all that has fewer goes downwards.
      const startOf = (i: number): Code =>
        i === 0
          ? i32.add(x, i32.mul(first, xRow))
          : i32.add(lines[i - 1], i32.mul(xRow, i32.gtS(i32.sub(rows, first), constant(i))));
      return whileLoop(i32.gtS(rows, constant(0)), [
        first.set(i32.and(i32.sub(rows, constant(1)), constant(-turn.rows))),
        lines.map((p, i) => p.set(startOf(i))),
        to.set(i32.add(out, i32.mul(first, constant(turn.bytes)))),
        left.set(columns),
        repeat(left, turn.rows, [
          square.load,
          square.columns.map((column) => [v128.store(to, column), advance(to, outRow)]),
          next(turn.rows),
        ]),
        repeat(left, 1, [lines.map((p, i) => turn.move(to, p, turn.bytes * i)), next(1), advance(to, outRow)]),
        rows.set(first),
      ]);
    },
  });
  return instantiate<{ transpose: Transpose }>(module, memory)?.transpose;
};
