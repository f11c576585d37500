/**
 * The transpose of a float32 matrix in WebAssembly memory, out[j, i] = x[i, j]: four rows of x at a time, four columns of them a square that
 * is turned in registers.
 */
import { advance, type Code, f32, f32x4, i32, repeat, v128, wasmModule, whileLoop } from './assembler.ts';
import { instantiate, type WasmMemory } from './module.ts';

const constant = i32.const;

/**
 * Rows of x are `xRow` bytes apart, those of the result `outRow`. Whole vectors of it are written: of rows that x does not have (its last
 * one repeated) up to three elements behind each row of the result.
 */
export type Transpose = (rows: number, columns: number, x: number, xRow: number, out: number, outRow: number) => void;

/** Compiles the kernel over `memory`; undefined where the engine has no such vectors. */
export const compileTranspose = (memory: WasmMemory): Transpose | undefined => {
  const module = wasmModule();
  module.func({
    export: 'transpose',
    params: { rows: 'i32', columns: 'i32', x: 'i32', xRow: 'i32', out: 'i32', outRow: 'i32' },
    body: ({ rows, columns, x, xRow, out, outRow }, local) => {
      const line = [0, 1, 2, 3].map(() => local('i32'));
      const [left, to] = [local('i32'), local('i32')];
      const [a, b, c, d, ab, cd, abHigh, cdHigh] = [0, 1, 2, 3, 4, 5, 6, 7].map(() => local('v128'));
      const store = (v: Code): Code => [v128.store(to, v), advance(to, outRow)];
      const square: Code = [
        [a, b, c, d].map((v, i) => v.set(v128.load(line[i]))),
        ab.set(f32x4.shuffle(a, b, [0, 4, 1, 5])),
        cd.set(f32x4.shuffle(c, d, [0, 4, 1, 5])),
        abHigh.set(f32x4.shuffle(a, b, [2, 6, 3, 7])),
        cdHigh.set(f32x4.shuffle(c, d, [2, 6, 3, 7])),
        store(f32x4.shuffle(ab, cd, [0, 1, 4, 5])),
        store(f32x4.shuffle(ab, cd, [2, 3, 6, 7])),
        store(f32x4.shuffle(abHigh, cdHigh, [0, 1, 4, 5])),
        store(f32x4.shuffle(abHigh, cdHigh, [2, 3, 6, 7])),
        line.map((p) => advance(p, constant(16))),
      ];
      const column: Code = [
        line.map((p, i) => f32.store(to, f32.load(p), 4 * i)),
        line.map((p) => advance(p, constant(4))),
        advance(to, outRow),
      ];
      return whileLoop(i32.gtS(rows, constant(0)), [
        line.map((p, i) => p.set(i === 0 ? x : i32.add(line[i - 1], i32.mul(xRow, i32.gtS(rows, constant(i)))))),
        to.set(out),
        left.set(columns),
        repeat(left, 4, square),
        repeat(left, 1, column),
        advance(x, i32.mul(xRow, constant(4))),
        advance(out, constant(16)),
        advance(rows, constant(-4)),
      ]);
    },
  });
  return instantiate<{ transpose: Transpose }>(module, memory)?.transpose;
};
