// A program's first ops on few elements are done by loops: no kernel is built for them, and their bits are those of the kernels.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Backend, Operand } from '../src/backend.ts';
import { createCpuBackend } from '../src/backends/cpu/backend.ts';
import { CpuMemory } from '../src/backends/cpu/memory.ts';
import { Patience } from '../src/backends/cpu/patience.ts';
import { scope } from '../src/index.ts';
import type { Spec } from '../src/primitives.ts';
import { sizeOf } from '../src/shape.ts';
import type { Storage } from '../src/storage.ts';
import { contiguousView } from '../src/view.ts';
import { bitsOf, numbers } from './support/wasm.ts';

const backendWith = (patience?: Patience) => createCpuBackend('cpu', new CpuMemory(), patience);

type Op = (backend: Backend, x: Operand, y: Operand, spec: Spec) => Storage;

const OPS: Readonly<Record<string, Op>> = {
  add: ({ kernels }, x, y, spec) => kernels.add({}, [x, y], spec) as Storage,
  relu: ({ kernels }, x, _, spec) => kernels.relu({}, [x], spec) as Storage,
  reluBackward: ({ kernels }, x, y, spec) => kernels.reluBackward({}, [x, y], spec) as Storage,
  addScaled: ({ kernels }, x, y, spec) => kernels.addScaled({ scale: -0.1 }, [x, y], spec) as Storage,
  lt: ({ kernels }, x, y, { shape }) => kernels.lt({}, [x, y], { shape, dtype: 'bool' }) as Storage,
  cast: ({ kernels }, x, _, { shape }) =>
    kernels.cast({ dtype: 'float64' }, [x], { shape, dtype: 'float64' }) as Storage,
  exp: ({ kernels }, x, _, spec) => kernels.exp({}, [x], spec) as Storage,
  softmax: ({ kernels }, x, _, spec) => kernels.softmax({ axis: 1 }, [x], spec) as Storage,
  logSoftmax: ({ kernels }, x, _, spec) => kernels.logSoftmax({ axis: 1 }, [x], spec) as Storage,
  'sum of columns': ({ kernels }, x, _, { shape, dtype }) =>
    kernels.sum({ axes: [0], keepDims: false }, [x], { shape: [shape[1]!], dtype }) as Storage,
  'sum of rows': ({ kernels }, x, _, { shape, dtype }) =>
    kernels.sum({ axes: [1], keepDims: false }, [x], { shape: [shape[0]!], dtype }) as Storage,
  max: ({ kernels }, x, _, { dtype }) =>
    kernels.max({ axes: [0, 1], keepDims: false }, [x], { shape: [], dtype }) as Storage,
};

/** Two operands in the memory of a backend, of numbers from a seed. */
const operandsOf = ({ memory }: Backend, shape: readonly number[], seed: number): [Operand, Operand] => {
  const draw = numbers(seed, 'special');
  const make = (): Operand => {
    const storage = (memory as CpuMemory).take('float32', sizeOf(shape));
    storage.data.forEach((_, i, data) => {
      data[i] = draw();
    });
    return { ...contiguousView(shape), dtype: 'float32', storage };
  };
  return [make(), make()];
};

const run = (backend: Backend, op: Op, shape: readonly number[], seed = 1) =>
  scope(() => {
    const [x, y] = operandsOf(backend, shape, seed);
    return bitsOf(op(backend, x, y, { shape, dtype: 'float32' }).data.slice());
  });

afterEach(() => {
  vi.restoreAllMocks();
});

// Typed here, as module.ts does.
const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } };
const modules = () => vi.spyOn(WebAssembly, 'Module');

describe.each(Object.entries(OPS))('%s', (_, op) => {
  test('of few elements has the bits of the kernels without one', () => {
    const compiled = modules();
    const [patient, eager] = [backendWith(), backendWith(new Patience(0))];
    const size = fc.integer({ min: 1, max: 22 });
    fc.assert(
      fc.property(fc.integer(), size, size, (seed, rows, columns) => {
        const before = compiled.mock.calls.length;
        const found = run(patient, op, [rows, columns], seed);
        expect(compiled.mock.calls.length).toBe(before);
        expect(found.equals(run(eager, op, [rows, columns], seed))).toBe(true);
      }),
      { numRuns: 30 },
    );
    expect(compiled).toHaveBeenCalled();
  });

  test('of many elements is for a kernel at once', () => {
    const compiled = modules();
    run(backendWith(), op, [50, 50]);
    expect(compiled).toHaveBeenCalled();
  });

  test('is for a kernel when there have been many', () => {
    const compiled = modules();
    const backend = backendWith();
    let ops = 0;
    while (compiled.mock.calls.length === 0 && ops < 1000) {
      run(backend, op, [20, 20]);
      ops++;
    }
    expect(ops).toBeGreaterThan(10);
    expect(ops).toBeLessThan(200);
  });
});
