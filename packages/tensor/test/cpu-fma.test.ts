// The device 'cpu-fma': every law of every primitive, one memory with the cpu, and errors where there is no such instruction.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { chooseDevice, errors, ones, type Primitive, Rng, randn, scope, tensor } from '../src/index.ts';
import type { Case } from './laws/case.ts';
import { laws } from './laws/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';

const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: object } }).WebAssembly;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

test('is awaited, and says what it computes with', async () => {
  vi.resetModules();
  const { chooseDevice, devices, info, ones }: typeof import('../src/index.ts') = await import('../src/index.ts');
  expect(thrown(() => ones([1], { device: 'cpu-fma' })).message).toBe(
    "the cpu-fma has not been started: await chooseDevice('cpu-fma') first",
  );
  expect(info()['cpu-fma']).toEqual({ state: "the cpu-fma has not been started: await chooseDevice('cpu-fma') first" });
  expect(await chooseDevice('cpu-fma')).toBe('cpu-fma');
  expect(devices).toContain('cpu-fma');
  expect(info()['cpu-fma']['float32 matmul']).toBe('wasm-relaxed-simd');
  expect(info()['cpu-fma']['multiply-add']).toMatch(/^rounded (once|twice on this machine)$/);
  expect(info().cpu['float32 matmul']).toBe('wasm-simd128');
});

test('shares its memory with the cpu: a tensor moves without a copy, and back, and is gone for both when its scope ends', async () => {
  const device = await chooseDevice('cpu-fma');
  const x = randn([30, 40], new Rng(1)).transpose();
  const y = x.to(device);
  expect([y.device, y.storage === x.storage, y.to('cpu').storage === x.storage]).toEqual([device, true, true]);
  expect(y.toArray()).toEqual(x.toArray());
  const lost = scope(() => ({ inside: [ones([3])] })).inside[0]!.to(device);
  expect(lost.add(1).toArray()).toEqual([2, 2, 2]);
  let gone = lost;
  scope(() => {
    gone = ones([3]).to(device);
  });
  expect(thrown(() => gone.toArray())).toBeInstanceOf(errors.ScopeError);
  expect(thrown(() => x.matmul(y.transpose())).message).toBe(
    "matmul: operands live on 'cpu' and 'cpu-fma'; move one with .to('cpu')",
  );
});

test('its products are as near the true ones as rounding allows, and those of the cpu stay what they were', async () => {
  const device = await chooseDevice('cpu-fma');
  const [a, b] = [randn([64, 500], new Rng(2)), randn([500, 32], new Rng(3))];
  const before = a.matmul(b).toArray();
  const fused = a.to(device).matmul(b.to(device));
  const exact = a.matmul(b, { dtype: 'float64' });
  const bound = a
    .abs()
    .matmul(b.abs(), { dtype: 'float64' })
    .mul(501 * 2 ** -24);
  expect(fused.to('cpu').sub(exact).abs().le(bound).all().item()).toBe(true);
  expect(a.matmul(b).toArray()).toEqual(before);
});

test('a product has the same bits in a scope and out of it, of any size and however its operands lie', async () => {
  const device = await chooseDevice('cpu-fma');
  const size = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      size,
      fc.integer({ min: 0, max: 30 }),
      size,
      fc.integer({ min: 1, max: 3 }),
      fc.nat(),
      (m, k, n, of, seed) => {
        const rng = new Rng(seed);
        const [a, b] = [randn([of, m, k], rng).to(device), randn([k, n], rng).to(device)];
        const rows = b.transpose().copy().transpose();
        const outside = a.matmul(b).toArray();
        expect(scope(() => a.copy().matmul(b.copy()).toArray())).toEqual(outside);
        expect(scope(() => a.matmul(rows).toArray())).toEqual(outside);
        expect(
          a
            .reshape([of * m, k])
            .matmul(rows)
            .reshape([of, m, n])
            .toArray(),
        ).toEqual(outside);
      },
    ),
    { numRuns: 200 },
  );
});

describe('laws', async () => {
  const device = await chooseDevice('cpu-fma');
  test.each(Object.keys(laws) as Primitive[])('%s does what its definition says', (op) => {
    fc.assert(
      fc.property(laws[op] as fc.Arbitrary<Case>, ({ params, inputs, expected }) => {
        const operands = inputs.map((x) => x.on(device));
        expectModel(
          leavingUntouched(operands, () => operands[0]!.apply(op, params, operands)),
          expected,
        );
      }),
      { numRuns: 15 },
    );
  });
});

test('where the instruction is missing the error says what was found, and the cpu is there', async () => {
  for (const WebAssembly of [undefined, { Memory, validate: () => false }]) {
    vi.stubGlobal('WebAssembly', WebAssembly);
    vi.resetModules();
    const fresh: typeof import('../src/index.ts') = await import('../src/index.ts');
    const error = await fresh.chooseDevice('cpu-fma').catch((e) => e);
    expect(error).toBeInstanceOf(fresh.errors.DeviceError);
    expect(error.message).toMatch(
      /^cpu-fma: no fused multiply-add: the WebAssembly of Node \d+.* is missing, or has no/,
    );
    expect(fresh.devices).toEqual(['cpu', 'reference']);
    expect(
      fresh
        .tensor([1, 2])
        .matmul(fresh.tensor([3, 4]))
        .item(),
    ).toBe(11);
  }
});

test('takes tensors from anywhere', async () => {
  const device = await chooseDevice('cpu-fma');
  expect(tensor([1, 2], { device: 'reference' }).to(device).add(1).to('reference').toArray()).toEqual([2, 3]);
});
