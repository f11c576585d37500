// The gpu backend on WebGL2, in a real browser.

import { fileURLToPath } from 'node:url';
import { PRIMITIVES } from '@gemlab/tensor';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle, describeInChromium, launch, open } from './chromium.ts';

describeInChromium('gpu on WebGL2', () => {
  let browser: Browser;
  let page: Page;
  let said: string[];

  beforeAll(async () => {
    browser = await launch();
    const site = await bundle(fileURLToPath(new URL('gpu.page.ts', import.meta.url)));
    ({ page, said } = await open(browser, site));
    expect(await page.evaluate('gpu.start()').catch((error) => `${error} ${said}`)).toBe('gpu');
  }, 60_000);
  afterAll(() => browser?.close());

  test('says what it runs on', async () => {
    const info = (await page.evaluate('gpu.info()')) as Record<string, Record<string, string>>;
    expect(info.gpu!.kernels).toBe('WebGL2 through gpu.js');
    expect(info.gpu!.renderer).toMatch(/SwiftShader/);
    expect(info.auto).toEqual({ device: 'gpu', because: 'it was started' });
  });

  test.each(PRIMITIVES)('%s does what its definition says, within the stated tolerance', async (op) => {
    const seed = Number(process.env.FC_SEED ?? 1);
    expect(await page.evaluate(`gpu.law('${op}', ${seed}, 25)`)).toBe('held');
    expect(said).toEqual([]);
  });
});
