// A tensor as a value: what it says of itself, how its numbers get out, how it prints, and on which device it lives.

import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  arange,
  type Device,
  devices,
  errors,
  info,
  linspace,
  ones,
  PrintOptionError,
  tensor,
  zeros,
} from '../src/index.ts';
import { thrown } from './support/expect.ts';
import { anySample } from './support/samples.ts';

describe.each(devices)('%s', (device) => {
  test('says what it is', () => {
    const x = zeros([2, 3, 4], { device });
    expect([x.shape, x.rank, x.size, x.dtype, x.device]).toEqual([[2, 3, 4], 3, 24, 'float32', device]);
    expect([tensor(1, { device }).rank, tensor(1, { device }).size, zeros([3, 0], { device }).size]).toEqual([0, 1, 0]);
  });

  test('dataSync, data and toArray give the elements in row-major order, whatever the strides', async () => {
    await fc.assert(
      fc.asyncProperty(anySample(), async (s) => {
        const x = s.on(device);
        const host = x.dataSync();
        expect(Array.from(host)).toEqual(s.model.values);
        expect(await x.data()).toEqual(host);
        const bool = x.dtype === 'bool';
        expect([x.toArray()].flat(9)).toEqual(s.model.values.map((v) => (bool ? v !== 0 : v)));
        expect(x.copy().toArray()).toEqual(x.toArray());
      }),
      { numRuns: 60 },
    );
    const kinds = (['float64', 'float32', 'int32', 'bool'] as const).map((dtype) => zeros([1], { dtype, device }));
    expect(kinds.map((x) => x.dataSync().constructor)).toEqual([Float64Array, Float32Array, Int32Array, Uint8Array]);
    expect([zeros([2, 0], { device }).toArray(), zeros([0, 2], { device }).toArray()]).toEqual([[[], []], []]);
  });

  test('what goes in and what comes out are copies: nobody can write into a tensor', async () => {
    const source = Float64Array.of(1, 2, 3, 4, 5, 6);
    const x = tensor(source, { shape: [2, 3], device });
    source.fill(0);
    const views = [x, x.transpose(), x.reshape([6]), x.slice(1), x.slice(0, [0, 1]).expand([4]), x.copy(), x.mul(1)];
    for (const view of [...views, x.gt(0), x.cast('int32')]) {
      const before = view.toArray();
      for (const host of [view.dataSync(), await view.data()]) {
        expect(host.length).toBe(view.size);
        host.fill(99);
      }
      (view.toArray() as number[])[0] = 99;
      expect(view.toArray()).toEqual(before);
    }
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  test('item is the one element', () => {
    expect([tensor([[2.5]], { device }).item(), tensor(true, { device }).item()]).toEqual([2.5, true]);
    const error = thrown(() => zeros([2, 3], { device }).item());
    expect(error.message).toBe('item: only a tensor of one element is a number; this one is [2,3]');
    expect(error).toBeInstanceOf(errors.ShapeError);
    expect(() => zeros([0], { device }).item()).toThrow(errors.ShapeError);
  });

  test('prints as NumPy does, with what NumPy would have to say besides', () => {
    const x = tensor(
      [
        [1, 2.5],
        [-3, 0.125],
      ],
      { device },
    );
    const text = 'tensor([[ 1.   ,  2.5  ],\n        [-3.   ,  0.125]])';
    expect(String(x)).toBe(text);
    expect(inspect(x)).toBe(text);
    expect(inspect({ x: tensor([1, 2], { device }) })).toBe('{ x: tensor([1., 2.]) }');
    expect(String(x.transpose())).toBe('tensor([[ 1.   , -3.   ],\n        [ 2.5  ,  0.125]])');
    expect(String(tensor(Int32Array.of(1, -20), { device }))).toBe('tensor([  1, -20], dtype=int32)');
    expect(String(tensor([true, false], { device }))).toBe('tensor([ True, False], dtype=bool)');
    expect(String(tensor(Float64Array.of(0.1), { device }))).toBe('tensor([0.1], dtype=float64)');
    expect(String(tensor(0.1, { device }))).toBe('tensor(0.1)');
    expect(String(tensor([], { device }))).toBe('tensor([])');
    expect(String(zeros([2, 0], { device }))).toBe('tensor([], shape=[2,0])');
    expect(String(zeros([0, 3], { dtype: 'int32', device }))).toBe('tensor([], shape=[0,3], dtype=int32)');
    expect(String(arange(2000, undefined, 1, { device }))).toBe(
      'tensor([   0,    1,    2, ..., 1997, 1998, 1999], dtype=int32)',
    );
    expect(`${tensor([1], { device })}`).toBe('tensor([1.])');
  });

  test('toString takes the options of printing', () => {
    const x = linspace(0, 1, 12, { device }).reshape([4, 3]);
    expect(x.toString({ precision: 2, threshold: 11, edgeItems: 1 })).toBe(
      'tensor([[0.  , ..., 0.18],\n        ...,\n        [0.82, ..., 1.  ]])',
    );
    const ints = arange(12, undefined, 1, { device });
    expect(ints.toString({ separator: ' ' })).toBe('tensor([ 0  1  2  3  4  5  6  7  8  9 10 11], dtype=int32)');
    expect(ints.toString({ threshold: 0, lineWidth: 40 })).toBe(
      'tensor([ 0,  1,  2, ...,\n         9, 10, 11], dtype=int32)',
    );
    const error = thrown(() => x.toString({ precision: -1 }));
    expect(error).toBeInstanceOf(PrintOptionError);
    expect(error.message).toBe('print: precision must be an integer >= 0, found -1');
  });
});

describe('devices', () => {
  afterEach(() => void vi.unstubAllGlobals());

  test('cpu is the default, and every device is listed', () => {
    expect(zeros([1]).device).toBe('cpu');
    expect(devices).toEqual(['cpu', 'reference']);
    expect(Object.keys(info())).toEqual(['cpu', 'cpu-fma', 'gpu', 'webgpu', 'reference', 'auto']);
  });

  test.each(['webgl', 'toString', ''])("there is none named '%s'", (name) => {
    const error = thrown(() => tensor([1], { device: name as Device }));
    expect(error.message).toBe(
      `no device named '${name}'; this build has cpu, reference, cpu-fma (after await chooseDevice('cpu-fma')), gpu (after await chooseDevice('gpu')), webgpu (after await chooseDevice('webgpu')), auto`,
    );
    expect(error).toBeInstanceOf(errors.DeviceError);
  });

  test('the gpu is asked for before it is used; where there is none, that is said, and auto says why it is the cpu', async () => {
    vi.resetModules();
    const fresh: typeof import('../src/index.ts') = await import('../src/index.ts');
    const unstarted = thrown(() => fresh.ones([1], { device: 'gpu' }));
    expect(unstarted).toBeInstanceOf(fresh.errors.DeviceError);
    expect(unstarted.message).toMatch(/^the gpu has not been started: await chooseDevice/);
    expect(fresh.ones([1], { device: 'auto' }).device).toBe('cpu');
    expect(await fresh.chooseDevice('cpu')).toBe('cpu');
    const refused = await fresh.chooseDevice('gpu').catch((error) => error);
    expect(refused).toBeInstanceOf(fresh.errors.DeviceError);
    expect(refused.message).toMatch(
      /^no GPU: this runtime has no canvas, and the package gl, which gives Node WebGL2, .*; npm install gl@/,
    );
    const without = await fresh.chooseDevice('webgpu').catch((error) => error);
    expect(without).toBeInstanceOf(fresh.errors.DeviceError);
    expect(without.message).toMatch(/^no WebGPU: this runtime has no navigator\.gpu/);
    expect(() => fresh.ones([1], { device: 'webgpu' })).toThrow('the webgpu has not been started: await chooseDevice(');
    expect(await fresh.chooseDevice('auto')).toBe('cpu');
    expect(fresh.info().auto).toEqual({ device: 'cpu', because: refused.message });
    expect(fresh.devices).toEqual(['cpu', 'reference']);
    await expect(fresh.chooseDevice('tpu' as Device)).rejects.toThrow("no device named 'tpu'");
  });

  test('a page without WebGL2, and one whose WebGL2 has no float textures, are told apart', async () => {
    const context = (extensions: object) => ({
      getParameter: () => 'some GPU',
      getExtension: (name: string) => (extensions as Record<string, object>)[name] ?? null,
    });
    for (const [given, message] of [
      [null, /^no GPU: this runtime has a canvas but gives no WebGL2 context; /],
      [context({}), /^no GPU: WebGL2 on 'some GPU' cannot draw into float textures/],
    ] as const) {
      vi.resetModules();
      vi.stubGlobal('OffscreenCanvas', function OffscreenCanvas() {
        return { getContext: () => given };
      });
      const fresh: typeof import('../src/index.ts') = await import('../src/index.ts');
      await expect(fresh.chooseDevice('gpu')).rejects.toThrow(message);
    }
  });

  test('to moves values, views included, and stays where it is', () => {
    fc.assert(
      fc.property(anySample(), fc.constantFrom(...devices), fc.constantFrom(...devices), (s, from, to) => {
        const x = s.on(from);
        const y = x.to(to);
        expect([y.device, y.dtype, y.shape]).toEqual([to, x.dtype, x.shape]);
        expect(y.toArray()).toEqual(x.toArray());
        expect(y === x).toBe(from === to);
      }),
      { numRuns: 40 },
    );
  });

  test('operands of one op live on one device', () => {
    const [x, y] = [ones([2]), ones([2], { device: 'reference' })];
    const error = thrown(() => x.add(y));
    expect(error.message).toBe("add: operands live on 'cpu' and 'reference'; move one with .to('cpu')");
    expect(error).toBeInstanceOf(errors.DeviceError);
    expect(y.add(1).device).toBe('reference');
    expect(x.add(y.to('cpu')).toArray()).toEqual([2, 2]);
  });

  test('info says what really computes', async () => {
    const { createGemm } = await import('../src/backends/cpu/gemm.ts');
    expect(info()).toEqual({
      cpu: {
        'float32 matmul': createGemm().kernel,
        threads: '1',
        others: 'vectors over one WebAssembly memory, else strided loops in JavaScript',
      },
      'cpu-fma': { state: "the cpu-fma has not been started: await chooseDevice('cpu-fma') first" },
      gpu: { state: "the gpu has not been started: await chooseDevice('gpu'), or 'auto', first" },
      webgpu: { state: "the webgpu has not been started: await chooseDevice('webgpu') first" },
      reference: { kernels: 'naive loops, float64 sums' },
      auto: { device: 'cpu', because: "the gpu has not been started: await chooseDevice('gpu'), or 'auto', first" },
    });
    vi.stubGlobal('WebAssembly', undefined);
    vi.resetModules();
    const bare: typeof import('../src/index.ts') = await import('../src/index.ts');
    expect(bare.info().cpu['float32 matmul']).toBe('loops');
    const a = bare.arange(60).cast('float32').reshape([6, 10]);
    expect(a.matmul(a.transpose()).toArray()).toEqual(
      a.to('reference').matmul(a.to('reference').transpose()).toArray(),
    );
  });
});
