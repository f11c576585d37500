/**
 * exp, and softmax and its logarithm over rows, of float32 in WebAssembly memory: in float64, two lanes at a time, and rounded once at the
 * end. Sums are in the order of fold-loops.ts, so the results have the bits of the loops of softmax.ts. (The largest element is found without
 * regard to NaN and to the sign of 0: where there is a NaN the whole row is, and where there are two zeros the logarithm is at least ln 2.)
 *
 * logSoftmax is three passes, so that the logarithms of two rows are one pair: within a row's own pass everything would wait for its one.
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
  type ValueType,
  v128,
  wasmModule,
  when,
  whileLoop,
} from './assembler.ts';
import { expVectors } from './exp.ts';
import { LANES, SHORT_ROW } from './fold-loops.ts';
import { logVectors } from './log.ts';
import { instantiate, type WasmMemory } from './module.ts';

const { const: int } = i32;
const VECTORS = [0, 1, 2, 3];

/** Two elements in float64. Of a row's last one the second lane is whatever lies behind it. */
const pair = (at: Code, i = 0): Code => f64x2.fromLowF32x4(v128.load64Zero(at, 8 * i));

/** Stores the float64 pairs `value` as float32 from `out` on, `left` elements in all; `next` goes on by some elements. */
const storePairs = (left: Local, out: Local, value: Code, next: (elements: number) => Code): Code => [
  repeat(left, 2, [v128.store64Lane(out, f32x4.fromF64x2(value), 0), next(2), advance(out, int(8))]),
  when(left, [v128.store32Lane(out, f32x4.fromF64x2(value), 0), next(1), advance(out, int(4))]),
];

const exp = (module: ModuleBuilder): void => {
  module.func({
    export: 'exp',
    params: i32s('n', 'x', 'out'),
    body: ({ n, x, out }, local) => {
      const { start, of } = expVectors(local);
      const low = local('v128');
      const four = [
        low.set(f32x4.fromF64x2(of(pair(x)))),
        v128.store(out, f32x4.shuffle(low, f32x4.fromF64x2(of(pair(x, 1))), [0, 1, 4, 5])),
        advance(x, int(16)),
        advance(out, int(16)),
      ];
      return [start, repeat(n, 4, four), storePairs(n, out, of(pair(x)), (elements) => advance(x, int(4 * elements)))];
    },
  });
};

/**
 * Runs over rows: `each` sees what a row's elements were shifted by, in both lanes, and the sum of their exponentials; `keep` each pair of
 * these, the i-th from where the row has got to, before `next` goes on by some elements.
 */
const overRows = (
  local: (type: ValueType) => Local,
  { rows, n, x }: Readonly<Record<'rows' | 'n' | 'x', Local>>,
  each: (shift: Local, total: Local) => Code,
  keep: (exps: Local, i: number) => Code = () => [],
  next: (elements: number) => Code = () => [],
): Code => {
  const { start, of } = expVectors(local);
  const [at, left, total] = [local('i32'), local('i32'), local('f64')];
  const [shift, zero, least, e] = [local('v128'), local('v128'), local('v128'), local('v128')];
  const lanes = VECTORS.map(() => local('v128'));
  const exps = (i: number) => [e.set(of(f64x2.sub(pair(at, i), shift))), keep(e, i)];
  const forward = (elements: number) => [advance(at, int(4 * elements)), next(elements)];
  const add = (j: number) => lanes[j].set(f64x2.add(lanes[j], e));
  const plus = (lane: number) => total.set(f64.add(total, f64x2.lane(e, lane)));
  const greater = (load: Code) => e.set(f32x4.pmax(e, load));
  const largest = [
    e.set(least),
    repeat(left, 4, [greater(v128.load(at)), advance(at, int(16))]),
    // One element in every lane.
    repeat(left, 1, [greater(f32x4.loadSplat(at)), advance(at, int(4))]),
    greater(f32x4.shuffle(e, e, [2, 3, 0, 1])),
    greater(f32x4.shuffle(e, e, [1, 0, 3, 2])),
    shift.set(f64x2.fromLowF32x4(e)),
    // 0 where that is infinite.
    shift.set(v128.and(shift, f64x2.eq(f64x2.sub(shift, shift), zero))),
  ];
  const short = [
    total.set(f64.const(0)),
    repeat(left, 4, [[0, 1].map((i) => [exps(i), plus(0), plus(1)]), forward(4)]),
    whileLoop(i32.gtS(left, int(0)), [
      [exps(0), plus(0), when(i32.gtS(left, int(1)), plus(1))],
      [forward(2), advance(left, int(-2))],
    ]),
  ];
  const long = [
    lanes.map((lane) => lane.set(zero)),
    repeat(left, LANES, [VECTORS.map((j) => [exps(j), add(j)]), forward(LANES)]),
    // Element l of what is left belongs to lane l.
    VECTORS.map((j) => {
      const lowOnly = when(i32.eq(left, int(2 * j + 1)), e.set(f32x4.shuffle(e, zero, [0, 1, 4, 5])));
      return when(i32.gtS(left, int(2 * j)), [exps(j), lowOnly, add(j)]);
    }),
    e.set(f64x2.add(f64x2.add(lanes[0], lanes[2]), f64x2.add(lanes[1], lanes[3]))),
    total.set(f64.add(f64x2.lane(e, 0), f64x2.lane(e, 1))),
  ];
  return [
    start,
    zero.set(f64x2.splat(f64.const(0))),
    least.set(f32x4.splat(f32.const(-Infinity))),
    repeat(rows, 1, [
      [at.set(x), left.set(n), largest],
      [at.set(x), left.set(n)],
      when(i32.ltS(n, int(SHORT_ROW)), short, long),
      each(shift, total),
      advance(x, i32.mul(n, int(4))),
    ]),
  ];
};

const softmax = (module: ModuleBuilder): void => {
  module.func({
    export: 'softmax',
    params: i32s('rows', 'n', 'x', 'exps', 'out'),
    body: ({ exps, out, ...operands }, local) => {
      const [at, left, sum] = [local('i32'), local('i32'), local('v128')];
      const divide = (_: Local, total: Local) => [
        sum.set(f64x2.splat(total)),
        at.set(exps),
        left.set(operands.n),
        storePairs(left, out, f64x2.div(v128.load(at), sum), (elements) => advance(at, int(8 * elements))),
        at.set(exps),
      ];
      const keep = (e: Local, i: number) => v128.store(at, e, 16 * i);
      return [at.set(exps), overRows(local, operands, divide, keep, (elements) => advance(at, int(8 * elements)))];
    },
  });
};

const sumExps = (module: ModuleBuilder): void => {
  module.func({
    export: 'sumExps',
    params: i32s('rows', 'n', 'x', 'shifts', 'sums'),
    body: ({ shifts, sums, ...operands }, local) =>
      overRows(local, operands, (shift, total) => [
        v128.store64Lane(shifts, shift, 0),
        f64.store(sums, total),
        advance(shifts, int(8)),
        advance(sums, int(8)),
      ]),
  });
};

const logSums = (module: ModuleBuilder): void => {
  module.func({
    export: 'logSums',
    params: i32s('n', 'sums'),
    body: ({ n, sums }, local) => {
      const { start, of } = logVectors(local);
      return [
        start,
        repeat(n, 2, [v128.store(sums, of(v128.load(sums))), advance(sums, int(16))]),
        when(n, v128.store64Lane(sums, of(v128.load64Zero(sums)), 0)),
      ];
    },
  });
};

const subtract = (module: ModuleBuilder): void => {
  module.func({
    export: 'subtract',
    params: i32s('rows', 'n', 'x', 'shifts', 'logs', 'out'),
    body: ({ rows, n, x, shifts, logs, out }, local) => {
      const [left, shift, log] = [local('i32'), local('v128'), local('v128')];
      const value = f64x2.sub(f64x2.sub(pair(x), shift), log);
      return repeat(rows, 1, [
        shift.set(f64x2.loadSplat(shifts)),
        log.set(f64x2.loadSplat(logs)),
        left.set(n),
        storePairs(left, out, value, (elements) => advance(x, int(4 * elements))),
        advance(shifts, int(8)),
        advance(logs, int(8)),
      ]);
    },
  });
};

/** Pointers are in bytes. Rows lie side by side and their elements too; `out` is dense and overlaps nothing. */
export interface SoftmaxKernel {
  /** out[i] = exp(x[i]). */
  readonly exp: (n: number, x: number, out: number) => void;
  /**
   * out[i, j] = exp(x[i, j] - m[i]) / sum over k of exp(x[i, k] - m[i]), m[i] being the largest x[i, k] or, where that is not finite, 0. `exps` has
   * room for n + 1 float64.
   */
  readonly softmax: (rows: number, n: number, x: number, exps: number, out: number) => void;
  /** shifts[i] = m[i] and sums[i] = sum over k of exp(x[i, k] - m[i]), in float64. */
  readonly sumExps: (rows: number, n: number, x: number, shifts: number, sums: number) => void;
  /** sums[i] = log(sums[i]). */
  readonly logSums: (n: number, sums: number) => void;
  /** out[i, j] = x[i, j] - shifts[i] - logs[i]. */
  readonly subtract: (rows: number, n: number, x: number, shifts: number, logs: number, out: number) => void;
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compileSoftmax = (memory: WasmMemory): SoftmaxKernel | undefined => {
  const module = wasmModule();
  for (const add of [exp, softmax, sumExps, logSums, subtract]) add(module);
  return instantiate<SoftmaxKernel>(module, memory);
};
