// The program as users run it: built, in a process of its own.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
export const TIMEOUT = 120_000;
export const TINY = ['--tasks', '2', '--samples', '50', '--memories', '10', '--test-samples', '100'];

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function start(
  args: readonly string[],
  env: Record<string, string> = {},
  cli = CLI,
): ChildProcessWithoutNullStreams {
  // The colours and CI of whoever runs the tests are not this program's.
  const { FORCE_COLOR: _, CI: __, NO_COLOR: ___, ...outer } = process.env;
  return spawn(process.execPath, [cli, ...args], { env: { ...outer, ...env } });
}

export function finish(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

export const cli = (...args: string[]) => finish(start(args));

if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run 'pnpm build' first, as 'pnpm test' does`);
