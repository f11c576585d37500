// Every public op and its first derivative on the gpus: as on the cpu, save those that are named here.

import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeInChromium, openBundled } from './chromium.ts';

const readme = readFileSync(new URL('../../packages/tensor/README.md', import.meta.url), 'utf8').split(
  "`'webgpu'` computes",
)[1];

describeInChromium('every public op', () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    ({ browser, page } = await openBundled('features.page.ts'));
  }, 60_000);
  afterAll(() => browser?.close());

  test('does on the gpu what it does on the cpu', async () => {
    expect(await page.evaluate("features.differences('gpu')")).toEqual([]);
  }, 60_000);

  test('does so on the webgpu, unless it must look at its elements', async () => {
    const found = (await page.evaluate("features.differences('webgpu')")) as string[];
    const refused = found.map((line) => /^(\w+) \w+: DeviceError: webgpu: nothing can be read at once/.exec(line)?.[1]);
    expect(found.filter((_, i) => refused[i] === undefined)).toEqual([]);
    const looking = ['cholesky', 'det', 'inv', 'nonzero', 'solve', 'triangularSolve'];
    expect([...new Set(refused)].sort()).toEqual(looking);
    for (const op of looking) expect(readme).toContain(`\`${op}\``);
  }, 60_000);
});
