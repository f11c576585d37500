// The page that compares cpu, gpu, webgpu and tfjs-webgl: it measures everything, and all four agree on what they compute.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bundle, describeInChromium, launch, open } from './chromium.ts';

const bench = new URL('../../packages/examples/bench/', import.meta.url);

describeInChromium('the benchmark page', () => {
  test('times each piece of work on all four', async () => {
    const site = await bundle(fileURLToPath(new URL('page.ts', bench)));
    const html = readFileSync(new URL('index.html', bench), 'utf8').replace('./page.ts', '/index.js');
    const browser = await launch();
    try {
      const { page, said } = await open(
        browser,
        new Map([...site, ['/', { body: html, type: 'text/html' }]]),
        '/?scale=0.02&budget=10',
      );
      await page.click('#run');
      await page.waitForFunction("document.getElementById('state').textContent === 'Done.'");
      const rows = (await page.evaluate(
        "Array.from(document.querySelectorAll('#rows tr'), (row) => Array.from(row.cells, (cell) => cell.textContent))",
      )) as string[][];
      expect(rows.length).toBe(7);
      for (const [work, ...times] of rows) {
        expect(times.length, work).toBe(4);
        // A browser's clock may be too coarse for the smallest piece: 0.00.
        for (const time of times) expect(time, `${work}: ${time} ${said}`).toMatch(/^\d+\.\d+$/);
      }
      expect(await page.textContent('#where')).toMatch(
        /gpu: .*SwiftShader.*webgpu: google swiftshader.*tfjs: 4\.22\.0, webgl\.$/,
      );
    } finally {
      await browser.close();
    }
  }, 60_000);
});
