// The runtimes to be found here, and how each is made to compute the bits: a Node by a script of one line, Chromium by a page from a
// server of our own, whose module imports the same files and posts what it found.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { root, run } from '../workspace.ts';

/** What a runtime says of itself, and its digests by name. */
export interface Answer {
  readonly product: string;
  readonly bits: Readonly<Record<string, string>>;
}
export interface Runtime {
  /** As people call it: Node 22.23.3, Chromium 156.0.8078.79. */
  readonly name: string;
  readonly ask: () => Promise<Answer>;
}

const script = './test/runtimes/bits.mjs';

function node(path: string, version: string): Runtime {
  const code = `const { bits } = await import('${script}'); console.log(JSON.stringify({ product: process.version, bits: await bits() }))`;
  const ask = async () => {
    const { status, stdout, stderr } = await run(path, ['--input-type=module', '-e', code], root);
    if (status !== 0) throw new Error(`${path} ended with ${status}: ${stderr}`);
    return JSON.parse(stdout);
  };
  return { name: `Node ${version}`, ask };
}

/** Where a browser finds what Node finds by name. */
const imports = {
  '@gemlab/tensor': '/packages/tensor/dist/index.js',
  '@gemlab/autograd': '/packages/autograd/dist/index.js',
  '#deflate': '/packages/tensor/dist/io/deflate.js',
  pako: '/packages/tensor/node_modules/pako/dist/pako.mjs',
};
const page = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script><script type="module">
const answer = async () => ({ product: navigator.userAgent, bits: await (await import('${script}')).bits() });
const body = await answer().then(JSON.stringify, (error) => JSON.stringify({ error: String(error.stack) }));
await fetch('/answer', { method: 'POST', body });
</script>`;
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Serves the page and the files of the workspace; what the page posts goes to `answered`. */
function serve(answered: (body: string) => void): Server {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'POST') {
      let body = '';
      request.setEncoding('utf8').on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        response.end();
        answered(body);
      });
    } else if (pathname === '/') response.setHeader('content-type', 'text/html').end(page);
    else if (existsSync(join(root, pathname))) {
      response.setHeader('content-type', 'text/javascript').end(readFileSync(join(root, pathname)));
    } else response.writeHead(404).end();
  });
}

function chromium(path: string, version: string): Runtime {
  const ask = async (): Promise<Answer> => {
    const profile = mkdtempSync(join(tmpdir(), 'gemlab-chromium-'));
    let answered: (body: string) => void = () => undefined;
    const server = serve((body) => answered(body)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const browser = spawn(path, [...FLAGS, `--user-data-dir=${profile}`, url], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(browser, 'close');
    try {
      const body = await new Promise<string>((resolve, reject) => {
        answered = resolve;
        let complaints = '';
        browser.stderr.setEncoding('utf8').on('data', (text) => {
          complaints += text;
        });
        browser.on('error', reject);
        browser.on('close', (code) => reject(new Error(`${path} ended with ${code} and no answer: ${complaints}`)));
      });
      const answer = JSON.parse(body);
      if (answer.error) throw new Error(`in ${path}: ${answer.error}`);
      return answer;
    } finally {
      browser.kill();
      await ended;
      server.closeAllConnections();
      server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  return { name: `Chromium ${version}`, ask };
}

/** The runtimes that should be tested somewhere: CI has them all. */
const WANTED = ['Node 20', 'Node 22', 'Node 24', 'Chromium'];

/** The first program of that name on the PATH. */
export function onPath(name: string): string[] {
  const places = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name));
  return places.filter((place) => existsSync(place)).slice(0, 1);
}

/**
 * This Node, the programs that the variable GEMLAB_RUNTIMES names (paths, as in PATH), and a Chromium on the PATH; and which of those
 * wanted are not there.
 */
export async function findRuntimes(): Promise<{ found: Runtime[]; missing: string[] }> {
  const named = (process.env.GEMLAB_RUNTIMES ?? '').split(delimiter).filter((path) => path !== '');
  const found = new Map<string, Runtime>();
  for (const path of [process.execPath, ...named, ...onPath('chromium')]) {
    const { stdout, stderr } = await run(path, ['--version'], root);
    const [, product, version] = stdout.match(/^(v|Chromium |Google Chrome )([\d.]+)/m) ?? [];
    if (version === undefined) throw new Error(`${path} --version says neither Node nor Chromium: ${stdout}${stderr}`);
    const runtime = product === 'v' ? node(path, version) : chromium(path, version);
    if (!found.has(runtime.name)) found.set(runtime.name, runtime);
  }
  const missing = WANTED.filter(
    (name) => !Array.from(found.keys()).some((have) => /[. ]/.test(have[name.length]!) && have.startsWith(name)),
  );
  return { found: [...found.values()], missing };
}
