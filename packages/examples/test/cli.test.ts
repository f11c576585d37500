// The program as users run it: built, in a process of its own. Exit codes, what goes to stdout and what to stderr, JSON, Ctrl-C.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXAMPLES } from '../src/examples/index.ts';
import { METHODS } from '../src/methods/index.ts';
import type { BranchResult } from '../src/report/branch.ts';
import { widthOf } from '../src/report/text.ts';
import type { RunResult } from '../src/run/result.ts';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const TIMEOUT = 120_000;
const TINY = ['--tasks', '2', '--samples', '50', '--memories', '10', '--test-samples', '100'];

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcessWithoutNullStreams {
  // The colours and CI of whoever runs the tests are not this program's.
  const { FORCE_COLOR: _, CI: __, NO_COLOR: ___, ...outer } = process.env;
  return spawn(process.execPath, [CLI, ...args], { env: { ...outer, ...env } });
}

function finish(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
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

const cli = (...args: string[]) => finish(start(args));

beforeAll(() => {
  if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run 'pnpm build' first, as 'pnpm test' does`);
});

describe('a run', () => {
  it.each(EXAMPLES)('$name --json prints one document and nothing else', { timeout: TIMEOUT }, async ({ name }) => {
    const { code, stdout, stderr } = await cli(name, '--json', ...TINY);
    expect(stderr).toMatch(/^[a-z]+-mnist: 2 tasks of 50 samples/);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as RunResult;
    expect(result).toMatchObject({
      example: name,
      preset: 'default',
      interrupted: false,
      settings: { tasks: 2, seed: 0 },
    });
    expect(result.tasks).toHaveLength(2);
    expect(result.methods.map((m) => m.name)).toEqual(['fine-tuning', 'GEM']);
    for (const { matrix, metrics, steps, trained } of result.methods) {
      expect([steps, trained]).toEqual([10, 2]);
      const numbers = [...matrix.baseline, ...matrix.accuracies.flat(), metrics!.acc];
      for (const x of numbers) expect(x! >= 0 && x! <= 1, String(x)).toBe(true);
      expect(metrics!.acc).toBeCloseTo((matrix.accuracies[1]![0]! + matrix.accuracies[1]![1]!) / 2, 12);
    }
    // Both learners start from the same weights, on the same stream.
    expect(result.methods[0]!.matrix.baseline).toEqual(result.methods[1]!.matrix.baseline);
    expect(result.step!.tasks).toEqual([0]);
    expect(Object.keys(result.versions)).toEqual(expect.arrayContaining(['gemlab', 'node', 'platform']));
  });

  it.each(EXAMPLES)('$name compares all methods that there are', { timeout: TIMEOUT }, async ({ name }) => {
    const { code, stdout, stderr } = await cli(name, '--json', '--methods', 'all', ...TINY);
    expect([code, stderr]).toEqual([0, expect.stringContaining('fine-tuning, joint, cumulative')]);
    const { methods } = JSON.parse(stdout) as RunResult;
    expect(methods.map((m) => m.name)).toEqual(METHODS.map(({ label }) => label));
    for (const { name, numbers, trained, metrics, matrix } of methods) {
      expect([name, trained, numbers!.lr > 0, metrics !== null]).toEqual([name, 2, true, true]);
      // Methods that need no network of their own start from the same one, on the same test sets.
      if (name !== 'independent' && name !== 'multimodal') expect(matrix.baseline).toEqual(methods[0]!.matrix.baseline);
    }
    // They are different methods: what they learn differs, save on a first task that nothing has come before.
    const ends = methods.map(({ matrix }) => JSON.stringify(matrix.accuracies));
    expect(new Set(ends).size).toBeGreaterThan(METHODS.length / 2);
  });

  it('reports any choice of methods within 80 columns', { timeout: TIMEOUT }, async () => {
    const { code, stdout, stderr } = await cli('--methods', 'gem,replay,a-gem', ...TINY);
    expect(code).toBe(0);
    for (const line of `${stdout}${stderr}`.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    for (const label of ['GEM', 'replay', 'A-GEM']) {
      expect(stdout).toMatch(new RegExp(`^${label}( +[+-]?\\d\\.\\d{3}){5} +\\d+\\.\\d s$`, 'm'));
    }
    expect(stdout).not.toMatch(/^difference/m);
  });

  it('measures less where that is asked for: the same ACC, BWT and FWT, and no forgetting', {
    timeout: TIMEOUT,
  }, async () => {
    const three = [...TINY.slice(2), '--tasks', '3'];
    const metrics = async (...args: string[]) => {
      const { stdout } = await cli('--json', ...three, ...args);
      return (JSON.parse(stdout) as RunResult).methods.map((m) => m.metrics);
    };
    const all = await metrics();
    expect(await metrics('--measure', 'transfer')).toEqual(all.map((m) => ({ ...m, forgetting: null })));
    const { code, stdout } = await cli(...three, '--measure', 'transfer');
    expect(code).toBe(0);
    for (const line of stdout.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^GEM( +[+-]?\d\.\d{3}){3} +- +\d\.\d{3} +\d+\.\d s$/m);
  });

  it('gives the same numbers for the same seed, and others for another', { timeout: TIMEOUT }, async () => {
    const matrices = async (seed: string) => {
      const { stdout } = await cli('--json', '--seed', seed, ...TINY);
      return (JSON.parse(stdout) as RunResult).methods.map((m) => m.matrix);
    };
    const first = await matrices('5');
    expect(await matrices('5')).toEqual(first);
    expect(await matrices('6')).not.toEqual(first);
  });

  it('reports on stdout, within 80 columns and without colour codes when piped', { timeout: TIMEOUT }, async () => {
    const { code, stdout, stderr } = await cli(...TINY);
    expect(code).toBe(0);
    for (const line of `${stdout}${stderr}`.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    expect(stdout).not.toContain('\u001b');
    for (const title of ['Test accuracy', 'The same at a glance', 'One step of GEM, explained', 'Summary']) {
      expect(stdout).toContain(title);
    }
    expect(stdout).toMatch(/^fine-tuning( +[+-]?\d\.\d{3}){5} +\d+\.\d s$/m);
    expect(stdout).toMatch(/^GEM( +[+-]?\d\.\d{3}){5} +\d+\.\d s$/m);
  });

  it('colours when asked to', { timeout: TIMEOUT }, async () => {
    const { stdout } = await finish(start(TINY, { FORCE_COLOR: '3' }));
    expect(stdout).toContain('\u001b[48;2;');
  });
});

describe('a saved run', () => {
  const root = mkdtempSync(join(tmpdir(), 'gemlab-cli-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const matrices = ({ stdout }: Outcome) =>
    (JSON.parse(stdout) as RunResult).methods.map((m) => [m.name, m.matrix, m.steps, m.projectedSteps]);
  const LONGER = ['--tasks', '3', '--samples', '400', '--memories', '10', '--test-samples', '100'];

  it('is stopped, resumed and branched, and ends as one that was neither saved nor stopped', {
    timeout: TIMEOUT,
  }, async () => {
    const folder = join(root, 'run');
    const whole = await cli('--json', ...LONGER);
    const child = start(['--json', '--save', folder, ...LONGER]);
    const ended = finish(child);
    // Not before its first learner is under way: its folder is there with the first checkpoint.
    while (!existsSync(join(folder, 'fine-tuning', 'run.json'))) await new Promise((resume) => setTimeout(resume, 10));
    child.kill('SIGINT');
    const stopped = await ended;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain(`Saved. Go on with: pnpm start resume ${folder}`);

    const resumed = await cli('resume', folder, '--json');
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringMatching(/fine-tuning is at step \d+/)]);
    expect(matrices(resumed)).toEqual(matrices(whole));
    expect((JSON.parse(resumed.stdout) as RunResult).step).toEqual((JSON.parse(whole.stdout) as RunResult).step);
    const again = await cli('resume', folder, '--json');
    expect(again.stderr.replaceAll('\n', ' ')).toContain('fine-tuning is finished and GEM is finished');
    expect(matrices(again)).toEqual(matrices(whole));

    const branched = await cli(
      'branch',
      folder,
      '--step',
      '50',
      '--into',
      join(root, 'branch'),
      '--json',
      '--memory-strength',
      '2',
    );
    expect(branched.code).toBe(0);
    const { comparison, step, change } = JSON.parse(branched.stdout) as BranchResult;
    expect([step, change]).toEqual([50, { memoryStrength: 2 }]);
    expect(comparison.first.accuracies).toEqual(
      (JSON.parse(whole.stdout) as RunResult).methods[1]!.matrix.accuracies[2],
    );
    expect(comparison.difference!.step).toBeGreaterThanOrEqual(50);
    const text = await cli('branch', folder, '--step', '50', '--into', join(root, 'text'), '--lr', '0.1');
    expect(text.stdout.replaceAll('\n', ' ')).toContain('It is so to the end: what changed made no difference.');
    for (const line of text.stdout.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
    const alone = await cli('resume', join(root, 'branch'), '--json');
    expect((JSON.parse(alone.stdout) as RunResult).methods.map((m) => m.name)).toEqual(['GEM']);

    const damaged = join(folder, 'gem', 'run.json');
    writeFileSync(damaged, readFileSync(damaged, 'utf8').replace('"memories": 10', '"memories": 11'));
    const refused = await cli('resume', folder);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/^gemlab: .*run\.json was changed after it was written/);
  });

  it('goes on with the methods that it was started with, also those that had not begun', {
    timeout: TIMEOUT,
  }, async () => {
    const folder = join(root, 'methods');
    const chosen = ['--methods', 'der++,online-ewc,independent'];
    const whole = await cli('--json', ...chosen, ...LONGER);
    const child = start(['--json', '--save', folder, ...chosen, ...LONGER]);
    const ended = finish(child);
    while (!existsSync(join(folder, 'der++', 'run.json'))) await new Promise((resume) => setTimeout(resume, 10));
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    const resumed = await cli('resume', folder, '--json');
    expect(resumed.code).toBe(0);
    expect(matrices(resumed)).toEqual(matrices(whole));
  });

  it('is not where there is none, and takes no folder that is in use', async () => {
    const used = join(root, 'used');
    mkdirSync(join(used, 'gem'), { recursive: true });
    const [none, save, into] = await Promise.all([
      cli('resume', join(root, 'nowhere')),
      cli('--save', used),
      cli('branch', used, '--step', '1', '--into', used, '--lr', '1'),
    ]);
    expect([none.code, save.code, into.code]).toEqual([2, 2, 2]);
    expect(none.stderr).toContain('there is no saved run in');
    expect(save.stderr).toContain('is not empty');
    expect(into.stderr).toContain('--into');
  });
});

describe('list and help', () => {
  it('lists every example with a line about it', async () => {
    const { code, stdout, stderr } = await cli('list');
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(EXAMPLES.length);
    EXAMPLES.forEach(({ name, summary }, i) => {
      expect(lines[i]!.split(/ {2,}/)).toEqual([name, summary]);
    });
  });

  it('lists as JSON', async () => {
    const { stdout } = await cli('list', '--json');
    expect(JSON.parse(stdout)).toEqual(EXAMPLES.map(({ name, summary }) => ({ name, summary })));
  });

  it('helps on stdout', async () => {
    const [all, one] = await Promise.all([cli('--help'), cli('split-mnist', '--help')]);
    expect([all.code, all.stderr, one.code, one.stderr]).toEqual([0, '', 0, '']);
    expect(all.stdout).toContain('pnpm start list');
    expect(one.stdout).toContain('pnpm start split-mnist --seed 1');
  });
});

describe('mistakes', () => {
  it.each([
    [['permuted-mnits'], "gemlab: there is no example 'permuted-mnits'; did you mean 'permuted-mnist'?"],
    [['permutted'], "gemlab: there is no example 'permutted'; did you mean 'permuted-mnist'?"],
    [['--sed', '1'], "gemlab: there is no option '--sed'; did you mean '--seed'?"],
    [['--methods', 'gem,ewcc'], "gemlab: --methods has no method 'ewcc'; did you mean 'ewc'?"],
    [['--preset', 'papre'], "gemlab: --preset has no value 'papre'; did you mean 'paper'?"],
    [['--tasks', 'many'], "gemlab: --tasks must be a whole number from 1 to 100, found 'many'"],
  ])('%j: exit code 2, and the message on stderr only', async (args, message) => {
    const { code, stdout, stderr } = await cli(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(`${message}\nRun 'pnpm start --help' for all commands and options.\n`);
  });
});

describe.skipIf(process.platform === 'win32')('Ctrl-C', () => {
  // Long enough that it cannot end by itself before the signal.
  const LONG = ['--json', '--tasks', '100', '--samples', '50', '--memories', '50', '--test-samples', '10'];

  /** Resolves when the run has begun: the announcement comes first. */
  const begun = (child: ChildProcessWithoutNullStreams, words: string) =>
    new Promise<void>((resolve) => {
      let seen = '';
      child.stderr.on('data', (text) => {
        seen += text;
        if (seen.includes(words)) resolve();
      });
    });

  it('stops between two steps and shows what there is: exit code 130', { timeout: TIMEOUT }, async () => {
    const child = start(LONG);
    const ended = finish(child);
    await begun(child, '%  ');
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain('Stopping after this step; Ctrl-C again ends at once.');
    const result = JSON.parse(stdout) as RunResult;
    expect(result.interrupted).toBe(true);
    expect(result.methods.some((m) => m.trained < 100)).toBe(true);
    // What has been measured stands: full rows, then nothing.
    for (const { matrix, trained, metrics } of result.methods) {
      matrix.accuracies.forEach((row, i) => {
        expect(row.every((x) => (i < trained ? x !== null : x === null))).toBe(true);
      });
      expect(metrics === null).toBe(trained === 0);
    }
  });

  it('ends at once when pressed again', { timeout: TIMEOUT }, async () => {
    const child = start(LONG);
    const ended = finish(child);
    await begun(child, '100 tasks');
    // Again and again: a busy system delivers two signals that are pending together as one.
    const pressing = setInterval(() => child.kill('SIGINT'), 50);
    child.on('exit', () => clearInterval(pressing));
    const { code, stdout } = await ended;
    expect([code, stdout]).toEqual([130, '']);
  });
});
