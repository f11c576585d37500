// What threads share has the bits of one thread: each op on three engines, of one, two and three threads.

import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Team } from '../src/backends/cpu/threads.ts';
import type { Tensor } from '../src/index.ts';
import { bitsOf, hesitate, numbers } from './support/wasm.ts';

interface Engine {
  readonly tensors: typeof import('../src/index.ts');
  readonly team: Team | undefined;
}

const start = async (threads: number): Promise<Engine> => {
  vi.resetModules();
  const tensors: typeof import('../src/index.ts') = await import('../src/index.ts');
  const { teamOf }: typeof import('../src/backends/cpu/threads.ts') = await import('../src/backends/cpu/threads.ts');
  const { backendOf }: typeof import('../src/device.ts') = await import('../src/device.ts');
  await tensors.setNumThreads(threads);
  const { heap } = backendOf('cpu').memory as import('../src/backends/cpu/memory.ts').CpuMemory;
  return { tensors, team: teamOf(heap!.memory) };
};

let engines: readonly Engine[];
beforeAll(async () => {
  engines = [await start(1), await start(2), await start(3)];
});
// Each test has something to share.
beforeEach(() => {
  for (const { team } of engines) if (team !== undefined) hesitate(team, 1);
});
afterEach(() => {
  expect(engines.map(({ team }) => team?.size)).toEqual([undefined, 2, 3]);
  for (const { team } of engines) if (team !== undefined) expect(team.run).toHaveBeenCalled();
  vi.restoreAllMocks();
});
afterAll(async () => {
  for (const { tensors } of engines) await tensors.setNumThreads(1);
});

type DType = 'float32' | 'float64' | 'bool';
interface Input {
  readonly shape: readonly number[];
  readonly dtype?: DType;
}

/** As if threads had done so much each in the same time: work is cut elsewhere each time. */
const uneven = (seed: number, threads: number): number[] => {
  const draw = numbers(seed);
  return Array.from({ length: threads }, () => 0.1 + Math.abs(draw()));
};

/** Runs `op` on the same numbers in all engines, and expects the same bits, wherever work is cut. */
const expectSameBits = (seed: number, inputs: readonly Input[], op: (...xs: Tensor[]) => Tensor) => {
  const draw = numbers(seed, 'special');
  const data = inputs.map(({ shape, dtype = 'float32' }) => {
    const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw);
    return dtype === 'bool' ? Uint8Array.from(values, (v) => (v > 0 ? 1 : 0)) : toFloats(values, dtype);
  });
  const found = engines.map(({ tensors: { scope, tensor }, team }) =>
    scope(() => {
      team?.speeds.learn(uneven(seed, team.size), new Array(team.size).fill(1));
      const xs = inputs.map(({ shape, dtype = 'float32' }, i) => tensor(data[i]!.slice(), { shape, dtype }));
      return bitsOf(op(...xs).dataSync());
    }),
  );
  expect(found.map((bits) => bits.equals(found[0]!))).toEqual([true, true, true]);
};
const toFloats = (values: number[], dtype: 'float32' | 'float64') =>
  dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values);

const engineOf = (x: Tensor) => engines.find(({ tensors }) => x instanceof tensors.Tensor)!.tensors;

/** The size of a side such that n times it is large, and a little more. */
const side = (n: number, more: number, least = 140_000): number => Math.ceil(least / n) + more;
const rows = fc.integer({ min: 1, max: 700 });
const more = fc.nat(70);
const seed = fc.integer();
const runs = { numRuns: 6 };

describe('elementwise', () => {
  test.each(['neg', 'abs', 'sqrt', 'relu', 'floor', 'round'] as const)('%s', (op) => {
    fc.assert(
      fc.property(rows, more, seed, fc.constantFrom<DType>('float32', 'float64'), (n, extra, s, dtype) => {
        expectSameBits(s, [{ shape: [n, side(n, extra)], dtype }], (x) => x[op]());
      }),
      runs,
    );
  });

  /** Shapes of an operand beside a matrix [n, m]. */
  const beside = (n: number, m: number) => [[n, m], [m], [n, 1], [1]];

  test.each(['add', 'sub', 'mul', 'div', 'maximum', 'minimum'] as const)('%s', (op) => {
    const dtypes = fc.constantFrom<DType>('float32', 'float64');
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 700 }), more, seed, fc.nat(3), dtypes, (n, extra, s, form, dtype) => {
        const [a, b] = [[n, side(n, extra)], beside(n, side(n, extra))[form]!];
        expectSameBits(
          s,
          [
            { shape: a, dtype },
            { shape: b, dtype },
          ],
          (x, y) => x[op](y),
        );
        expectSameBits(
          s,
          [
            { shape: a, dtype },
            { shape: b, dtype },
          ],
          (x, y) => y[op](x),
        );
      }),
      runs,
    );
  });

  test.each(['eq', 'lt', 'le'] as const)('%s', (op) => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 700 }), more, seed, fc.nat(3), (n, extra, s, form) => {
        const m = side(n, extra);
        expectSameBits(s, [{ shape: [n, m] }, { shape: beside(n, m)[form]! }], (x, y) => x[op](y));
      }),
      runs,
    );
  });

  test('where', () => {
    fc.assert(
      fc.property(rows, more, seed, fc.nat(2), (n, extra, s, form) => {
        const shape = [n, side(n, extra)];
        const [a, b] = [form === 1 ? [1] : shape, form === 2 ? [1] : shape];
        expectSameBits(s, [{ shape, dtype: 'bool' }, { shape: a }, { shape: b }], (c, x, y) => {
          return engineOf(x).where(c, x, y);
        });
      }),
      runs,
    );
  });

  test('a + s b', () => {
    fc.assert(
      fc.property(rows, more, seed, fc.float({ noNaN: true }), (n, extra, s, scale) => {
        const shape = [n, side(n, extra)];
        expectSameBits(s, [{ shape }, { shape }], (x, y) => x.add(y, { alpha: scale }));
      }),
      runs,
    );
  });
});

describe('folds', () => {
  test.each(['sum', 'max', 'min'] as const)('%s over the last axes, the first, and those between', (op) => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 20, max: 60 }), more, seed, (a, b, extra, s) => {
        const shape = [a, b, side(a * b, extra)];
        for (const axes of [[2], [1, 2], [0], [0, 1], [1]]) {
          expectSameBits(s, [{ shape }], (x) => x[op](axes));
        }
        expectSameBits(s, [{ shape }], (x) => x[op]());
      }),
      runs,
    );
  });
});

describe('images', () => {
  const image = fc.tuple(
    fc.integer({ min: 2, max: 5 }),
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 40, max: 70 }),
  );

  test('windows laid out, and added up', () => {
    fc.assert(
      fc.property(image, fc.integer({ min: 1, max: 2 }), seed, ([n, channels, width], stride, s) => {
        const shape = [n, channels, side(n * channels * width, 0), width];
        expectSameBits(s, [{ shape }], (x) => x.unfold(3, { stride, padding: 1 }));
        expectSameBits(s, [{ shape }], (x) => x.unfold(3, { stride }).fold(shape.slice(2), 3, { stride }));
      }),
      runs,
    );
  });

  test('a number for each channel, and sums over channels', () => {
    fc.assert(
      fc.property(image, seed, ([n, channels, width], s) => {
        const shape = [n, channels + 1, side(n * channels * width, 0), width];
        expectSameBits(s, [{ shape }, { shape: [channels + 1, 1, 1] }], (x, y) => x.mul(y));
        expectSameBits(s, [{ shape }], (x) => x.sum([0, 2, 3]));
        expectSameBits(s, [{ shape }], (x) => x.transpose(0, 1).add(x.transpose(0, 1).slice(null, null, [0, 1])));
      }),
      runs,
    );
  });
});

describe('exponentials', () => {
  test.each(['exp', 'softmax', 'logSoftmax'] as const)('%s', (op) => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 3000 }), fc.nat(30), seed, (n, extra, s) => {
        expectSameBits(s, [{ shape: [n, side(n, extra, 20_000)] }], (x) => (op === 'exp' ? x.exp() : x[op](1)));
      }),
      runs,
    );
  });
});

describe('products', () => {
  test('and a bias', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 100, max: 400 })),
        fc.integer({ min: 30, max: 1100 }),
        fc.nat(40),
        seed,
        (m, k, extra, s) => {
          const n = Math.min(600, side(m * k, extra, 1_500_000));
          expectSameBits(s, [{ shape: [m, k] }, { shape: [n, k] }, { shape: [n] }], (x, w, b) => x.linear(w, b));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('of stacks, in any layout, of few rows or columns too', () => {
    const length = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 20, max: 130 }));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        length,
        length,
        fc.nat(7),
        fc.nat(40),
        seed,
        (count, m, n, form, extra, s) => {
          const k = Math.min(2000, side(count * m * n, extra, 900_000));
          const [flipA, flipB] = [form & 1, form & 2];
          const stack = form & 4 ? [] : [count];
          const a = flipA ? [count, k, m] : [count, m, k];
          const b = flipB ? [...stack, n, k] : [...stack, k, n];
          expectSameBits(s, [{ shape: a }, { shape: b }], (x, y) =>
            (flipA ? x.transpose() : x).matmul(flipB ? y.transpose() : y),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  test.each([
    [1, 4864, 100, 10],
    [1, 4864, 10, 100],
    [19, 10, 256, 100],
    [2, 1, 700, 900],
    [1, 1, 1000, 1500],
  ])('%i of %i x %i by %i', (count, m, k, n) => {
    expectSameBits(1, [{ shape: [count, m, k] }, { shape: [count, k, n] }], (x, y) => x.matmul(y));
  });

  test('of a large transposed matrix', () => {
    expectSameBits(1, [{ shape: [2, 20, 9000] }, { shape: [2, 70, 9000] }], (x, y) => x.matmul(y.transpose()));
  });

  test('summed in float64, with their own transpose, with vectors, and of few rows', () => {
    const large = fc.integer({ min: 2000, max: 9000 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 }), large, seed, (m, n, k, s) => {
        const wide = { dtype: 'float64' } as const;
        expectSameBits(s, [{ shape: [m, k] }], (x) => x.matmul(x.transpose(), wide));
        expectSameBits(s, [{ shape: [m, k] }, { shape: [k, 1] }], (x, y) => x.matmul(y, wide));
        expectSameBits(s, [{ shape: [m, k] }, { shape: [k, n] }], (x, y) => x.matmul(y, wide));
        expectSameBits(s, [{ shape: [3, n] }, { shape: [n, k] }], (x, y) => x.matmul(y, wide));
      }),
      runs,
    );
  });

  test('that skip zeros, of rows and of columns', () => {
    const length = fc.integer({ min: 65, max: 700 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), length, length, fc.nat(70), seed, (groups, m, width, more, s) => {
        const n = side(groups * m * width, more, 6_000_000);
        const shapes = [{ shape: [groups * m, width] }, { shape: [width, n] }, { shape: [groups, m, n] }];
        for (const form of ['rows', 'columns'] as const) {
          expectSameBits(s, shapes, (x, b, d) => {
            const { compressRows, where } = engineOf(x);
            const packed = compressRows(where<Tensor>(x.abs().lt(0.1), x, 0));
            expect(packed.storage.compressed).not.toBe(null);
            const [finiteB, finiteD] = [b, d].map((y) => where<Tensor>(y.isFinite(), y, 1));
            if (form === 'rows') return packed.matmul(finiteB!);
            return packed.reshape([groups, m, width]).transpose(1, 2).matmul(finiteD!);
          });
        }
      }),
      runs,
    );
  });
});
