// Pages in the Chromium of this machine, where there is one. WebGL2 and WebGPU are SwiftShader's, so no
// GPU is needed. Nothing is served: every request of a page is answered from memory or from this workspace.

import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { describe } from 'vitest';
import { onPath } from '../runtimes/runtimes.ts';

/** A Chromium on the PATH, or among the programs that GEMLAB_RUNTIMES names, as in runtimes/runtimes.ts. */
const found = [...(process.env.GEMLAB_RUNTIMES ?? '').split(delimiter), ...onPath('chromium')].find((path) =>
  /chrom/i.test(path),
);

if (found === undefined) {
  console.warn(
    'NOT RUN: the tests in browsers, and with them all of the gpu backend, for no Chromium was found; ' +
      "install Debian's package chromium, or name a program in the variable GEMLAB_RUNTIMES",
  );
}

/** As `describe`, where there is a Chromium; elsewhere its tests are counted as skipped, and a warning has said so. */
export function describeInChromium(name: string, body: () => void): void {
  describe.runIf(found !== undefined)(name, body);
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: found!,
    chromiumSandbox: false,
    args: [
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
      '--ignore-gpu-blocklist',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      '--js-flags=--expose-gc',
      '--enable-precise-memory-info',
    ],
  });
}

interface Answer {
  readonly body: string;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a request is answered with, by the path of its URL. */
export type Site = ReadonlyMap<string, Answer>;

/** The site, its page with these headers. */
export const withHeaders = (site: Site, headers: Readonly<Record<string, string>>): Site =>
  new Map([...site, ['/', { ...site.get('/')!, headers }]]);

export const ORIGIN = 'http://localhost:1';

/** A page of the site, with everything it says on its console or throws. */
export async function open(browser: Browser, site: Site, path = '/'): Promise<{ page: Page; said: string[] }> {
  const page = await browser.newPage();
  const said: string[] = [];
  // The driver remarks on what reading costs.
  page.on('console', (message) => {
    if (!message.text().includes('GL Driver Message (OpenGL, Performance')) said.push(message.text());
  });
  page.on('pageerror', (error) => void said.push(String(error)));
  await page.route('**/*', (route) => {
    const answer = site.get(new URL(route.request().url()).pathname);
    if (answer === undefined) return route.fulfill({ status: 404, body: '' });
    return route.fulfill({ body: answer.body, contentType: answer.type, headers: answer.headers ?? {} });
  });
  await page.goto(ORIGIN + path);
  return { page, said };
}

/** The entry (an absolute path) and all it imports as vite bundles them: in the files of a site, of which index.js is the entry. */
export async function bundle(entry: string, { external = [] as string[] } = {}): Promise<Site> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['source', 'module', 'browser', 'production'] },
    build: {
      write: false,
      target: 'es2023',
      modulePreload: false,
      rollupOptions: {
        input: { index: entry },
        external,
        output: { entryFileNames: '[name].js' },
        preserveEntrySignatures: 'strict',
      },
    },
  });
  const outputs = [result].flat().flatMap((r) => ('output' in r ? r.output : []));
  const files = outputs.map((o) => [
    `/${o.fileName}`,
    { body: o.type === 'chunk' ? o.code : '', type: 'text/javascript' },
  ]);
  const html = '<!doctype html><script type="module" src="/index.js"></script>';
  return new Map([['/', { body: html, type: 'text/html' }], ...(files as [string, { body: string; type: string }][])]);
}

/** A file beside this one, bundled, as a page in a browser of its own: it goes when that is closed. */
export async function openBundled(file: string): Promise<{ browser: Browser; page: Page; said: string[] }> {
  const site = await bundle(fileURLToPath(new URL(file, import.meta.url)));
  const browser = await launch();
  return { browser, ...(await open(browser, site)) };
}
