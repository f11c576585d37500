import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Code,
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  i32x4,
  i64x2,
  type Local,
  select,
  type ValueType,
  v128,
  wasmModule,
  when,
  whileLoop,
} from '../src/backends/cpu/assembler.ts';
import { createWorkspace, instantiate } from '../src/backends/cpu/module.ts';

const { memory } = createWorkspace()!;
const f32s = new Float32Array(memory.buffer);
const f64s = new Float64Array(memory.buffer);
const i32s = new Int32Array(memory.buffer);
const i64s = new BigInt64Array(memory.buffer);

type Body = (parameters: readonly Local[], local: (type: ValueType) => Local) => Code;

/** Compiles one function of `types` and calls it. */
const compile = (types: readonly ValueType[], result: ValueType | undefined, body: Body) => {
  const module = wasmModule();
  const params = Object.fromEntries(types.map((type, i) => [`p${i}`, type]));
  const spec = {
    export: 'run',
    params,
    body: (p: Record<string, Local>, local: (type: ValueType) => Local) => body(Object.values(p), local),
  };
  module.func(result === undefined ? spec : { ...spec, result });
  const wasm = instantiate<{ run(...args: number[]): number }>(module, memory);
  if (wasm === undefined) throw new Error('the module is not valid');
  return wasm.run;
};

/** Equal as `Object.is` has it: NaN is NaN, and -0 is not 0. */
const same = (actual: number, expected: number, operator?: string): void => {
  expect(actual, operator).toBe(expected);
};

type Scalar = (...x: number[]) => number | boolean;
type Operator = (a: Code, b: Code, c: Code) => Code;

const round = Math.fround;
const nearest = (x: number): number => {
  const floor = Math.floor(x);
  const up = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 !== 0);
  return (up ? floor + 1 : floor) || 0 * x;
};
const compare: Record<string, Scalar> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};
const rounding: Record<string, Scalar> = { ceil: Math.ceil, floor: Math.floor, trunc: Math.trunc, nearest };
const arithmetic: Record<string, Scalar> = {
  abs: Math.abs,
  neg: (a) => -a,
  sqrt: Math.sqrt,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
};
const pick: Record<string, Scalar> = { pmin: (a, b) => [a, b][Number(b < a)], pmax: (a, b) => [a, b][Number(a < b)] };
const integer: Record<string, Scalar> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  ltS: (a, b) => a < b,
  ltU: (a, b) => a >>> 0 < b >>> 0,
  gtS: (a, b) => a > b,
  gtU: (a, b) => a >>> 0 > b >>> 0,
  leS: (a, b) => a <= b,
  leU: (a, b) => a >>> 0 <= b >>> 0,
  geS: (a, b) => a >= b,
  geU: (a, b) => a >>> 0 >= b >>> 0,
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  divS: (a, b) => (a / b) | 0,
  divU: (a, b) => ((a >>> 0) / (b >>> 0)) | 0,
  remS: (a, b) => (a % b) | 0,
  remU: (a, b) => ((a >>> 0) % (b >>> 0)) | 0,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shrS: (a, b) => a >> b,
  shrU: (a, b) => (a >>> b) | 0,
};

const table = (ops: object, meanings: Record<string, Scalar>): [string, Operator, Scalar][] =>
  Object.entries(meanings).map(([name, scalar]) => [name, (ops as Record<string, Operator>)[name], scalar]);

const float32 = fc.float({ noDefaultInfinity: false });
const float64 = fc.double();
const nonZero = fc.integer().filter((n) => n !== 0 && n !== -1);

describe('scalar operators mean what JavaScript means', () => {
  test.each(table(i32, integer))('i32.%s', (_, op, scalar) => {
    const run = compile(['i32', 'i32'], 'i32', ([a, b]) => op(a, b, []));
    fc.assert(fc.property(fc.integer(), nonZero, (a, b) => same(run(a, b), Number(scalar(a, b)))));
  });

  test.each([['f32', f32, float32, round] as const, ['f64', f64, float64, (x: number) => x] as const])(
    '%s',
    (type, ops, arbitrary, rounded) => {
      for (const [name, op, scalar] of table(ops, { ...arithmetic, ...rounding })) {
        const unary = scalar.length === 1;
        const run = compile([type, type], type, ([a, b]) => op(a, unary ? [] : b, []));
        fc.assert(fc.property(arbitrary, arbitrary, (a, b) => same(run(a, b), rounded(Number(scalar(a, b))), name)));
      }
      for (const [name, op, scalar] of table(ops, compare)) {
        const run = compile([type, type], 'i32', ([a, b]) => op(a, b, []));
        fc.assert(fc.property(arbitrary, arbitrary, (a, b) => same(run(a, b), Number(scalar(a, b)), name)));
      }
    },
  );

  test('constants and conversions', () => {
    fc.assert(
      fc.property(fc.integer(), float32, float64, (n, x, y) => {
        expect(compile([], 'i32', () => i32.const(n))()).toBe(n);
        expect(compile([], 'f32', () => f32.const(x))()).toBe(x);
        expect(compile([], 'f64', () => f64.const(y))()).toBe(y);
        expect(compile(['i32'], 'f32', ([a]) => f32.fromI32(a))(n)).toBe(round(n));
        expect(compile(['i32'], 'f64', ([a]) => f64.fromI32(a))(n)).toBe(n);
        expect(compile(['f64'], 'f32', ([a]) => f32.fromF64(a))(y)).toBe(round(y));
        expect(compile(['f32'], 'f64', ([a]) => f64.fromF32(a))(x)).toBe(x);
        expect(compile(['i32'], 'i32', ([a]) => i32.eqz(a))(n)).toBe(Number(n === 0));
      }),
      { numRuns: 30 },
    );
  });
});

describe('vector operators act on every lane', () => {
  const [at0, at16, at32] = [0, 16, 32].map(i32.const);
  const apply = (op: Operator, operands: number) =>
    compile([], undefined, () =>
      v128.store(at32, op(v128.load(at0), operands > 1 ? v128.load(at16) : [], operands > 2 ? v128.load(at32) : [])),
    );
  const lanes = <T>(arbitrary: fc.Arbitrary<T>, n: number) => fc.array(arbitrary, { minLength: n, maxLength: n });

  test.each([
    ['f32x4', f32x4, float32, round, f32s, 4, { ...arithmetic, ...rounding, ...pick }] as const,
    ['f64x2', f64x2, float64, (x: number) => x, f64s, 2, { ...arithmetic, ...pick }] as const,
  ])('%s', (_, ops, arbitrary, rounded, array, n, meanings) => {
    const mask = n === 4 ? i32s.subarray(8) : i64s.subarray(4);
    for (const [name, op, scalar] of [...table(ops, meanings), ...table(ops, compare)]) {
      const run = apply(op, Math.min(scalar.length, 2));
      fc.assert(
        fc.property(lanes(arbitrary, n), lanes(arbitrary, n), (a, b) => {
          array.set([...a, ...b]);
          run();
          for (let i = 0; i < n; i++) {
            const expected = scalar(a[i], b[i]);
            if (typeof expected === 'boolean') expect(Number(mask[i]), name).toBe(expected ? -1 : 0);
            else expect(array[2 * n + i], name).toBe(rounded(expected));
          }
        }),
        { numRuns: 50 },
      );
    }
  });

  test('i32x4, i64x2 and v128', () => {
    const count =
      (op: (v: Code, n: Code) => Code): Operator =>
      (v) =>
        op(v, i32.const(5));
    const cases: [string, Operator, (a: number, b: number, c: number) => number][] = [
      ['add', i32x4.add, (a, b) => (a + b) | 0],
      ['sub', i32x4.sub, (a, b) => (a - b) | 0],
      ['shl', count(i32x4.shl), (a) => a << 5],
      ['shrS', count(i32x4.shrS), (a) => a >> 5],
      ['shrU', count(i32x4.shrU), (a) => (a >>> 5) | 0],
      ['and', v128.and, (a, b) => a & b],
      ['andnot', v128.andnot, (a, b) => a & ~b],
      ['or', v128.or, (a, b) => a | b],
      ['xor', v128.xor, (a, b) => a ^ b],
      ['not', v128.not, (a) => ~a],
      ['select', v128.select, (a, b, c) => (a & c) | (b & ~c)],
    ];
    for (const [name, op, scalar] of cases) {
      const run = apply(op, name === 'not' || name.startsWith('sh') ? 1 : name === 'select' ? 3 : 2);
      fc.assert(
        fc.property(lanes(fc.integer(), 12), (x) => {
          i32s.set(x);
          run();
          for (let i = 0; i < 4; i++) expect(i32s[8 + i], name).toBe(scalar(x[i], x[4 + i], x[8 + i]));
        }),
        { numRuns: 50 },
      );
    }
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (n) => {
        i64s.set([n, ~n]);
        apply((v) => i64x2.shl(v, i32.const(52)), 1)();
        expect([...i64s.subarray(4, 6)]).toEqual([n, ~n].map((v) => BigInt.asIntN(64, v << 52n)));
        apply((v) => i64x2.shrU(v, i32.const(52)), 1)();
        expect([...i64s.subarray(4, 6)]).toEqual([n, ~n].map((v) => BigInt.asUintN(64, v) >> 52n));
      }),
    );
    fc.assert(
      fc.property(lanes(fc.integer(), 8), (x) => {
        i32s.set(x);
        const product = (i: number) => BigInt(x[i] >>> 0) * BigInt(x[4 + i] >>> 0);
        for (const [op, lane] of [
          [i64x2.mulLowU32x4, 0],
          [i64x2.mulHighU32x4, 2],
        ] as const) {
          apply(op, 2)();
          const found = [...i64s.subarray(4, 6)].map((word) => BigInt.asUintN(64, word));
          expect(found).toEqual([product(lane), product(lane + 1)]);
        }
      }),
      { numRuns: 50 },
    );
    const any = compile([], 'i32', () => v128.anyTrue(v128.load(at0)));
    for (const set of [0, 1, 2, 3, 4]) {
      i32s.fill(0, 0, 4);
      if (set < 4) i32s[set] = 8;
      expect(any()).toBe(Number(set < 4));
    }
  });

  test('conversions, splats and lanes', () => {
    fc.assert(
      fc.property(lanes(float32, 4), lanes(float64, 2), lanes(fc.integer(), 4), (x, y, n) => {
        i32s.set(n);
        apply(f32x4.fromI32x4, 1)();
        expect([...f32s.subarray(8, 12)]).toEqual(n.map(round));
        f32s.set(x);
        apply(i32x4.fromF32x4, 1)();
        const clamp = (v: number) => Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(v) || 0)) + 0;
        expect([...i32s.subarray(8, 12)]).toEqual(x.map(clamp));
        apply(f64x2.fromLowF32x4, 1)();
        expect([...f64s.subarray(4, 6)]).toEqual(x.slice(0, 2));
        i32s.set(n);
        apply(f64x2.fromLowI32x4, 1)();
        expect([...f64s.subarray(4, 6)]).toEqual(n.slice(0, 2));
        for (const lane of [0, 1, 2, 3]) {
          compile(['i32'], undefined, ([a]) => v128.store(at32, i32x4.withLane(v128.load(at0), lane, a)))(7);
          expect([...i32s.subarray(8, 12)]).toEqual(n.with(lane, 7));
        }
        f32s.set(x);
        for (const lane of [0, 1, 2, 3]) {
          expect(compile([], 'f32', () => f32x4.lane(v128.load(at0), lane))()).toBe(x[lane]);
        }
        compile(['f32'], undefined, ([a]) => v128.store(at32, f32x4.splat(a)))(x[1]);
        expect([...f32s.subarray(8, 12)]).toEqual(Array(4).fill(x[1]));
        compile(['i32'], undefined, ([a]) => v128.store(at32, i32x4.splat(a)))(n[1]);
        expect([...i32s.subarray(8, 12)]).toEqual(Array(4).fill(n[1]));
        f64s.set(y);
        apply(f32x4.fromF64x2, 1)();
        expect([...f32s.subarray(8, 12)]).toEqual([...y.map(round), 0, 0]);
        for (const lane of [0, 1]) expect(compile([], 'f64', () => f64x2.lane(v128.load(at0), lane))()).toBe(y[lane]);
        compile(['f64'], undefined, ([a]) => v128.store(at32, f64x2.splat(a)))(y[1]);
        expect([...f64s.subarray(4, 6)]).toEqual([y[1], y[1]]);
      }),
      { numRuns: 20 },
    );
  });

  test('loads and stores: offsets, splats, zeros and single lanes', () => {
    const data = Array.from({ length: 16 }, (_, i) => i + 0.5);
    const loaded = (value: Code): number[] => {
      f32s.set(data);
      compile([], undefined, () => v128.store(i32.const(8), value, 248))();
      return [...f32s.subarray(64, 68)];
    };
    expect(loaded(v128.load(i32.const(4), 8))).toEqual([3.5, 4.5, 5.5, 6.5]);
    expect(loaded(f32x4.loadSplat(i32.const(4), 4))).toEqual([2.5, 2.5, 2.5, 2.5]);
    expect(loaded(f64x2.loadSplat(i32.const(4), 4))).toEqual([2.5, 3.5, 2.5, 3.5]);
    expect(loaded(v128.load32Zero(i32.const(4), 4))).toEqual([2.5, 0, 0, 0]);
    expect(loaded(v128.load64Zero(i32.const(4), 4))).toEqual([2.5, 3.5, 0, 0]);
    expect(loaded(v128.load32Lane(i32.const(20), v128.load(at0), 2))).toEqual([0.5, 1.5, 5.5, 3.5]);
    f32s.set(data);
    compile([], undefined, () => [
      v128.store32Lane(at0, v128.load(at16), 3, 4),
      v128.store64Lane(at0, v128.load(at16), 1, 8),
      i32.store(i32.const(40), i32.load(i32.const(44), 4), 4),
      f32.store(i32.const(48), f32.load(i32.const(52), 4), 4),
      f64.store(i32.const(248), f64.load(i32.const(8)), 8),
    ])();
    expect([...f32s.subarray(0, 4)]).toEqual([0.5, 7.5, 6.5, 7.5]);
    expect([f32s[11], f32s[13], f32s[64], f32s[65]]).toEqual([12.5, 14.5, 6.5, 7.5]);
  });
});

describe('control', () => {
  test('while, when, select and calls: the greatest common divisor, and the longest Collatz chain', () => {
    const gcd = compile(['i32', 'i32'], 'i32', ([a, b], local) => {
      const rest = local('i32');
      return [whileLoop(b, [rest.set(i32.remU(a, b)), a.set(b), b.set(rest)]), a];
    });
    expect([gcd(12, 18), gcd(7, 0), gcd(270, 192)]).toEqual([6, 7, 6]);

    const module = wasmModule();
    const next = module.func({
      params: { n: 'i32' },
      result: 'i32',
      body: ({ n }) =>
        select(i32.and(n, i32.const(1)), i32.add(i32.mul(n, i32.const(3)), i32.const(1)), i32.shrU(n, i32.const(1))),
    });
    module.func({
      export: 'chain',
      params: { n: 'i32', odd: 'i32' },
      result: 'i32',
      body: ({ n, odd }, local) => {
        const steps = local('i32');
        const count = steps.set(i32.add(steps, i32.const(1)));
        const step = [when(i32.or(i32.eqz(odd), i32.and(n, i32.const(1))), count), n.set(next(n))];
        return [whileLoop(i32.ne(n, i32.const(1)), step), steps];
      },
    });
    const { chain } = instantiate<{ chain(n: number, odd: number): number }>(module, memory)!;
    expect([chain(27, 0), chain(27, 1), chain(1, 0)]).toEqual([111, 41, 0]);
  });

  test('both branches of when, tee, and more locals than fit one byte', () => {
    const run = compile(['i32'], 'i32', ([n], local) => {
      const many = Array.from({ length: 300 }, () => local('i32'));
      return [
        many.map((v, i) => v.set(i32.const(i))),
        when(i32.gtS(n, i32.const(5)), many[299].set(i32.const(-1)), many[298].set(i32.const(-2))),
        i32.add(many[0].tee(many[299]), i32.add(many[298], many[0])),
      ];
    });
    expect([run(6), run(5)]).toEqual([-1 + 298 - 1, 299 - 2 + 299]);
  });

  test('functions of any length, and modules of many', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 9 }), (lengths) => {
        const module = wasmModule();
        const sums = lengths.map((length) =>
          module.func({
            params: {},
            result: 'i32',
            body: () => Array.from({ length }, () => i32.const(1)).reduce(i32.add, i32.const(0)),
          }),
        );
        const all = sums.map((sum) => sum()).reduce((a, b) => i32.add(a, b));
        module.func({ export: 'run', params: {}, result: 'i32', body: () => all });
        const { run } = instantiate<{ run(): number }>(module, memory)!;
        expect(run()).toBe(lengths.reduce((a, b) => a + b));
      }),
      { numRuns: 30 },
    );
  });
});
