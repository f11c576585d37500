// The packages as pages get them: bundled by vite, and unbundled, as the modules that npm would deliver; and under a
// Content-Security-Policy that allows WebAssembly but no eval. The cpu path needs no more, and does not load gpu.js.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { transformWithOxc } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packages } from '../workspace.ts';
import { bundle, describeInChromium, launch, open, type Site, withHeaders } from './chromium.ts';

const entry = fileURLToPath(new URL('app.page.ts', import.meta.url));
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'";

const holdingGpuJs = (site: Site) =>
  [...site].filter(([, { body }]) => body.includes('WebGL2Kernel')).map(([path]) => path);
/** What a visitor loads before the page asks for a gpu. */
const gzipped = (site: Site): number => gzipSync(site.get('/index.js')!.body).length;

/** Every file of the packages' dist, where import maps say it is; no file is changed but the entry, which loses its types. */
async function unbundled(): Promise<Site> {
  const site = new Map<string, { body: string; type: string }>();
  const imports: Record<string, string> = {};
  for (const { dir, manifest } of packages.filter((p) => !p.manifest.private)) {
    const name = manifest.name;
    imports[name] = `/${name}/index.js`;
    for (const [specifier, { default: page }] of Object.entries(manifest.imports ?? {})) {
      imports[specifier] = `/${name}/${page.default.replace('./dist/', '')}`;
    }
    for (const file of readdirSync(join(dir, 'dist'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js')) continue;
      site.set(`/${name}/${file}`, { body: readFileSync(join(dir, 'dist', file), 'utf8'), type: 'text/javascript' });
    }
  }
  const require = createRequire(new URL('../../packages/tensor/package.json', import.meta.url));
  for (const [name, file] of [
    ['pako', 'dist/pako.mjs'],
    ['gpu.js', 'dist/gpu-browser.js'],
  ] as const) {
    const root = require.resolve(name).split(`/node_modules/${name}/`)[0]!;
    const body = readFileSync(join(root, 'node_modules', name, file), 'utf8');
    imports[name] = `/${name}/index.js`;
    site.set(imports[name]!, { body, type: 'text/javascript' });
  }
  const { code } = await transformWithOxc(readFileSync(entry, 'utf8'), entry);
  site.set('/app.js', { body: code, type: 'text/javascript' });
  const map = JSON.stringify({ imports });
  const html = `<!doctype html><script type="importmap">${map}</script><script type="module" src="/app.js"></script>`;
  return site.set('/', { body: html, type: 'text/html' });
}

describeInChromium('in a page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  }, 60_000);
  afterAll(() => browser?.close());

  const run = async (site: Site) => {
    const { page, said } = await open(browser, site);
    await page.waitForFunction('globalThis.app').catch((error) => expect.fail(`${error} ${said}`));
    const result = await page.evaluate('app').catch((error) => `${error}`);
    const evaluates = await page.evaluate('evaluates');
    await page.close();
    return { result, said, evaluates };
  };
  const expected = {
    loss: expect.closeTo(0.73, 0),
    z: [0, 1],
    matmul: expect.stringMatching(/^wasm/),
    auto: 'gpu',
    info: { device: 'gpu', because: 'it was started' },
  };

  test('bundled by vite', async () => {
    const site = await bundle(entry);
    const { result, said, evaluates } = await run(site);
    expect({ result, said, evaluates }).toEqual({ result: expected, said: [], evaluates: true });
    // gpu.js is in a file of its own, which a page that never asks for the gpu never loads.
    expect(holdingGpuJs(site)).not.toContain('/index.js');
    expect(holdingGpuJs(site).length).toBeGreaterThan(0);
    // Little more than it is: whoever makes it larger is to see by how much.
    expect(gzipped(site), 'of this page').toBeLessThan(83_000);
  }, 60_000);

  test('errors keep their names where a minifier has renamed their classes', async () => {
    const site = await bundle(fileURLToPath(new URL('names.page.ts', import.meta.url)));
    const { page, said } = await open(browser, site);
    const names = (await page.evaluate('names').catch((error) => `${error} ${said}`)) as [string, string][];
    expect(names.map(([, own]) => own)).toEqual(names.map(([name]) => name));
    // All that the sources define, as far as a regular expression can tell.
    const defined = packages
      .filter((p) => !p.manifest.private)
      .flatMap(({ dir }) =>
        readdirSync(join(dir, 'src'), { recursive: true, encoding: 'utf8' })
          .filter((file) => file.endsWith('.ts'))
          .flatMap((file) => [...readFileSync(join(dir, 'src', file), 'utf8').matchAll(/class (\w+Error)\b/g)])
          .map(([, name]) => name!),
      );
    expect(new Set(names.map(([name]) => name))).toEqual(new Set(defined));
    expect(await page.evaluate('thrown')).toMatch(/^ShapeError: matmul: inner dimensions differ/);
    expect(site.get('/index.js')!.body).not.toMatch(/class \w+Error/);
    // This page holds all that the three packages have.
    expect(holdingGpuJs(site)).not.toContain('/index.js');
    expect(gzipped(site), 'of everything').toBeLessThan(165_000);
    await page.close();
  }, 60_000);

  test('unbundled, from the built packages', async () => {
    const { result, said, evaluates } = await run(await unbundled());
    expect({ result, said, evaluates }).toEqual({ result: expected, said: [], evaluates: true });
  }, 60_000);

  test('under a Content-Security-Policy with WebAssembly and without eval', async () => {
    const { result, said, evaluates } = await run(withHeaders(await bundle(entry), { 'content-security-policy': CSP }));
    expect({ result, said, evaluates }).toEqual({ result: expected, said: [], evaluates: false });
  }, 60_000);
});
