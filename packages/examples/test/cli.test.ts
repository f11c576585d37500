// The program as users run it: exit codes, what goes to stdout and what to stderr, JSON, saved runs.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EXAMPLES } from '../src/examples/index.ts';
import { METHODS } from '../src/methods/index.ts';
import type { BranchResult } from '../src/report/branch.ts';
import { widthOf } from '../src/report/text.ts';
import type { RunResult } from '../src/run/result.ts';
import { cli, finish, type Outcome, start, TIMEOUT, TINY } from './program.ts';

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

  it('of one task says nothing of earlier ones', { timeout: TIMEOUT }, async () => {
    const { stdout } = await cli('split-mnist', '--tasks', '1', ...TINY.slice(2));
    expect(stdout).toMatch(/^After 1 task GEM classifies/m);
    expect(stdout).not.toMatch(/Since it was/);
    expect(stdout).toMatch(/^GEM +\d\.\d{3} +- +- +- +\d\.\d{3} +\d+\.\d s$/m);
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
    const folder = join(root, 'a run');
    const whole = await cli('--json', ...LONGER);
    const child = start(['--json', '--save', folder, ...LONGER]);
    const ended = finish(child);
    // Not before its first learner is under way: its folder is there with the first checkpoint.
    while (!existsSync(join(folder, 'fine-tuning', 'run.json'))) await new Promise((resume) => setTimeout(resume, 10));
    child.kill('SIGINT');
    const stopped = await ended;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain(`Saved. Go on with: pnpm start resume '${folder}'`);

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
    expect(refused.stderr).toMatch(/^gemlab: '.*\/a run\/gem': .*run\.json was changed after it was written/);
  });

  it('goes on with what a learner that diverges leaves over, and says that it does, each time', {
    timeout: TIMEOUT,
  }, async () => {
    const folder = join(root, 'diverged');
    const methods = ['--methods', 'gem,fine-tuning', '--lr', '1000'];
    const whole = await cli('--json', '--save', folder, ...methods, ...TINY);
    const result = JSON.parse(whole.stdout) as RunResult;
    expect([whole.code, result.interrupted, result.methods.map(({ name }) => name)]).toEqual([
      1,
      false,
      ['fine-tuning'],
    ]);
    expect(result.diverged).toMatchObject([{ name: 'GEM', numbers: { lr: 1000 } }]);
    expect(result.diverged![0]!.reason).toMatch(/is (NaN|-?Infinity)/);
    const alone = await cli('--json', '--methods', 'fine-tuning', ...TINY);
    expect(matrices(whole)).toEqual(matrices(alone));

    const again = await cli('resume', folder, '--json');
    expect([again.code, (JSON.parse(again.stdout) as RunResult).diverged]).toEqual([1, result.diverged]);
    expect(matrices(again)).toEqual(matrices(whole));
    const { code, stdout, stderr } = await cli('resume', folder);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Saved in')]);
    expect(stdout.replaceAll('\n', ' ')).toMatch(
      /GEM diverged: after \d+ steps with learning rate 1000 its gradient was no /,
    );
    expect(stdout).toMatch(/^fine-tuning( +[+-]?\d\.\d{3}){5} +\d+\.\d s$/m);
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
    const note = join(root, 'note');
    mkdirSync(note);
    writeFileSync(join(note, 'note.txt'), 'not ours');
    const beside = await cli('--save', note);
    expect([beside.code, beside.stderr]).toEqual([2, expect.stringContaining(`--save '${note}' is not empty`)]);
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
