/**
 * The kernels behind gemm-wide.ts, in WebAssembly memory. Lines of A and columns of B, 512 terms at a time, are widened to float64 beside
 * one another in the first- and second-level cache; then two lines meet two columns in registers, four lanes to each of the four
 * sums, so that each number loaded is used twice. The lanes of all sums wait in a table between two runs of terms.
 *
 * Where the machine fuses multiply and add, and both operands are float32, they are fused: the product is exact, so there is only one
 * rounding in either case, and the bits are the same.
 */
import {
  advance,
  type Code,
  f32,
  f64,
  f64x2,
  i32,
  i32s,
  type Local,
  type ModuleBuilder,
  repeat,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { WIDE_LANES } from './gemm-wide-loops.ts';
import { instantiate, type WasmMemory } from './module.ts';

const { const: int, add, mul, sub } = i32;
const BOTH = [0, 1] as const;

/** Bytes of the lanes of one sum. */
export const LANE_BYTES = 8 * WIDE_LANES;

type Madd = (x: Code, y: Code, sum: Code) => Code;

/** Two float64 from two float32 or two float64 at `at`. */
const pair = (bytes: number, at: Code, index: number): Code =>
  bytes === 4 ? f64x2.fromLowF32x4(v128.load64Zero(at, 8 * index)) : v128.load(at, 16 * index);

/** Rows of n float32 or float64, from any strides, as dense float64 rows with zeros up to a whole number of four. */
const widen = (module: ModuleBuilder, bytes: 4 | 8): void => {
  module.func({
    export: `widen${8 * bytes}`,
    params: i32s('rows', 'n', 'x', 'rowStep', 'step', 'out'),
    body: ({ rows, n, x, rowStep, step, out }, local) => {
      const [left, at] = [local('i32'), local('i32')];
      const one = bytes === 4 ? f64.fromF32(f32.load(at)) : f64.load(at);
      return repeat(rows, 1, [
        left.set(n),
        at.set(x),
        when(
          i32.eq(step, int(bytes)),
          repeat(left, 4, [
            BOTH.map((i) => v128.store(out, pair(bytes, at, i), 16 * i)),
            advance(at, int(4 * bytes)),
            advance(out, int(32)),
          ]),
        ),
        repeat(left, 1, [f64.store(out, one), advance(at, step), advance(out, int(8))]),
        left.set(i32.and(sub(int(0), n), int(3))),
        repeat(left, 1, [f64.store(out, f64.const(0)), advance(out, int(8))]),
        advance(x, rowStep),
      ]);
    },
  });
};

/**
 * Two lines x against two lines y, `fours` times four terms, added to the table. The second line is the first plus a step, which is 0 where
 * there is none. Lines x may be float32.
 */
const meet = (module: ModuleBuilder, xBytes: 4 | 8, madd: Madd) =>
  module.func({
    params: i32s('fours', 'x0', 'xStep', 'y0', 'yStep', 'table', 'tableRow'),
    body: ({ fours, x0, xStep, y0, yStep, table, tableRow }, local) => {
      const [x1, y1, row1] = [local('i32'), local('i32'), local('i32')];
      const rows = [table, row1];
      const [x, y] = [BOTH.map(() => local('v128')), BOTH.map(() => local('v128'))];
      const sums = BOTH.map(() => BOTH.map(() => BOTH.map(() => local('v128'))));
      // Half by half: V8 forms sums in the order in which they are stored, and of halves by turns it would hold all eight operands at once.
      const each = (f: (sum: Local, i: number, j: number, half: number) => Code) =>
        BOTH.map((half) => BOTH.map((i) => BOTH.map((j) => f(sums[i][j][half], i, j, half))));
      const at = (j: number, half: number) => LANE_BYTES * j + 16 * half;
      const step = (half: number): Code => [
        x[0].set(pair(xBytes, x0, half)),
        x[1].set(pair(xBytes, x1, half)),
        y[0].set(pair(8, y0, half)),
        y[1].set(pair(8, y1, half)),
        BOTH.map((i) => BOTH.map((j) => sums[i][j][half].set(madd(x[i], y[j], sums[i][j][half])))),
      ];
      return [
        x1.set(add(x0, xStep)),
        y1.set(add(y0, yStep)),
        row1.set(add(table, tableRow)),
        each((sum, i, j, half) => sum.set(v128.load(rows[i], at(j, half)))),
        repeat(fours, 1, [
          step(0),
          step(1),
          [x0, x1].map((p) => advance(p, int(4 * xBytes))),
          [y0, y1].map((p) => advance(p, int(32))),
        ]),
        each((sum, i, j, half) => v128.store(rows[i], sum, at(j, half))),
      ];
    },
  });

/** All m lines x against n lines y; only those on and above the diagonal where `symmetric` is 1. */
const block = (module: ModuleBuilder, name: string, xBytes: 4 | 8, madd: Madd): void => {
  const two = meet(module, xBytes, madd);
  module.func({
    export: name,
    params: i32s('m', 'n', 'fours', 'x', 'xRow', 'y', 'yRow', 'table', 'tableRow', 'symmetric'),
    body: ({ m, n, fours, x, xRow, y, yRow, table, tableRow, symmetric }, local) => {
      const [i, j, yAt, tableAt] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const second = (at: Code, count: Code, step: Code) => mul(step, i32.ltS(add(at, int(1)), count));
      return whileLoop(i32.ltS(i, m), [
        j.set(mul(i, symmetric)),
        yAt.set(add(y, mul(j, yRow))),
        tableAt.set(add(table, mul(j, int(LANE_BYTES)))),
        whileLoop(i32.ltS(j, n), [
          two(fours, x, second(i, m, xRow), yAt, second(j, n, yRow), tableAt, tableRow),
          advance(yAt, mul(yRow, int(2))),
          advance(tableAt, int(2 * LANE_BYTES)),
          advance(j, int(2)),
        ]),
        advance(x, mul(xRow, int(2))),
        advance(table, mul(tableRow, int(2))),
        advance(i, int(2)),
      ]);
    },
  });
};

const clear = (module: ModuleBuilder): void => {
  module.func({
    export: 'clear',
    params: i32s('at', 'end'),
    body: ({ at, end }) =>
      whileLoop(i32.ltU(at, end), [v128.store(at, f64x2.splat(f64.const(0))), advance(at, int(16))]),
  });
};

/** The sums of the lanes: out[i, j], and out[j, i] too where `symmetric` is 1. */
const join = (module: ModuleBuilder): void => {
  module.func({
    export: 'join',
    params: i32s('m', 'n', 'table', 'tableRow', 'out', 'outRow', 'symmetric'),
    body: ({ m, n, table, tableRow, out, outRow, symmetric }, local) => {
      const [i, j, at] = [local('i32'), local('i32'), local('i32')];
      const lanes = local('v128');
      const sum = f64.add(f64x2.lane(lanes, 0), f64x2.lane(lanes, 1));
      const element = (row: Code, column: Code) => add(out, add(mul(row, outRow), mul(column, int(8))));
      return whileLoop(i32.ltS(i, m), [
        j.set(mul(i, symmetric)),
        at.set(add(table, mul(j, int(LANE_BYTES)))),
        whileLoop(i32.ltS(j, n), [
          lanes.set(f64x2.add(v128.load(at), v128.load(at, 16))),
          f64.store(element(i, j), sum),
          when(symmetric, f64.store(element(j, i), sum)),
          advance(at, int(LANE_BYTES)),
          advance(j, int(1)),
        ]),
        advance(table, tableRow),
        advance(i, int(1)),
      ]);
    },
  });
};

/** One row of C from rows of B that lie dense: out[j] = sum over k of a[k] B[k, j], four columns at a time. */
const combine = (module: ModuleBuilder, bytes: 4 | 8, madd: Madd): void => {
  module.func({
    export: `combine${8 * bytes}`,
    params: i32s('n', 'k', 'a', 'b', 'bRow', 'out'),
    body: ({ n, k, a, b, bRow, out }, local) => {
      const [aAt, bAt, left] = [local('i32'), local('i32'), local('i32')];
      const factor = local('v128');
      const sums = Array.from({ length: WIDE_LANES }, () => BOTH.map(() => local('v128')));
      const zero = local('v128');
      const term = (lane: number, width: number): Code => [
        factor.set(f64x2.loadSplat(aAt)),
        sums[lane].slice(0, width).map((sum, i) => {
          const one = bytes === 4 ? f64x2.fromLowF32x4(v128.load32Zero(bAt)) : v128.load64Zero(bAt);
          return sum.set(madd(factor, width === 2 ? pair(bytes, bAt, i) : one, sum));
        }),
        advance(aAt, int(8)),
        advance(bAt, bRow),
      ];
      const column = (width: number): Code => [
        aAt.set(a),
        bAt.set(b),
        left.set(k),
        sums.map((lane) => lane.map((sum) => sum.set(zero))),
        repeat(
          left,
          WIDE_LANES,
          [0, 1, 2, 3].map((lane) => term(lane, width)),
        ),
        [0, 1, 2].map((lane) => when(i32.gtS(left, int(lane)), term(lane, width))),
        BOTH.slice(0, width).map((i) => {
          const sum = f64x2.add(f64x2.add(sums[0][i], sums[2][i]), f64x2.add(sums[1][i], sums[3][i]));
          return width === 2 ? v128.store(out, sum, 16 * i) : v128.store64Lane(out, sum, 0);
        }),
      ];
      return [
        repeat(n, 4, [column(2), advance(b, int(4 * bytes)), advance(out, int(32))]),
        repeat(n, 1, [column(1), advance(b, int(bytes)), advance(out, int(8))]),
      ];
    },
  });
};

type Widen = (rows: number, n: number, x: number, rowStep: number, step: number, out: number) => void;
type Block = (
  m: number,
  n: number,
  fours: number,
  x: number,
  xRow: number,
  y: number,
  yRow: number,
  table: number,
  tableRow: number,
  symmetric: 0 | 1,
) => void;
type Combine = (n: number, k: number, a: number, b: number, bRow: number, out: number) => void;

/** Pointers and steps are in bytes. */
export interface WideKernel {
  readonly widen32: Widen;
  readonly widen64: Widen;
  /** Lines x and y are float64. */
  readonly block64: Block;
  /** Lines x are float32. */
  readonly block32: Block;
  /** Zeros from `at` to `end`, which are a multiple of 16 apart. */
  clear(at: number, end: number): void;
  join(m: number, n: number, table: number, tableRow: number, out: number, outRow: number, symmetric: 0 | 1): void;
  /** Rows of B are float32, float64; a is float64. */
  readonly combine32: Combine;
  readonly combine64: Combine;
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. `fused` is for operands of float32 alone. */
export const compileWide = (memory: WasmMemory, fused: boolean): WideKernel | undefined => {
  const madd: Madd = (x, y, sum) => (fused ? f64x2.relaxedMadd(x, y, sum) : f64x2.add(sum, f64x2.mul(x, y)));
  const module = wasmModule();
  for (const bytes of [4, 8] as const) {
    widen(module, bytes);
    block(module, `block${8 * bytes}`, bytes, madd);
    combine(module, bytes, madd);
  }
  clear(module);
  join(module);
  return instantiate<WideKernel>(module, memory);
};
