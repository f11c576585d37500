// The webgpu backend in a real browser: the same programs as on WebGL2, translated, and read behind promises.

import { PRIMITIVES } from '@gemlab/tensor';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeInChromium, openBundled } from './chromium.ts';

describeInChromium('webgpu', () => {
  let browser: Browser;
  let page: Page;
  let said: string[];

  beforeAll(async () => {
    ({ browser, page, said } = await openBundled('gpu.page.ts'));
    expect(await page.evaluate("gpu.start('webgpu')").catch((error) => `${error} ${said}`)).toBe('webgpu');
  }, 60_000);
  afterAll(() => browser?.close());

  test('says what it runs on, and is not what auto stands for', async () => {
    const info = (await page.evaluate('gpu.info()')) as Record<string, Record<string, string>>;
    expect(info.webgpu!.kernels).toMatch(/^WebGPU through gpu.js/);
    expect(info.webgpu!.renderer).toMatch(/swiftshader/);
    expect(info.auto!.device).toBe('cpu');
  });

  test('long lines and lists', async () => {
    expect(await page.evaluate("gpu.large('webgpu')")).toEqual(Array(15).fill(true));
  });

  test('nothing is read at once but integers that were uploaded; order holds; a model trains and leaves no buffer behind', async () => {
    const found = (await page.evaluate('gpu.queued()')) as Record<string, unknown>;
    const refusal = /^DeviceError: webgpu: nothing can be read at once on this device; await x\.data\(\)/;
    expect(found.refused).toMatch(refusal);
    expect(found.computed).toMatch(refusal);
    expect(found.taken).toEqual([3, 3, 1, 2, 6, 6, 4, 5]);
    expect(found.known).toEqual([1, 0, -1, 2]);
    expect(found.large).toMatch(/^ShapeError: webgpu: 400000000 elements do not fit a buffer, which holds \d+ here/);
    expect(found.order).toEqual([[5, 6, 7], 'ScopeError']);
    expect(found.apart).toBeLessThan(1e-5);
    expect(new Set(found.counts as number[]).size, String(found.counts)).toBe(1);
  });

  test('what fails says so where it is read, and so does what was made of it; all else goes on', async () => {
    const message = 'DeviceError: webgpu: the driver is out of order';
    expect(await page.evaluate('gpu.failing()')).toEqual([message, message, [-1, -2]]);
  });

  test.each(PRIMITIVES)('%s does what its definition says, within the stated tolerance', async (op) => {
    const seed = Number(process.env.FC_SEED ?? 1);
    expect(await page.evaluate(`gpu.law('${op}', ${seed}, 15, 'webgpu')`)).toBe('held');
    expect(said).toEqual([]);
  });
});
