// `pnpm bench [options]`. Results go to stdout, everything else to stderr.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgress, PAGE_WIDTH } from '@gemlab/examples';
import { contest, startupContest } from './contest.ts';
import { installRivals } from './install.ts';
import { type Entrant, fused, GEMLAB, limits, pytorch, rivals, THREADED } from './libraries.ts';
import { machine } from './machine.ts';
import { help, type Options, readOptions, UsageError } from './options.ts';
import type { Clock, Introduction } from './process.ts';
import { report } from './report.ts';
import { type BenchResult, isBenchResult, type WorkResult } from './result.ts';
import { works } from './work.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** 128 + SIGINT, as shells report it. */
const EXIT_INTERRUPTED = 130;

const say = (text: string) => process.stdout.write(`${text}\n`);
const tell = (text: string) => process.stderr.write(`${text}\n`);

/** The first Ctrl-C stops between two measurements, the second ends the process. */
function stopOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
    tell('\nStopping after this measurement; Ctrl-C again ends at once.');
  });
  return controller.signal;
}

/** Who takes part; `absent` is told who does not, and why. */
async function gather(alone: boolean, clock: Clock, absent: Record<string, string>): Promise<Entrant[]> {
  const own = [GEMLAB, ...limits];
  const fma = await fused();
  if (typeof fma === 'string') absent['gemlab, cpu-fma'] = fma;
  else own.push(fma);
  if (clock === 'cpu') absent['gemlab, 2 threads'] = 'processor time does not tell what threads gain';
  else if (availableParallelism() < 2) absent['gemlab, 2 threads'] = 'there is one core';
  else own.push(THREADED);
  if (alone) return own;
  const here: Entrant[] = [];
  try {
    await installRivals(tell);
    here.push(...rivals);
  } catch (error) {
    absent['tfjs and jax-js'] = (error as Error).message;
  }
  const torch = await pytorch();
  if (typeof torch === 'string') absent.PyTorch = torch;
  else here.push(torch);
  return [...own, ...here];
}

async function measure({ only, rounds, clock, tasks, scale, alone }: Options): Promise<BenchResult> {
  const signal = stopOnInterrupt();
  const { stderr, env } = process;
  const progress = createProgress({
    write: (text) => stderr.write(text),
    rewrites: stderr.isTTY === true && !env.NO_COLOR && !env.CI,
    get columns() {
      return stderr.columns ?? PAGE_WIDTH;
    },
  });
  const absent: Record<string, string> = {};
  const known = new Map<string, Introduction>();
  const errors: string[] = [];
  const found: WorkResult[] = [];
  const entrants = await gather(alone, clock, absent);
  const chosen = works({ scale, tasks }).filter(({ kind }) => only.includes(kind));
  const steps = chosen.length + (only.includes('startup') ? 1 : 0);
  const folder = mkdtempSync(join(tmpdir(), 'gemlab-bench-'));
  const options = (label: string, done: number) => ({
    entrants,
    rounds,
    clock,
    millisecondsPerRound: scale < 1 ? 0 : 40,
    folder,
    signal,
    tell: (detail: string, part: number) =>
      progress.update({ label, detail, fraction: (done + part) / steps, accuracy: null }),
    fail(message: string) {
      errors.push(`${label}: ${message}`);
      progress.clear();
      tell(`error: ${label}: ${message}`);
    },
    known,
  });
  try {
    for (const [i, work] of chosen.entries()) {
      if (signal.aborted) break;
      const result = await contest(work, options(work.name, i));
      if (result !== null) found.push(result);
    }
    if (only.includes('startup') && !signal.aborted) {
      found.push(...(await startupContest(options('start-up', chosen.length))));
    }
  } finally {
    progress.clear();
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    libraries: Object.fromEntries([...known].map(([name, { about }]) => [name, about])),
    absent,
    rounds,
    clock,
    works: found,
    errors,
    interrupted: signal.aborted,
  };
}

/** What --json once wrote. @throws UsageError if it cannot be read, or is something else. */
function recorded(file: string): BenchResult {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`'${file}': ${(error as Error).message}`);
  }
  if (isBenchResult(found)) return found;
  throw new UsageError(`'${file}' is no result of this bench; --json > FILE makes one`);
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = readOptions(argv);
    if (options === null) {
      say(help().join('\n'));
      return 0;
    }
    const result = options.show === null ? await measure(options) : recorded(options.show);
    say(options.json ? JSON.stringify(result, null, 1) : report(result).join('\n'));
    if (result.interrupted) return EXIT_INTERRUPTED;
    return result.errors.length > 0 ? EXIT_FAILED : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    tell(`bench: ${error.message}\nRun 'pnpm bench --help' for all options.`);
    return EXIT_USAGE;
  }
}

// Not process.exit: what is still on its way to a pipe would be lost.
process.exitCode = await main(process.argv.slice(2));
