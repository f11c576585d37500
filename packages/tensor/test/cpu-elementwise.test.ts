import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileElementwise } from '../src/backends/cpu/elementwise.ts';
import * as scalar from '../src/scalar.ts';
import { createArena, numbers } from './support/wasm.ts';

const arena = createArena(2 ** 20);
const kernel = compileElementwise(arena.memory)!;

const arrays = { float32: Float32Array, float64: Float64Array as unknown as typeof Float32Array };
const types = ['float32', 'float64'] as const;
const named = <Op extends string>(op: Op, type: (typeof types)[number]) =>
  (type === 'float32' ? op : `${op}64`) as Op | `${Op}64`;

const length = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(0, 1, 3, 4, 15, 16, 17, 64));
const shift = fc.integer({ min: 0, max: 3 });
const seed = fc.integer();

describe.each(types)('%s', (type) => {
  const of = (n: number, draw: () => number) => arrays[type].from({ length: n }, draw);

  test.each(['neg', 'abs', 'sqrt', 'relu'] as const)('%s has the bits of the loop', (op) => {
    fc.assert(
      fc.property(length, shift, shift, seed, (n, s, t, random) => {
        const x = arena.put(of(n, numbers(random, 'special')), s);
        const out = arena.put(
          of(n, () => 0),
          t,
        );
        const expected = x.map(scalar.unary[op]);
        kernel[named(op, type)](n, x.byteOffset, out.byteOffset);
        expect(out.slice()).toEqual(expected);
        kernel[named(op, type)](n, x.byteOffset, x.byteOffset);
        expect(x.slice()).toEqual(expected);
        arena.check();
      }),
    );
  });

  const still = fc.constantFrom('neither', 'a', 'b');
  const rowStep = fc.constantFrom('dense', 'padded', 'same row');
  const placed = (rows: number, n: number, stands: boolean, row: string, draw: () => number, s: number) => {
    const length = stands ? 1 : n;
    const rowStride = row === 'same row' ? 0 : length + (row === 'padded' ? 3 : 0);
    const data = arena.put(of(Math.max(1, rows) * (length + 3), draw), s);
    return {
      data,
      rowStride,
      step: stands ? 0 : 1,
      at: (i: number, j: number) => data[i * rowStride + (stands ? 0 : j)],
    };
  };

  test.each(['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'reluBackward'] as const)(
    '%s has the bits of the loop, for operands that stand still along rows or from row to row',
    (op) => {
      const f = op === 'reluBackward' ? (x: number, g: number) => (x <= 0 ? 0 : g) : scalar.binary(op, type);
      fc.assert(
        fc.property(
          fc.integer({ min: 0, max: 5 }),
          length,
          still,
          rowStep,
          rowStep,
          shift,
          seed,
          (rows, n, stands, aRow, bRow, s, random) => {
            const draw = numbers(random, 'special');
            const a = placed(rows, n, stands === 'a', aRow, draw, s);
            const b = placed(rows, n, stands === 'b', bRow, draw, 3 - s);
            const out = arena.put(
              of(rows * n, () => 0),
              s,
            );
            const expected = out.map((_, i) => f(a.at(Math.floor(i / n), i % n), b.at(Math.floor(i / n), i % n)));
            const size = out.BYTES_PER_ELEMENT;
            kernel[named(op, type)](
              rows,
              n,
              a.data.byteOffset,
              a.rowStride * size,
              a.step * size,
              b.data.byteOffset,
              b.rowStride * size,
              b.step * size,
              out.byteOffset,
            );
            expect(out.slice()).toEqual(expected);
            arena.check();
          },
        ),
        { numRuns: 150 },
      );
    },
  );
});

const float32 = (n: number, draw: () => number) => Float32Array.from({ length: n }, draw);

test.each(['floor', 'ceil', 'trunc', 'round'] as const)('%s has the bits of the loop', (op) => {
  fc.assert(
    fc.property(length, shift, seed, (n, s, random) => {
      const draw = numbers(random, 'special');
      const x = arena.put(
        float32(n, () => Math.round(8 * draw()) / 4),
        s,
      );
      const out = arena.put(float32(n, () => 0));
      kernel[op](n, x.byteOffset, out.byteOffset);
      expect(out.slice()).toEqual(x.map(scalar.unary[op]));
      arena.check();
    }),
  );
});

test.each(['eq', 'lt', 'le'] as const)('%s gives a byte for each element', (op) => {
  fc.assert(
    fc.property(length, fc.constantFrom(0, 4), fc.constantFrom(0, 4), shift, seed, (n, aStep, bStep, s, random) => {
      fc.pre(aStep + bStep > 0);
      const draw = numbers(random, 'special');
      const few = () => Math.round(draw());
      const a = arena.put(float32(n + 1, few), s);
      const b = arena.put(float32(n + 1, few));
      const out = arena.put(new Uint8Array(n), s);
      kernel[op](1, n, a.byteOffset, 0, aStep, b.byteOffset, 0, bStep, out.byteOffset);
      const expected = out.map((_, i) => Number(scalar.compare[op](a[aStep ? i : 0], b[bStep ? i : 0])));
      expect(out.slice()).toEqual(expected);
      arena.check();
    }),
  );
});

test('where takes any byte but 0 for true', () => {
  fc.assert(
    fc.property(length, fc.constantFrom(0, 4), fc.constantFrom(0, 4), shift, seed, (n, aStep, bStep, s, random) => {
      const draw = numbers(random, 'special');
      const condition = arena.put(
        Uint8Array.from({ length: n }, () => Math.max(0, 99 * draw() || 0)),
        s,
      );
      const a = arena.put(float32(n + 1, draw), s);
      const b = arena.put(float32(n + 1, draw));
      const out = arena.put(float32(n, () => 0));
      kernel.where(n, condition.byteOffset, a.byteOffset, aStep, b.byteOffset, bStep, out.byteOffset);
      expect(out.slice()).toEqual(out.map((_, i) => (condition[i] !== 0 ? a[aStep ? i : 0] : b[bStep ? i : 0])));
      arena.check();
    }),
  );
});

test.each(['widen', 'narrow'] as const)('%s has the bits of the loop, wherever the numbers lie', (op) => {
  fc.assert(
    fc.property(length, shift, shift, seed, (n, s, t, random) => {
      const drawn = Float64Array.from({ length: n }, numbers(random, 'special'));
      const x = arena.put(op === 'widen' ? Float32Array.from(drawn) : drawn, s);
      const out = arena.put(op === 'widen' ? new Float64Array(n) : new Float32Array(n), t);
      kernel[op](n, x.byteOffset, out.byteOffset);
      expect(out.slice()).toEqual(op === 'widen' ? Float64Array.from(x) : Float32Array.from(x));
      arena.check();
    }),
  );
});

test('axpy has the bits of its loop', () => {
  fc.assert(
    fc.property(length, shift, seed, (n, s, random) => {
      const draw = numbers(random, 'special');
      const a = arena.put(float32(n, draw), s);
      const b = arena.put(float32(n, draw));
      const out = arena.put(
        float32(n, () => 0),
        s,
      );
      const factor = Math.fround(draw());
      kernel.axpy(n, a.byteOffset, factor, b.byteOffset, out.byteOffset);
      expect(out.slice()).toEqual(a.map((v, i) => v + Math.fround(factor * b[i])));
      arena.check();
    }),
  );
});
