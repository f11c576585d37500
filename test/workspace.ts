// What the repo-level tests share: where the workspace is, what is in it, and how to run a command there.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports?: Record<string, unknown>;
  /** Modules that are other ones in Node: what stands for each everywhere else. */
  readonly imports?: Record<string, { readonly default: { readonly default: string } }>;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

export interface Package {
  /** The folder's name under packages/. */
  readonly id: string;
  readonly dir: string;
  readonly manifest: Manifest;
}

export const root = fileURLToPath(new URL('..', import.meta.url));

export const packages: readonly Package[] = readdirSync(`${root}packages`).map((id) => {
  const dir = `${root}packages/${id}`;
  return { id, dir, manifest: JSON.parse(readFileSync(`${dir}/package.json`, 'utf8')) };
});

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command with nobody at its keyboard and waits for its end; a non-zero status is an answer, not an exception. */
export async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  more: Record<string, string> = {},
): Promise<Finished> {
  const env = {
    ...process.env,
    ...more,
    CI: 'true',
    NO_COLOR: '1',
    PATH: `${root}node_modules/.bin:${process.env.PATH}`,
  };
  const running = promisify(execFile)(command, args, { cwd, env, maxBuffer: 2 ** 26 });
  running.child.stdin?.end();
  try {
    return { status: 0, ...(await running) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { status: code, stdout, stderr };
  }
}
