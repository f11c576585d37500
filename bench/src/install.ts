// The libraries that gemlab is compared with are installed when they are first asked for, into bench/node_modules and nowhere else:
// `pnpm start` and `pnpm test` never need them.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runToEnd } from './process.ts';

const bench = fileURLToPath(new URL('..', import.meta.url));

/** @param tell is told what takes a while. @throws Error if they cannot be had. */
export async function installRivals(tell: (text: string) => void): Promise<void> {
  // pnpm tells its scripts where it is.
  const { npm_execpath: pnpm = '' } = process.env;
  if (!existsSync(`${bench}node_modules/.modules.yaml`)) {
    if (!/pnpm/.test(pnpm)) throw new Error("they are not installed; 'pnpm bench' installs them");
    tell('Installing tfjs and jax-js into bench/node_modules, once (about 260 MB).');
    const args = ['install', '--dir', bench, '--ignore-workspace', '--frozen-lockfile'];
    const isScript = /\.[cm]?js$/.test(pnpm);
    await runToEnd({ program: isScript ? process.execPath : pnpm, arguments: isScript ? [pnpm, ...args] : args });
  }
  // Their part is compiled only now: its types are theirs.
  const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace(/package\.json$/, 'bin/tsc');
  await runToEnd({ program: process.execPath, arguments: [tsc, '-b', `${bench}rivals`] });
}
