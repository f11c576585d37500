import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createWideGemm, type Floats, type WideGemm, wideGemmLoops } from '../src/backends/cpu/gemm-wide.ts';
import { createWorkspace } from '../src/backends/cpu/module.ts';
import { numbers } from './support/wasm.ts';

interface Operand {
  readonly data: Floats;
  readonly offset: number;
  readonly row: number;
  readonly col: number;
}

const layouts = ['rows', 'columns', 'padded rows', 'reversed', 'row repeated'] as const;
type Layout = (typeof layouts)[number];
const types = { float32: Float32Array, float64: Float64Array as unknown as typeof Float32Array };
type Type = keyof typeof types;

const operand = (rows: number, cols: number, layout: Layout, type: Type, draw: () => number): Operand => {
  const strides: Record<Layout, [number, number]> = {
    rows: [cols, 1],
    columns: [1, rows],
    'padded rows': [cols + 3, 1],
    reversed: [-cols, -1],
    'row repeated': [0, 1],
  };
  const [row, col] = strides[layout];
  const reach = (rows - 1) * row + (cols - 1) * col;
  const data = types[type].from({ length: Math.abs(reach) + 9 }, draw);
  return { data, offset: 4 + Math.max(0, -reach), row, col };
};

const GUARD = 3;
const product = (gemm: WideGemm, m: number, n: number, k: number, a: Operand, b: Operand, c?: Float64Array) => {
  const to = c ?? new Float64Array(m * n + 2 * GUARD);
  to.fill(12345);
  gemm(m, n, k, a.data, a.offset, a.row, a.col, b.data, b.offset, b.row, b.col, to, GUARD);
  return new Float64Array(to);
};

/** The same operands inside a memory, with the scratch behind them. */
const resident = (...operands: readonly Operand[]) => {
  const { memory } = createWorkspace()!;
  memory.grow(160);
  let free = 8;
  const put = <T extends Floats>(data: T): T => {
    const placed = new (data.constructor as new (b: ArrayBufferLike, at: number, n: number) => T)(
      memory.buffer,
      free,
      data.length,
    );
    placed.set(data);
    free += 8 * Math.ceil(data.byteLength / 8) + 8;
    return placed;
  };
  const placed = operands.map((x) => ({ ...x, data: put(x.data) }));
  return { placed, put, gemm: createWideGemm({ memory, reserve: () => 2 ** 22 }) };
};

const size = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 70 }));
const layout = fc.constantFrom(...layouts);
const type = fc.constantFrom<Type>('float32', 'float64');
const problem = fc.record({
  m: size,
  n: size,
  k: size,
  aLayout: layout,
  bLayout: layout,
  aType: type,
  bType: type,
  seed: fc.integer(),
  kind: fc.constantFrom('special' as const, 'finite' as const),
});

describe('products in float64', () => {
  const copied = createWideGemm();

  test('vectors and loops give the same bits, for any shape, strides and place', () => {
    fc.assert(
      fc.property(problem, ({ m, n, k, aLayout, bLayout, aType, bType, seed, kind }) => {
        const draw = numbers(seed, kind);
        const a = operand(m, k, aLayout, aType, draw);
        const b = operand(k, n, bLayout, bType, draw);
        const expected = product(wideGemmLoops, m, n, k, a, b);
        expect(product(copied, m, n, k, a, b)).toEqual(expected);
        const { placed, put, gemm } = resident(a, b);
        expect(product(gemm, m, n, k, placed[0], placed[1])).toEqual(expected);
        const c = put(new Float64Array(m * n + 2 * GUARD));
        expect(product(gemm, m, n, k, placed[0], placed[1], c)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    [1, 1, 5000],
    [20, 1, 1537],
    [20, 2, 1024],
    [65, 67, 600],
    [3, 2000, 20],
    [70, 3, 513],
  ])('%i x %i by %i terms meet without a seam', (m, n, k) => {
    const draw = numbers(m + n + k);
    for (const bLayout of ['rows', 'columns'] as const) {
      const a = operand(m, k, 'rows', 'float32', draw);
      const b = operand(k, n, bLayout, 'float32', draw);
      const expected = product(wideGemmLoops, m, n, k, a, b);
      expect(product(copied, m, n, k, a, b)).toEqual(expected);
      const { placed, gemm } = resident(a, b);
      expect(product(gemm, m, n, k, placed[0], placed[1])).toEqual(expected);
    }
  });

  test.each([1, 2, 7, 20, 64, 65])('a Gram matrix of %i rows is symmetric and has the bits of the loops', (t) => {
    for (const type of ['float32', 'float64'] as const) {
      const G = operand(t, 700, 'rows', type, numbers(t));
      const transposed = { ...G, row: G.col, col: G.row };
      const expected = product(wideGemmLoops, t, t, 700, G, transposed);
      expect(product(copied, t, t, 700, G, transposed)).toEqual(expected);
      const { placed, gemm } = resident(G);
      const gram = product(gemm, t, t, 700, placed[0], { ...placed[0], row: G.col, col: G.row });
      expect(gram).toEqual(expected);
      for (let i = 0; i < t; i++) {
        for (let j = 0; j < t; j++) expect(gram[GUARD + i * t + j]).toBe(gram[GUARD + j * t + i]);
      }
    }
  });

  test('float32 products are exact: a sum that float32 would lose', () => {
    const a = { data: Float32Array.of(2 ** 24 + 2, 1, -(2 ** 24)), offset: 0, row: 3, col: 1 };
    const b = { data: Float32Array.of(2 ** 24 + 2, 2 ** -20, 2 ** 24 + 4), offset: 0, row: 1, col: 1 };
    for (const gemm of [copied, wideGemmLoops]) expect(product(gemm, 1, 1, 3, a, b)[GUARD]).toBe(4 + 2 ** -20);
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  test('where there is no WebAssembly the loops do it', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    vi.resetModules();
    const fallback = (await import('../src/backends/cpu/gemm-wide.ts')).createWideGemm();
    const a = operand(5, 40, 'rows', 'float32', numbers(1));
    const b = operand(40, 6, 'columns', 'float32', numbers(2));
    expect(product(fallback, 5, 6, 40, a, b)).toEqual(product(copied, 5, 6, 40, a, b));
  });
});
