// Threads in a page: they are there where it is cross-origin isolated, and elsewhere the error says what is missing.

import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle, describeInChromium, launch, open, type Site, withHeaders } from './chromium.ts';

const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

describeInChromium('threads', () => {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    [browser, site] = [await launch(), await bundle(fileURLToPath(new URL('threads.page.ts', import.meta.url)))];
  }, 60_000);
  afterAll(() => browser?.close());

  const inPage = async (headers: Readonly<Record<string, string>>, use: (page: Page) => Promise<void>) => {
    const { page, said } = await open(browser, withHeaders(site, headers));
    expect(await page.evaluate('crossOriginIsolated')).toBe('cross-origin-opener-policy' in headers);
    await use(page);
    expect(said).toEqual([]);
    await page.close();
  };

  test('give the bits of one in an isolated page', async () => {
    await inPage(ISOLATION, async (page) => {
      for (const size of [2, 3]) {
        expect(await page.evaluate(`threads.share(${size})`)).toEqual({
          threads: String(size),
          same: Array(6).fill(true),
        });
      }
    });
  }, 60_000);

  test('are at work there beside the page itself', async () => {
    await inPage(ISOLATION, async (page) => {
      expect(await page.evaluate('threads.partsElsewhere()')).toBeGreaterThan(0);
    });
  }, 60_000);

  test('are refused in others, which compute on', async () => {
    await inPage({}, async (page) => {
      expect(await page.evaluate('threads.refusal()')).toEqual({
        message: expect.stringMatching(
          /^threads: found no memory that threads can share, for 2 of them; a browser has it/,
        ),
        computes: true,
      });
    });
  }, 60_000);
});
