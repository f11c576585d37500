/**
 * Sums, largest and smallest elements of float32 matrices in WebAssembly memory, over the rows (the last axis; the whole of a tensor is
 * one row) or over the columns (the first axis). Sums are in float64 and in the order of fold-loops.ts, so they have the bits of
 * the plain loops.
 *
 * Over a row the eight lanes are four vectors of two float64: four chains of additions hide the latency of one. Over columns the
 * lanes of a strip of columns are rows of a small table that stays in the first-level cache, and matrix row i is added to table row i mod 8.
 */
import {
  advance,
  type Code,
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  i32s,
  type Local,
  type ModuleBuilder,
  repeat,
  select,
  type ValueType,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { LANES, SHORT_ROW } from './fold-loops.ts';
import { instantiate, type WasmMemory } from './module.ts';

/** Columns of a strip. */
const STRIP = 256;
const VECTORS = [0, 1, 2, 3];

/** What a sum over columns needs as scratch. */
export const SUM_COLUMNS_SCRATCH = 8 * LANES * STRIP;

const { const: int, add, mul, sub } = i32;

/** The lanes of a row, from `at` on, `left` elements: those of whole rounds, and what is left, of which element l belongs to lane l. */
const rowOfLanes = (local: (type: ValueType) => Local, at: Local, left: Local) => {
  const lanes = VECTORS.map(() => local('v128'));
  const zero = local('v128');
  const total = local('f64');
  const plus = (j: number, load: Code) => lanes[j].set(f64x2.add(lanes[j], f64x2.fromLowF32x4(load)));
  return {
    total,
    start: lanes.map((lane) => lane.set(zero)),
    whole: repeat(left, LANES, [VECTORS.map((j) => plus(j, v128.load64Zero(at, 8 * j))), advance(at, int(4 * LANES))]),
    rest: VECTORS.map((j) => {
      const one = when(i32.eq(left, int(2 * j + 1)), plus(j, v128.load32Zero(at, 8 * j)));
      return when(i32.gtS(left, int(2 * j + 1)), plus(j, v128.load64Zero(at, 8 * j)), one);
    }),
    join: [
      zero.set(f64x2.add(f64x2.add(lanes[0], lanes[2]), f64x2.add(lanes[1], lanes[3]))),
      total.set(f64.add(f64x2.lane(zero, 0), f64x2.lane(zero, 1))),
      zero.set(f64x2.splat(f64.const(0))),
    ],
  };
};

const sumRows = (module: ModuleBuilder): void => {
  module.func({
    export: 'sumRows',
    params: i32s('rows', 'n', 'x', 'rowStep', 'out'),
    body: ({ rows, n, x, rowStep, out }, local) => {
      const [at, left] = [local('i32'), local('i32')];
      const { total, start, whole, rest, join } = rowOfLanes(local, at, left);
      const short = [
        total.set(f64.const(0)),
        repeat(left, 1, [total.set(f64.add(total, f64.fromF32(f32.load(at)))), advance(at, int(4))]),
      ];
      return repeat(rows, 1, [
        at.set(x),
        left.set(n),
        when(i32.ltS(n, int(SHORT_ROW)), short, [start, whole, rest, join]),
        f32.store(out, f32.fromF64(total)),
        advance(out, int(4)),
        advance(x, rowStep),
      ]);
    },
  });
};

const sumRuns = (module: ModuleBuilder): void => {
  module.func({
    export: 'sumRuns',
    params: i32s('rows', 'n', 'x', 'rowStep', 'out', 'runs', 'runStep'),
    body: ({ rows, n, x, rowStep, out, runs, runStep }, local) => {
      const [at, left, run, count] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const { total, start, whole, join } = rowOfLanes(local, at, left);
      return repeat(rows, 1, [
        start,
        run.set(x),
        count.set(runs),
        repeat(count, 1, [at.set(run), left.set(n), whole, advance(run, runStep)]),
        join,
        f32.store(out, f32.fromF64(total)),
        advance(out, int(4)),
        advance(x, rowStep),
      ]);
    },
  });
};

const sumColumns = (module: ModuleBuilder): void => {
  module.func({
    export: 'sumColumns',
    params: i32s('rows', 'n', 'x', 'rowStep', 'out', 'table'),
    body: ({ rows, n, x, rowStep, out, table }, local) => {
      const [width, bytes, end, row] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const [i, from, to, left] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const [mask, pair] = [local('i32'), local('v128')];
      const laneAt = (lane: number): Code => v128.load(add(to, mul(bytes, int(lane))));
      const plus = (load: Code, at: number) =>
        v128.store(to, f64x2.add(v128.load(to, at), f64x2.fromLowF32x4(load)), at);
      const sum = (a: Code, b: Code) => f64x2.add(a, b);
      const joined = sum(
        sum(sum(laneAt(0), laneAt(4)), sum(laneAt(2), laneAt(6))),
        sum(sum(laneAt(1), laneAt(5)), sum(laneAt(3), laneAt(7))),
      );
      return [
        mask.set(select(i32.ltS(rows, int(SHORT_ROW)), int(0), int(LANES - 1))),
        whileLoop(i32.gtS(n, int(0)), [
          width.set(select(i32.ltS(n, int(STRIP)), n, int(STRIP))),
          // A table row is a whole number of pairs.
          bytes.set(mul(i32.and(add(width, int(1)), int(-2)), int(8))),
          end.set(add(table, mul(bytes, add(mask, int(1))))),
          to.set(table),
          whileLoop(i32.ltU(to, end), [v128.store(to, f64x2.splat(f64.const(0))), advance(to, int(16))]),
          i.set(int(0)),
          row.set(x),
          whileLoop(i32.ltS(i, rows), [
            from.set(row),
            to.set(add(table, mul(bytes, i32.and(i, mask)))),
            left.set(width),
            repeat(left, 4, [
              plus(v128.load64Zero(from), 0),
              plus(v128.load64Zero(from, 8), 16),
              advance(from, int(16)),
              advance(to, int(32)),
            ]),
            repeat(left, 2, [plus(v128.load64Zero(from), 0), advance(from, int(8)), advance(to, int(16))]),
            when(left, plus(v128.load32Zero(from), 0)),
            advance(row, rowStep),
            advance(i, int(1)),
          ]),
          to.set(table),
          left.set(width),
          whileLoop(i32.gtS(left, int(0)), [
            when(mask, pair.set(f32x4.fromF64x2(joined)), pair.set(f32x4.fromF64x2(v128.load(to)))),
            when(i32.gtS(left, int(1)), v128.store64Lane(out, pair, 0), v128.store32Lane(out, pair, 0)),
            advance(out, select(i32.gtS(left, int(1)), int(8), int(4))),
            advance(to, int(16)),
            advance(left, int(-2)),
          ]),
          advance(x, mul(width, int(4))),
          n.set(sub(n, width)),
        ]),
      ];
    },
  });
};

/** The extreme of every row: `best(a, b)` of vectors, starting from `start`. */
const extremeRows = (module: ModuleBuilder, name: string, start: number, best: (a: Code, b: Code) => Code): void => {
  module.func({
    export: `${name}Rows`,
    params: i32s('rows', 'n', 'x', 'rowStep', 'out'),
    body: ({ rows, n, x, rowStep, out }, local) => {
      const [at, left, first] = [local('i32'), local('i32'), local('v128')];
      const lanes = VECTORS.map(() => local('v128'));
      const [a, b, c, d] = lanes as [Local, Local, Local, Local];
      const take = (lane: Local, load: Code) => lane.set(best(lane, load));
      return [
        first.set(f32x4.splat(f32.const(start))),
        repeat(rows, 1, [
          at.set(x),
          left.set(n),
          lanes.map((lane) => lane.set(first)),
          repeat(left, 16, [lanes.map((lane, j) => take(lane, v128.load(at, 16 * j))), advance(at, int(64))]),
          repeat(left, 4, [take(a, v128.load(at)), advance(at, int(16))]),
          // One element in every lane.
          repeat(left, 1, [take(b, f32x4.loadSplat(at)), advance(at, int(4))]),
          a.set(best(best(a, b), best(c, d))),
          a.set(best(a, f32x4.shuffle(a, a, [3, 2, 1, 0]))),
          a.set(best(a, f32x4.splat(f32x4.lane(a, 1)))),
          v128.store32Lane(out, a, 0),
          advance(out, int(4)),
          advance(x, rowStep),
        ]),
      ];
    },
  });
};

/** The extreme of every column: `out` holds those of the rows so far. */
const extremeColumns = (module: ModuleBuilder, name: string, start: number, best: (a: Code, b: Code) => Code): void => {
  module.func({
    export: `${name}Columns`,
    params: i32s('rows', 'n', 'x', 'rowStep', 'out'),
    body: ({ rows, n, x, rowStep, out }, local) => {
      const [from, to, left] = [local('i32'), local('i32'), local('i32')];
      const first = local('v128');
      const walk = (four: Code, one: Code): Code => [
        to.set(out),
        left.set(n),
        repeat(left, 4, [four, advance(from, int(16)), advance(to, int(16))]),
        repeat(left, 1, [one, advance(from, int(4)), advance(to, int(4))]),
      ];
      return [
        first.set(f32x4.splat(f32.const(start))),
        walk(v128.store(to, first), v128.store32Lane(to, first, 0)),
        repeat(rows, 1, [
          from.set(x),
          walk(
            v128.store(to, best(v128.load(to), v128.load(from))),
            v128.store32Lane(to, best(v128.load32Zero(to), v128.load32Zero(from)), 0),
          ),
          advance(x, rowStep),
        ]),
      ];
    },
  });
};

/** Pointers and row steps are in bytes. Elements of a row lie side by side; `out` is dense and overlaps nothing. */
type FoldRows = (rows: number, n: number, x: number, rowStep: number, out: number) => void;

/** Folds of x [rows, n] in float32. */
export interface FoldKernel {
  /** out[i] = sum over j of x[i, j]. */
  readonly sumRows: FoldRows;
  /**
   * out[i] = the sum of row i, which is `runs` runs of n elements, `runStep` bytes from one to the next: n is a multiple of LANES, and there
   * are at least SHORT_ROW of them in all.
   */
  readonly sumRuns: (
    rows: number,
    n: number,
    x: number,
    rowStep: number,
    out: number,
    runs: number,
    runStep: number,
  ) => void;
  readonly maxRows: FoldRows;
  readonly minRows: FoldRows;
  /** out[j] = sum over i of x[i, j]; `scratch` has SUM_COLUMNS_SCRATCH bytes, 8-byte aligned. */
  readonly sumColumns: (rows: number, n: number, x: number, rowStep: number, out: number, scratch: number) => void;
  readonly maxColumns: FoldRows;
  readonly minColumns: FoldRows;
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compileFold = (memory: WasmMemory): FoldKernel | undefined => {
  const module = wasmModule();
  sumRows(module);
  sumRuns(module);
  sumColumns(module);
  for (const fold of [extremeRows, extremeColumns]) {
    fold(module, 'max', -Infinity, f32x4.max);
    fold(module, 'min', Infinity, f32x4.min);
  }
  return instantiate<FoldKernel>(module, memory);
};
