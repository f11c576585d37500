import { setFlagsFromString } from 'node:v8';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createGemm, type Gemm, gemmLoops, gemmLoops64 } from '../src/backends/cpu/gemm.ts';
import { compileTile, TILE_ROWS } from '../src/backends/cpu/gemm-kernel.ts';
import { createWorkspace, type Workspace } from '../src/backends/cpu/module.ts';
import { numbers } from './support/wasm.ts';

// --- Operands --------------------------------------------------------------------------------------------------------------

interface Operand {
  readonly data: Float32Array;
  readonly offset: number;
  readonly rowStride: number;
  readonly colStride: number;
}

const GUARD = 7;

const layouts = [
  'rows',
  'columns',
  'padded rows',
  'padded columns',
  'row repeated',
  'column repeated',
  'reversed',
  'every third',
] as const;
type Layout = (typeof layouts)[number];

const operand = (rows: number, cols: number, layout: Layout, draw: () => number): Operand => {
  const strides: Record<Layout, [number, number]> = {
    rows: [cols, 1],
    columns: [1, rows],
    'padded rows': [cols + 3, 1],
    'padded columns': [1, rows + 5],
    'row repeated': [0, 1],
    'column repeated': [1, 0],
    reversed: [-cols, -1],
    'every third': [3 * cols, 3],
  };
  const [rowStride, colStride] = strides[layout];
  const reach = (rows - 1) * rowStride + (cols - 1) * colStride;
  const offset = GUARD + Math.max(0, -reach);
  const data = Float32Array.from({ length: 2 * GUARD + Math.abs(reach) + 1 }, draw);
  return { data, offset, rowStride, colStride };
};

const at = (x: Operand, row: number, col: number): number => x.data[x.offset + row * x.rowStride + col * x.colStride];

/** C between guard cells, which must survive. */
const product = (gemm: Gemm, m: number, n: number, k: number, a: Operand, b: Operand): Float32Array => {
  const c = new Float32Array(m * n + 2 * GUARD).fill(12345);
  gemm(m, n, k, a.data, a.offset, a.rowStride, a.colStride, b.data, b.offset, b.rowStride, b.colStride, c, GUARD);
  expect([...c.subarray(0, GUARD), ...c.subarray(GUARD + m * n)]).toEqual(Array(2 * GUARD).fill(12345));
  return c.subarray(GUARD, GUARD + m * n);
};

/** |c - AB| <= (k + 1) u |A||B| in every element, with u the unit roundoff of float32: Higham, Accuracy and Stability, (3.13). */
const expectWithinRounding = (c: Float32Array, m: number, n: number, k: number, a: Operand, b: Operand): void => {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let exact = 0;
      let magnitude = 0;
      for (let p = 0; p < k; p++) {
        exact += at(a, i, p) * at(b, p, j);
        magnitude += Math.abs(at(a, i, p) * at(b, p, j));
      }
      if (!(Math.abs(c[i * n + j] - exact) <= (k + 1) * 2 ** -24 * magnitude)) {
        expect.fail(`C[${i},${j}] = ${c[i * n + j]}, exact ${exact}, |A||B| ${magnitude}, k ${k}`);
      }
    }
  }
};

/** The kernels on matrices inside their memory, unaligned; even the smallest products run in WebAssembly here. */
const inMemory = (relaxed: boolean, tileRows: number): Gemm => {
  const { memory, reserve } = createWorkspace()!;
  const kernel = compileTile(memory, relaxed, tileRows)!;
  return (m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset) => {
    const scratchBytes = kernel.scratchBytes(m, n, k, 4 * bCol);
    const scratch = reserve(scratchBytes + a.byteLength + b.byteLength + c.byteLength)!;
    const floats = new Float32Array(memory.buffer);
    const start = scratch + scratchBytes;
    const bStart = start + a.byteLength;
    const cStart = bStart + b.byteLength;
    floats.set(a, start / 4);
    floats.set(b, bStart / 4);
    floats.set(c, cStart / 4);
    const columns = kernel.columns(m, n, k, bStart + 4 * bOffset, 4 * bRow, 4 * bCol, scratch);
    kernel.multiply(m, n, k, start + 4 * aOffset, 4 * aRow, 4 * aCol, columns, cStart + 4 * cOffset, scratch);
    c.set(floats.subarray(cStart / 4, cStart / 4 + c.length));
  };
};

const size = fc.integer({ min: 0, max: 40 });
const layout = fc.constantFrom(...layouts);
const problem = fc.record({ m: size, n: size, k: size, aLayout: layout, bLayout: layout, seed: fc.integer() });

// --- Tests -----------------------------------------------------------------------------------------------------------------

describe('gemm', () => {
  const gemm = createGemm();
  const tiles = [TILE_ROWS.exact, TILE_ROWS.tall].map((rows) => inMemory(false, rows));

  test('runs on WebAssembly vectors here', () => {
    expect(gemm.kernel).toBe('wasm-simd128');
    const own = createWorkspace()!;
    const reserve = vi.fn(own.reserve);
    const watched = createGemm({ workspace: { memory: own.memory, reserve } });
    const draw = numbers(1);
    product(watched, 10, 10, 10, operand(10, 10, 'rows', draw), operand(10, 10, 'rows', draw));
    expect(reserve).toHaveBeenCalledTimes(1);
  });

  test('vectors and loops give the same bits, within rounding of the exact product, for any shape and strides', () => {
    fc.assert(
      fc.property(problem, ({ m, n, k, aLayout, bLayout, seed }) => {
        const draw = numbers(seed);
        const a = operand(m, k, aLayout, draw);
        const b = operand(k, n, bLayout, draw);
        const loops = product(gemmLoops, m, n, k, a, b);
        expectWithinRounding(loops, m, n, k, a, b);
        expect(product(gemm, m, n, k, a, b)).toEqual(loops);
        for (const tile of tiles) expect(product(tile, m, n, k, a, b)).toEqual(loops);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [1, 1, 1],
    [0, 5, 3],
    [5, 0, 3],
    [5, 8, 0],
    [250, 270, 1100],
    [61, 9, 1030],
    [67, 300, 65],
    [66, 40, 500],
    [3, 1000, 2],
  ])('blocks of rows, columns and k meet without a seam: %i x %i x %i', (m, n, k) => {
    const draw = numbers(m + n + k);
    for (const [aLayout, bLayout] of [
      ['rows', 'rows'],
      ['columns', 'columns'],
      ['reversed', 'every third'],
    ] as const) {
      const a = operand(m, k, aLayout, draw);
      const b = operand(k, n, bLayout, draw);
      const loops = product(gemmLoops, m, n, k, a, b);
      expect(product(gemm, m, n, k, a, b)).toEqual(loops);
      for (const tile of tiles) expect(product(tile, m, n, k, a, b)).toEqual(loops);
    }
  });

  test('the first row of a product does not depend on the other rows', () => {
    const draw = numbers(5);
    const a = operand(64, 700, 'rows', draw);
    const b = operand(700, 33, 'rows', draw);
    expect(product(gemm, 1, 33, 700, a, b)).toEqual(product(gemm, 64, 33, 700, a, b).slice(0, 33));
  });

  test('NaN and infinities spread as in the loops', () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-40, 3e38];
    fc.assert(
      fc.property(problem, ({ m, n, k, aLayout, bLayout, seed }) => {
        const draw = numbers(seed);
        let drawn = 0;
        const mixed = () => (++drawn % 37 === 0 ? special[(drawn / 37) % special.length] : draw());
        const a = operand(m, k, aLayout, mixed);
        const b = operand(k, n, bLayout, mixed);
        const loops = product(gemmLoops, m, n, k, a, b);
        expect(product(gemm, m, n, k, a, b)).toEqual(loops);
        for (const tile of tiles) expect(product(tile, m, n, k, a, b)).toEqual(loops);
      }),
    );
    const a = operand(9, 20, 'rows', () => 1);
    const b = operand(20, 11, 'rows', () => 1);
    a.data[a.offset + 4 * 20 + 3] = Number.NaN;
    b.data[b.offset + 7 * 11 + 10] = Number.POSITIVE_INFINITY;
    const c = product(gemm, 9, 11, 20, a, b);
    for (const [i, value] of c.entries()) {
      const [row, col] = [Math.floor(i / 11), i % 11];
      expect(value).toBe(row === 4 ? Number.NaN : col === 10 ? Number.POSITIVE_INFINITY : 20);
    }
  });

  test('a large product and then a small one: the memory grows, and nothing of the first is left in the second', () => {
    const own = createWorkspace()!;
    const grown = createGemm({ workspace: own });
    const draw = numbers(9);
    const a = operand(13, 17, 'rows', draw);
    const b = operand(17, 11, 'columns', draw);
    const small = product(grown, 13, 11, 17, a, b).slice();
    const before = own.memory.buffer.byteLength;
    product(
      grown,
      300,
      301,
      302,
      operand(300, 302, 'columns', draw),
      operand(302, 301, 'rows', () => Number.NaN),
    );
    expect(own.memory.buffer.byteLength).toBeGreaterThan(before);
    expect(product(grown, 13, 11, 17, a, b)).toEqual(small);
    expect(product(gemm, 13, 11, 17, a, b)).toEqual(small);
  });

  test('the memory goes on for 16 bytes behind what was reserved, and no product reads more than 12 behind A, B or C', () => {
    const { memory, reserve } = createWorkspace()!;
    for (const bytes of [1, 65520, 65521, 200000]) {
      const address = reserve(bytes)!;
      expect(memory.buffer.byteLength - address - bytes).toBeGreaterThanOrEqual(16);
    }
    const end = memory.buffer.byteLength - 12;
    for (const rows of Object.values(TILE_ROWS)) {
      const inPlace = compileTile(memory, false, rows)!;
      for (const n of [1, 2, 3, 5, 6, 7]) {
        const b = inPlace.columns(1, n, 600, end - 4 * 600 * n, 4 * n, 4, 0);
        inPlace.multiply(1, n, 600, 0, 4, 4, b, 20000, 0);
        inPlace.multiply(1, n, 600, 0, 4, 4, { ...b, pointer: 20000 }, end - 4 * n, 0);
        for (const k of [10, 600]) {
          inPlace.multiply(n, 8, k, end - 4 * n * k, 4, 4 * n, { ...b, pointer: 0 }, 40000, 0);
          inPlace.multiply(n, 8, k, end - 4 * n * k, 4 * k, 4, { ...b, pointer: 0 }, 40000, 0);
        }
      }
    }
  });

  test('operands in the memory of the kernels are used where they are', () => {
    const { memory } = createWorkspace()!;
    memory.grow(15);
    const half = memory.buffer.byteLength / 2;
    const workspace: Workspace = { memory, reserve: () => half };
    const resident = createGemm({ workspace });
    const floats = new Float32Array(memory.buffer);
    fc.assert(
      fc.property(problem, fc.integer({ min: 0, max: 7 }), ({ m, n, k, aLayout, bLayout, seed }, which) => {
        const draw = numbers(seed);
        const a = operand(m, k, aLayout, draw);
        const b = operand(k, n, bLayout, draw);
        const expected = product(gemmLoops, m, n, k, a, b);
        let free = 1;
        const place = (data: Float32Array): Float32Array => {
          floats.set(data, free);
          const placed = floats.subarray(free, free + data.length);
          free += data.length + 4;
          return placed;
        };
        const c = which & 4 ? place(new Float32Array(m * n)) : new Float32Array(m * n);
        const aData = which & 1 ? place(a.data) : a.data;
        const bData = which & 2 ? place(b.data) : b.data;
        resident(m, n, k, aData, a.offset, a.rowStride, a.colStride, bData, b.offset, b.rowStride, b.colStride, c, 0);
        expect(new Float32Array(c)).toEqual(new Float32Array(expected));
      }),
    );
  });

  test('gemmLoops64 is the product in float64', () => {
    fc.assert(
      fc.property(problem, ({ m, n, k, aLayout, bLayout, seed }) => {
        const draw = numbers(seed);
        const a = operand(m, k, aLayout, draw);
        const b = operand(k, n, bLayout, draw);
        const c = new Float64Array(m * n + 2 * GUARD).fill(12345);
        const [a64, b64] = [Float64Array.from(a.data), Float64Array.from(b.data)];
        gemmLoops64(
          m,
          n,
          k,
          a64,
          a.offset,
          a.rowStride,
          a.colStride,
          b64,
          b.offset,
          b.rowStride,
          b.colStride,
          c,
          GUARD,
        );
        const expected = Array.from({ length: m * n }, (_, i) => {
          let sum = 0;
          for (let p = 0; p < k; p++) sum += at(a, Math.floor(i / n), p) * at(b, p, i % n);
          return sum;
        });
        const guard = Array(GUARD).fill(12345);
        expect([...c]).toEqual([...guard, ...expected, ...guard]);
      }),
    );
  });
});

describe('gemm elsewhere', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  const refuse = class {
    constructor() {
      throw new Error('Refused to compile WebAssembly: Content-Security-Policy');
    }
  };
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: object } }).WebAssembly;
  test.each([
    ['is missing', undefined],
    ['has no vectors', { Memory, validate: (): boolean => false }],
    ['may not be compiled', { Memory, validate: (): boolean => true, Module: refuse }],
  ])('where WebAssembly %s it says loops and gives the same bits', async (_, stub) => {
    vi.stubGlobal('WebAssembly', stub);
    vi.resetModules();
    const fallback = (await import('../src/backends/cpu/gemm.ts')).createGemm();
    vi.unstubAllGlobals();
    expect(fallback.kernel).toBe('loops');
    const draw = numbers(3);
    const a = operand(20, 600, 'rows', draw);
    const b = operand(600, 21, 'columns', draw);
    expect(product(fallback, 20, 21, 600, a, b)).toEqual(product(createGemm(), 20, 21, 600, a, b));
  });

  test('relaxed mode is asked for, names itself, and stays within rounding', () => {
    // Node 20 has the instruction behind a flag; from Node 22 on the flag is always on.
    setFlagsFromString('--experimental-wasm-relaxed-simd');
    const relaxed = createGemm({ relaxed: true });
    expect(relaxed.kernel).toBe('wasm-relaxed-simd');
    expect(createGemm().kernel).toBe('wasm-simd128');
    const tiles = [TILE_ROWS.relaxed, TILE_ROWS.tall].map((rows) => inMemory(true, rows));
    fc.assert(
      fc.property(problem, ({ m, n, k, aLayout, bLayout, seed }) => {
        const draw = numbers(seed);
        const a = operand(m, k, aLayout, draw);
        const b = operand(k, n, bLayout, draw);
        expectWithinRounding(product(relaxed, m, n, k, a, b), m, n, k, a, b);
        const [usual, tall] = tiles.map((tile) => product(tile, m, n, k, a, b));
        expectWithinRounding(usual, m, n, k, a, b);
        expect(tall).toEqual(usual);
      }),
    );
  });
});
