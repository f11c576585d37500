// The gpu backend on WebGL2, in a real browser.

import { PRIMITIVES } from '@gemlab/tensor';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeInChromium, openBundled } from './chromium.ts';

describeInChromium('gpu on WebGL2', () => {
  let browser: Browser;
  let page: Page;
  let said: string[];

  beforeAll(async () => {
    ({ browser, page, said } = await openBundled('gpu.page.ts'));
    expect(await page.evaluate('gpu.start()').catch((error) => `${error} ${said}`)).toBe('gpu');
  }, 60_000);
  afterAll(() => browser?.close());

  test('says what it runs on', async () => {
    const info = (await page.evaluate('gpu.info()')) as Record<string, Record<string, string>>;
    expect(info.gpu!.kernels).toBe('WebGL2 through gpu.js');
    expect(info.gpu!.renderer).toMatch(/SwiftShader/);
    expect(info.auto).toEqual({ device: 'gpu', because: 'it was started' });
  });

  test('an op of its own result, in changing sizes', async () => {
    const line = (size: number) => Array.from({ length: size }, (_, i) => i + 3);
    expect(await page.evaluate('gpu.repeated()')).toEqual([64, 5, 30, 5, 64].map(line));
  });

  test('random programs stay beside the cpu', async () => {
    expect(await page.evaluate(`gpu.programs(${Number(process.env.FC_SEED ?? 1)}, 60)`)).toBe('held');
  }, 60_000);

  test('convolution, pooling and their gradients are those of the cpu', async () => {
    const [cpu, gpu] = (await page.evaluate('gpu.convolution()')) as [number[][], number[][]];
    cpu.forEach((values, i) => {
      const most = Math.max(...values.map(Math.abs));
      values.forEach((v, j) => {
        expect(Math.abs(gpu[i]![j]! - v)).toBeLessThan(1e-5 * most);
      });
      expect(gpu[i]!.length).toBe(values.length);
    });
  });

  test('long lines and lists', async () => {
    expect(await page.evaluate("gpu.large('gpu')")).toEqual(Array(15).fill(true));
  });

  test('what a texture of floats cannot hold is refused by name', async () => {
    const large = /^DTypeError: gpu: (int32|bool) is held exactly below 2\^24 only, and an op has led beyond/;
    expect(await page.evaluate('gpu.refusals()')).toEqual([
      expect.stringMatching(/^DTypeError: gpu: float64 does not exist on this device; cast to 'float32'/),
      expect.stringMatching(/^DTypeError: gpu: float64 does not exist on this device/),
      expect.stringMatching(/^DTypeError: gpu: int32 is held exactly below 2\^24 only, found 16777216/),
      ...Array(4).fill(expect.stringMatching(large)),
      expect.stringMatching(/^ShapeError: gpu: 400000000 elements do not fit a texture, which holds \d+ x \d+ here/),
    ]);
  });

  test('data() reads what was there when it was called', async () => {
    expect(await page.evaluate('gpu.reading()')).toEqual([[3, 4], 'ScopeError', true, [1, 2, 3], 'gpu']);
  });

  test.each(PRIMITIVES)('%s does what its definition says, within the stated tolerance', async (op) => {
    const seed = Number(process.env.FC_SEED ?? 1);
    expect(await page.evaluate(`gpu.law('${op}', ${seed}, 25)`)).toBe('held');
    expect(said).toEqual([]);
  });
});
