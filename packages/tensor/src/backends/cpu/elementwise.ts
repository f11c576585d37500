/**
 * Elementwise arithmetic, comparison and selection on float32 (and where it is cheap float64) in WebAssembly memory:
 *
 *   out[i, j] = f(a[i, j], b[i, j])        for rows i and columns j
 *
 * A kernel is a formula on vectors; `sweep` runs it over a row, four vectors at a time, then one, then what is left lane by lane, so that
 * nothing outside the operands is read or written. An operand that stands still along a row (a scalar, or one number for each
 * row) is one vector of equal lanes; one that stands still from row to row (a bias) has row step 0. Every result is rounded
 * once, as IEEE 754 says, so it has the bits of the loops of loops.ts.
 */
import {
  advance,
  type Code,
  f32x4,
  f64x2,
  i8x16,
  i16x8,
  i32,
  i32s,
  i32x4,
  type Local,
  type ModuleBuilder,
  repeat,
  v128,
  wasmModule,
  when,
} from './assembler.ts';
import { instantiate, type WasmMemory } from './module.ts';

/** Elements as vectors: how many there are in one, their size, and how the last few are moved one at a time. */
const FLOAT32 = {
  lanes: 4,
  bytes: 4,
  ops: f32x4,
  splat: f32x4.loadSplat,
  loadOne: (at: Code) => v128.load32Zero(at),
  storeOne: (at: Code, value: Code) => v128.store32Lane(at, value, 0),
};
const FLOAT64 = {
  lanes: 2,
  bytes: 8,
  ops: f64x2,
  splat: f64x2.loadSplat,
  loadOne: (at: Code) => v128.load64Zero(at),
  storeOne: (at: Code, value: Code) => v128.store64Lane(at, value, 0),
};
type Elements = typeof FLOAT32 | typeof FLOAT64;

/** One operand of a row: vector `i` from here, one element from here, and the step to those that follow. */
interface Operand {
  vector(i: number): Code;
  readonly one: Code;
  next(elements: number): Code;
}

const sideBySide = (at: Local, { bytes, loadOne }: Elements): Operand => ({
  vector: (i) => v128.load(at, 16 * i),
  one: loadOne(at),
  next: (elements) => advance(at, i32.const(bytes * elements)),
});

const standingStill = (vector: Local): Operand => ({ vector: () => vector, one: vector, next: () => [] });

/** Four, then one, then a part of a vector: stores `formula` of the operands from `out` on, `left` elements in all. */
const sweep = (
  type: Elements,
  left: Local,
  out: Local,
  operands: readonly Operand[],
  formula: (...values: Code[]) => Code,
): Code => {
  const vector = (i: number) => v128.store(out, formula(...operands.map((x) => x.vector(i))), 16 * i);
  const step = (elements: number, body: Code) =>
    repeat(left, elements, [
      body,
      operands.map((x) => x.next(elements)),
      advance(out, i32.const(type.bytes * elements)),
    ]);
  return [
    step(4 * type.lanes, [0, 1, 2, 3].map(vector)),
    step(type.lanes, vector(0)),
    step(1, type.storeOne(out, formula(...operands.map((x) => x.one)))),
  ];
};

const unary = (module: ModuleBuilder, name: string, type: Elements, formula: (x: Code, zero: Code) => Code): void => {
  module.func({
    export: name,
    params: i32s('n', 'x', 'out'),
    body: ({ n, x, out }, local) => {
      const zero = local('v128');
      return sweep(type, n, out, [sideBySide(x, type)], (v) => formula(v, zero));
    },
  });
};

/** The rows of operands a and b, in each of the forms that `row` is given: both side by side, or one of them standing still. */
const overRows = (
  module: ModuleBuilder,
  name: string,
  type: Elements,
  row: (n: Local, out: Local, a: Operand, b: Operand, constant: Local) => Code,
  start: (constant: Local) => Code = () => [],
): void => {
  module.func({
    export: name,
    params: i32s('rows', 'n', 'a', 'aRow', 'aStep', 'b', 'bRow', 'bStep', 'out'),
    body: ({ rows, n, a, aRow, aStep, b, bRow, bStep, out }, local) => {
      const [left, aAt, bAt] = [local('i32'), local('i32'), local('i32')];
      const [still, constant] = [local('v128'), local('v128')];
      const hold = (at: Code) => still.set(type.splat(at));
      const [moving, held] = [(at: Local) => sideBySide(at, type), standingStill(still)];
      return [
        start(constant),
        repeat(rows, 1, [
          left.set(n),
          aAt.set(a),
          bAt.set(b),
          when(
            aStep,
            when(bStep, row(left, out, moving(aAt), moving(bAt), constant), [
              hold(b),
              row(left, out, moving(aAt), held, constant),
            ]),
            [hold(a), row(left, out, held, moving(bAt), constant)],
          ),
          advance(a, aRow),
          advance(b, bRow),
        ]),
      ];
    },
  });
};

const binary = (module: ModuleBuilder, name: string, type: Elements, formula: (a: Code, b: Code) => Code): void =>
  overRows(module, name, type, (left, out, a, b) => sweep(type, left, out, [a, b], formula));

/** One byte for each element, 1 where the comparison holds: sixteen at a time. */
const compare = (module: ModuleBuilder, name: string, holds: (a: Code, b: Code) => Code): void =>
  overRows(
    module,
    name,
    FLOAT32,
    (left, out, a, b, ones) => {
      const masks = [0, 1, 2, 3].map((i) => holds(a.vector(i), b.vector(i)));
      const bytes = i8x16.fromI16x8(i16x8.fromI32x4(masks[0], masks[1]), i16x8.fromI32x4(masks[2], masks[3]));
      const step = (elements: number, body: Code) =>
        repeat(left, elements, [body, a.next(elements), b.next(elements), advance(out, i32.const(elements))]);
      return [
        step(16, v128.store(out, v128.and(bytes, ones))),
        step(1, i32.store8(out, i32.and(i32x4.lane(holds(a.one, b.one), 0), i32.const(1)))),
      ];
    },
    (ones) => ones.set(i8x16.splat(i32.const(1))),
  );

/** `condition ? a : b`; the condition is bytes side by side, as many as the result has elements. */
const where = (module: ModuleBuilder): void => {
  module.func({
    export: 'where',
    params: i32s('n', 'condition', 'a', 'aStep', 'b', 'bStep', 'out'),
    body: ({ n, condition, a, aStep, b, bStep, out }, local) => {
      const [bytes, zero, heldA, heldB] = [local('v128'), local('v128'), local('v128'), local('v128')];
      const choose = (half: Code, x: Operand, y: Operand, i: number) =>
        v128.store(out, v128.select(y.vector(i), x.vector(i), i32x4.eq(half, zero)), 16 * i);
      const run = (x: Operand, y: Operand): Code => {
        const step = (elements: number, body: Code) =>
          repeat(n, elements, [
            body,
            advance(condition, i32.const(elements)),
            x.next(elements),
            y.next(elements),
            advance(out, i32.const(4 * elements)),
          ]);
        return [
          step(8, [
            bytes.set(i16x8.load8x8U(condition)),
            choose(i32x4.fromLowI16x8(bytes), x, y, 0),
            choose(i32x4.fromHighI16x8(bytes), x, y, 1),
          ]),
          step(1, when(i32.load8U(condition), FLOAT32.storeOne(out, x.one), FLOAT32.storeOne(out, y.one))),
        ];
      };
      const moving = (at: Local) => sideBySide(at, FLOAT32);
      return [
        when(i32.eqz(aStep), heldA.set(f32x4.loadSplat(a))),
        when(i32.eqz(bStep), heldB.set(f32x4.loadSplat(b))),
        when(
          aStep,
          when(bStep, run(moving(a), moving(b)), run(moving(a), standingStill(heldB))),
          when(bStep, run(standingStill(heldA), moving(b)), run(standingStill(heldA), standingStill(heldB))),
        ),
      ];
    },
  });
};

/** relu(x) keeps what is not at most 0: NaN among it, and -0 becomes 0. Its derivative at x passes on as much of g. */
const positive = ({ ops }: Elements, x: Code, g: Code, zero: Code): Code => v128.andnot(g, ops.le(x, zero));

const axpy = (module: ModuleBuilder): void => {
  module.func({
    export: 'axpy',
    params: { n: 'i32', a: 'i32', s: 'f32', b: 'i32', out: 'i32' },
    body: ({ n, a, s, b, out }, local) => {
      const factor = local('v128');
      const operands = [sideBySide(a, FLOAT32), sideBySide(b, FLOAT32)];
      return [
        factor.set(f32x4.splat(s)),
        sweep(FLOAT32, n, out, operands, (v, w) => f32x4.add(v, f32x4.mul(w, factor))),
      ];
    },
  });
};

/** Between float32 and float64, two at a time. */
const cast = (module: ModuleBuilder, name: string, from: Elements, to: Elements, formula: (x: Code) => Code): void => {
  module.func({
    export: name,
    params: i32s('n', 'x', 'out'),
    body: ({ n, x, out }) => {
      const two = (i: number): Code => {
        const [source, target] = [2 * from.bytes * i, 2 * to.bytes * i];
        const pair = formula(from === FLOAT32 ? v128.load64Zero(x, source) : v128.load(x, source));
        return to === FLOAT32 ? v128.store64Lane(out, pair, 0, target) : v128.store(out, pair, target);
      };
      const step = (elements: number, body: Code) =>
        repeat(n, elements, [
          body,
          advance(x, i32.const(from.bytes * elements)),
          advance(out, i32.const(to.bytes * elements)),
        ]);
      return [step(8, [0, 1, 2, 3].map(two)), step(2, two(0)), step(1, to.storeOne(out, formula(from.loadOne(x))))];
    },
  });
};

/** What adds each kernel to a module. */
const makers = (): Map<string, (module: ModuleBuilder) => void> => {
  const made = new Map<string, (module: ModuleBuilder) => void>();
  for (const type of [FLOAT32, FLOAT64]) {
    const { ops } = type;
    const name = (op: string) => (type === FLOAT32 ? op : `${op}64`);
    const addUnary = (op: string, formula: (x: Code, zero: Code) => Code) =>
      made.set(name(op), (module) => unary(module, name(op), type, formula));
    const addBinary = (op: string, formula: (a: Code, b: Code) => Code) =>
      made.set(name(op), (module) => binary(module, name(op), type, formula));
    for (const op of ['add', 'sub', 'mul', 'div'] as const) addBinary(op, ops[op]);
    addBinary('maximum', ops.max);
    addBinary('minimum', ops.min);
    for (const op of ['neg', 'abs', 'sqrt'] as const) addUnary(op, (x) => ops[op](x));
    addUnary('relu', (x, zero) => positive(type, x, x, zero));
    made.set(name('reluBackward'), (module) =>
      overRows(module, name('reluBackward'), type, (left, out, x, g, zero) =>
        sweep(type, left, out, [x, g], (v, w) => positive(type, v, w, zero)),
      ),
    );
  }
  for (const op of ['floor', 'ceil', 'trunc'] as const) {
    made.set(op, (module) => unary(module, op, FLOAT32, (x) => f32x4[op](x)));
  }
  made.set('round', (module) => unary(module, 'round', FLOAT32, (x) => f32x4.nearest(x)));
  for (const op of ['eq', 'lt', 'le'] as const) made.set(op, (module) => compare(module, op, f32x4[op]));
  made.set('where', where);
  made.set('widen', (module) => cast(module, 'widen', FLOAT32, FLOAT64, f64x2.fromLowF32x4));
  made.set('narrow', (module) => cast(module, 'narrow', FLOAT64, FLOAT32, f32x4.fromF64x2));
  return made;
};

/** Pointers and steps are in bytes; elements of one operand lie side by side. `out` may be an operand, and overlaps none otherwise. */
type UnaryKernel = (n: number, x: number, out: number) => void;
/**
 * Rows of a and b into dense rows of `out`: `aRow` and `bRow` from row to row; `aStep` and `bStep` from element to element, which
 * is an element's size or, for at most one of the two, 0: that operand's first element stands for its row.
 */
type BinaryKernel = (
  rows: number,
  n: number,
  a: number,
  aRow: number,
  aStep: number,
  b: number,
  bRow: number,
  bStep: number,
  out: number,
) => void;

type UnaryName = 'neg' | 'abs' | 'sqrt' | 'relu';
type BinaryName = 'add' | 'sub' | 'mul' | 'div' | 'maximum' | 'minimum' | 'reluBackward';

/** Kernels named after their primitives are of float32; those of float64 end in 64. Conventions at the edges are those of scalar.ts. */
export type ElementwiseKernel = Readonly<
  Record<UnaryName | `${UnaryName}64` | 'floor' | 'ceil' | 'trunc' | 'round', UnaryKernel> &
    /** float32 to float64, and back. */
    Record<'widen' | 'narrow', UnaryKernel> &
    Record<BinaryName | `${BinaryName}64`, BinaryKernel> &
    /** `out` is of bytes, 0 or 1. */
    Record<'eq' | 'lt' | 'le', BinaryKernel>
> & {
  /** out[i] = condition[i] != 0 ? a[i] : b[i], the condition in bytes; a step of 0 repeats the first element of a or of b. */
  where(n: number, condition: number, a: number, aStep: number, b: number, bStep: number, out: number): void;
  /** out[i] = a[i] + s b[i], product and sum rounded to float32 each; s is rounded to float32 first. */
  axpy(n: number, a: number, s: number, b: number, out: number): void;
};

/**
 * The kernels over `memory`, each compiled when it is first taken, since a program uses few of them; undefined where the engine has no
 * such vectors.
 */
export const compileElementwise = (memory: WasmMemory): ElementwiseKernel | undefined => {
  const compile = (name: string, make: (module: ModuleBuilder) => void) => {
    const module = wasmModule();
    make(module);
    return instantiate<Record<string, UnaryKernel>>(module, memory)?.[name];
  };
  // A program without vectors is told so by its first.
  const first = compile('axpy', axpy);
  if (first === undefined) return undefined;
  const kernels = { axpy: first };
  for (const [name, make] of makers()) {
    const get = () => {
      const value = compile(name, make);
      Object.defineProperty(kernels, name, { value });
      return value;
    };
    Object.defineProperty(kernels, name, { get, enumerable: true, configurable: true });
  }
  return kernels as unknown as ElementwiseKernel;
};
