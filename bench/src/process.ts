// The parent's end of a library's process (child.ts, torch/child.py).

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { ArrayFile } from './host-array.ts';
import type { Work } from './work.ts';

/** How a library's process is started. */
export interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
}

/** What passed, or what the process ran: on a machine with other work to do only the latter can be compared. */
export type Clock = 'wall' | 'cpu';

/** What a library says of itself. */
export interface Introduction {
  /** Versions, and what computes. */
  readonly about: Readonly<Record<string, string>>;
  /** The pieces of work that it knows. */
  readonly kinds: readonly string[];
}

/** One thread each, and no setting of this shell that changes how somebody multiplies matrices. */
function environment(): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _cache, NODE_OPTIONS: _options, ...rest } = process.env;
  return { ...rest, OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
}

/** The line of what a dying process said that says most: the last that names an error. */
function gist(complaint: string): string {
  const lines = complaint.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => /^\S*Error\b/.test(line)) ?? lines.at(-1) ?? 'without a word').slice(0, 300);
}

export class LibraryProcess {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  #complaint = '';
  #pending: { resolve(line: string): void; reject(error: Error): void } | null = null;

  constructor({ program, arguments: args }: Command) {
    this.#child = spawn(program, args, { env: environment(), stdio: ['pipe', 'pipe', 'pipe'] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#lines.on('line', (line) => {
      // Libraries greet on stdout, too.
      if (!line.startsWith('{')) return;
      this.#pending?.resolve(line);
      this.#pending = null;
    });
    this.#child.stderr!.on('data', (text) => {
      this.#complaint = (this.#complaint + text).slice(-2000);
    });
    const ended = (why: string) => {
      this.#pending?.reject(new Error(`${why}: ${gist(this.#complaint)}`));
      this.#pending = null;
    };
    this.#child.on('error', (error) => ended(error.message));
    this.#child.on('close', (code, signal) => ended(`${program} ended (${signal ?? code})`));
    this.#child.stdin!.on('error', () => undefined);
  }

  async #ask(request: object): Promise<Record<string, unknown>> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      throw new Error(`it has ended: ${gist(this.#complaint)}`);
    const line = await new Promise<string>((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    });
    const reply = JSON.parse(line) as Record<string, unknown>;
    if (reply.error !== undefined) throw new Error(String(reply.error));
    return reply;
  }

  async about(): Promise<Introduction> {
    return (await this.#ask({ do: 'about' })) as unknown as Introduction;
  }

  async open({ kind, params }: Work, inputs: Readonly<Record<string, ArrayFile>>): Promise<void> {
    await this.#ask({ do: 'open', kind, params, inputs });
  }

  /** What comes out of the open piece of work, in files in the folder. */
  async check(folder: string): Promise<readonly ArrayFile[]> {
    return (await this.#ask({ do: 'check', folder })).results as readonly ArrayFile[];
  }

  /** Milliseconds of so many calls. */
  async time(calls: number, clock: Clock): Promise<number> {
    return (await this.#ask({ do: 'time', calls }))[clock] as number;
  }

  /** Resident bytes, now and at most. */
  async memory(): Promise<{ bytes: number; peak: number }> {
    return (await this.#ask({ do: 'memory' })) as { bytes: number; peak: number };
  }

  end(): void {
    this.#child.stdin!.end();
    this.#lines.close();
  }
}

/** Runs a command to its end. @returns what it printed, and how long its process lived. @throws Error if it fails. */
export function runToEnd({ program, arguments: args }: Command): Promise<{ stdout: string; ms: number }> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve({ stdout, ms: performance.now() - start });
      else reject(new Error(`${program} ended (${code}): ${gist(stderr)}`));
    });
  });
}
