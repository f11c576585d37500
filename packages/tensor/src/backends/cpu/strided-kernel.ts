/**
 * Strided views in WebAssembly memory: one copied into another, and windows added up where they lie (the two halves of a convolution that
 * are not its product). Both walk two views together: runs along the last axis, rows of runs along the one before, and over the other
 * axes as a table in memory says, which holds for each axis, the fastest first, four numbers:
 *
 *   its length, how much of it is left, and how far the first and the second view move when it goes on
 *
 * A move takes back what the faster axes have moved, so that there is one of them for a row. Steps and pointers are in bytes.
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
import { instantiate, type WasmMemory } from './module.ts';

const { const: int } = i32;

/** Bytes of an axis in a table. */
export const AXIS = 16;

const WALK = i32s('n', 'step', 'outStep', 'rows', 'row', 'outRow', 'table', 'end');
type Walk = Readonly<Record<keyof typeof WALK, Local>>;

/** Does `body` for each row of runs: `x` and `out` are where it begins. They are moved. */
const overTable = ({ table, end }: Walk, local: (type: ValueType) => Local, x: Local, out: Local, body: Code): Code => {
  const [axis, left, more] = [local('i32'), local('i32'), local('i32')];
  return [
    more.set(int(1)),
    whileLoop(more, [
      body,
      axis.set(table),
      // Axes at their end begin again. (What is read behind the table is not used.)
      whileLoop(i32.and(i32.ltU(axis, end), i32.eqz(left.tee(i32.sub(i32.load(axis, 4), int(1))))), [
        i32.store(axis, i32.load(axis), 4),
        advance(axis, int(AXIS)),
      ]),
      more.set(i32.ltU(axis, end)),
      when(more, [i32.store(axis, left, 4), advance(x, i32.load(axis, 8)), advance(out, i32.load(axis, 12))]),
    ]),
  ];
};

/** Runs of a row: `dense` where elements lie side by side in both views, else `one` at a time. Both have `from`, `to` and `left` elements. */
const overRuns = (
  { n, step, outStep, rows, row, outRow }: Walk,
  local: (type: ValueType) => Local,
  x: Local,
  out: Local,
  outBytes: number,
  dense: (from: Local, to: Local, left: Local) => Code,
  one: (from: Local, to: Local) => Code,
): Code => {
  const [count, left, from, to] = [local('i32'), local('i32'), local('i32'), local('i32')];
  const [fromRow, toRow] = [local('i32'), local('i32')];
  return [
    count.set(rows),
    fromRow.set(x),
    toRow.set(out),
    repeat(count, 1, [
      left.set(n),
      from.set(fromRow),
      to.set(toRow),
      when(
        i32.and(i32.eq(step, int(4)), i32.eq(outStep, int(outBytes))),
        dense(from, to, left),
        repeat(left, 1, [one(from, to), advance(from, step), advance(to, outStep)]),
      ),
      advance(fromRow, row),
      advance(toRow, outRow),
    ]),
  ];
};

const copy = (module: ModuleBuilder): void => {
  module.func({
    export: 'copy',
    params: { ...WALK, ...i32s('x', 'out') },
    body: ({ x, out, ...walk }, local) => {
      const move = (from: Local, to: Local) => i32.store(to, i32.load(from));
      const dense = (from: Local, to: Local, left: Local) => {
        const vectors = (count: number) =>
          repeat(left, 4 * count, [
            Array.from({ length: count }, (_, i) => v128.store(to, v128.load(from, 16 * i), 16 * i)),
            advance(from, int(16 * count)),
            advance(to, int(16 * count)),
          ]);
        return [vectors(4), vectors(1), repeat(left, 1, [move(from, to), advance(from, int(4)), advance(to, int(4))])];
      };
      return overTable(walk, local, x, out, overRuns(walk, local, x, out, 4, dense, move));
    },
  });
};

const addWindows = (module: ModuleBuilder): void => {
  module.func({
    export: 'addWindows',
    params: { ...WALK, ...i32s('planes', 'x', 'plane', 'sums', 'size', 'out') },
    body: ({ planes, x, plane, sums, size, out, ...walk }, local) => {
      const [left, at, to] = [local('i32'), local('i32'), local('i32')];
      const zero = local('v128');
      const add = (from: Local, sum: Local) => f64.store(sum, f64.add(f64.load(sum), f64.fromF32(f32.load(from))));
      const addTwo = (from: Local, sum: Local, i: number) =>
        v128.store(sum, f64x2.add(v128.load(sum, 16 * i), f64x2.fromLowF32x4(v128.load64Zero(from, 8 * i))), 16 * i);
      const dense = (from: Local, sum: Local, count: Local) => [
        repeat(count, 4, [addTwo(from, sum, 0), addTwo(from, sum, 1), advance(from, int(16)), advance(sum, int(32))]),
        repeat(count, 1, [add(from, sum), advance(from, int(4)), advance(sum, int(8))]),
      ];
      return repeat(planes, 1, [
        left.set(size),
        to.set(sums),
        repeat(left, 2, [v128.store(to, zero), advance(to, int(16))]),
        when(left, f64.store(to, f64.const(0))),
        at.set(x),
        to.set(sums),
        overTable(walk, local, at, to, overRuns(walk, local, at, to, 8, dense, add)),
        left.set(size),
        to.set(sums),
        repeat(left, 4, [
          v128.store(
            out,
            f32x4.shuffle(f32x4.fromF64x2(v128.load(to)), f32x4.fromF64x2(v128.load(to, 16)), [0, 1, 4, 5]),
          ),
          advance(out, int(16)),
          advance(to, int(32)),
        ]),
        repeat(left, 1, [f32.store(out, f32.fromF64(f64.load(to))), advance(out, int(4)), advance(to, int(8))]),
        advance(x, plane),
      ]);
    },
  });
};

/** A walk over two views that has at least one element: see above. `end` is that of the table. */
export type WalkArguments = readonly [
  n: number,
  step: number,
  outStep: number,
  rows: number,
  row: number,
  outRow: number,
  table: number,
  end: number,
];

/** Words of 4 bytes, from one view to another. */
export type CopyKernel = (...args: [...walk: WalkArguments, x: number, out: number]) => void;

/**
 * For each of some planes of float32 windows, `plane` bytes from one to the next: adds them up in `sums`, from 0 and in the order of the walk,
 * and rounds these `size` float64 to one of the planes of `out` (float32), which lie side by side. The second view of the walk is that of sums.
 */
export type AddWindowsKernel = (
  ...args: [...walk: WalkArguments, planes: number, x: number, plane: number, sums: number, size: number, out: number]
) => void;

/** Compiles a kernel over `memory`; undefined where the engine has no such vectors. */
export const compileCopy = (memory: WasmMemory): CopyKernel | undefined => {
  const module = wasmModule();
  copy(module);
  return instantiate<{ copy: CopyKernel }>(module, memory)?.copy;
};

export const compileAddWindows = (memory: WasmMemory): AddWindowsKernel | undefined => {
  const module = wasmModule();
  addWindows(module);
  return instantiate<{ addWindows: AddWindowsKernel }>(module, memory)?.addWindows;
};
