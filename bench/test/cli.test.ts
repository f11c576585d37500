// The benchmark still works: every piece of work at a small size, gemlab and the limits of the machine alone, which needs no package
// from anywhere. What the times are is no matter for a test.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { GROUPS } from '../src/options.ts';
import { report } from '../src/report.ts';
import type { BenchResult } from '../src/result.ts';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** Needs `pnpm build`, as `pnpm test` does first. */
function bench(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const env = { ...process.env, CI: 'true', NO_COLOR: '1' };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [cli, ...args], { env, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    child.stdin?.end();
  });
}

test('does every piece of work', async () => {
  const { status, stdout, stderr } = await bench(
    ...['--alone', '--scale', '0.01', '--tasks', '2', '--rounds', '2', '--json'],
  );
  expect(status, stderr).toBe(0);
  const result = JSON.parse(stdout) as BenchResult;
  expect(result.errors).toEqual([]);
  expect([...new Set(result.works.map(({ kind }) => kind))]).toEqual(GROUPS);
  for (const { kind, name, timings } of result.works) {
    const { median, min, ratio, accuracy, memory } = timings.gemlab!;
    expect(median, name).toBeGreaterThan(0);
    expect(min, name).toBeLessThanOrEqual(median);
    expect(ratio, name).toBe(1);
    expect(accuracy !== undefined && memory !== undefined, name).toBe(kind === 'gem');
    if (kind === 'gemm' || kind === 'add') expect(timings.limit!.median, name).toBeGreaterThan(0);
  }
  for (const line of report(result)) expect(line.length, line).toBeLessThanOrEqual(80);
}, 120_000);

test('--help lists every piece of work, and fits a terminal', async () => {
  const { status, stdout } = await bench('--help');
  expect(status).toBe(0);
  for (const group of GROUPS) expect(stdout).toMatch(new RegExp(`^  ${group} `, 'm'));
  for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
});

test.each([
  [['--only', 'gemm,gme'], "--only has no 'gme'; there are gemm, add"],
  [['--rounds', '0'], "--rounds must be a whole number from 1 to 1000, found '0'"],
  [['--clock', 'sun'], "--clock must be wall or cpu, found 'sun'"],
  [['--scale', 'x'], "--scale must be a number from 0.001 to 1, found 'x'"],
  [['--fast'], '--fast'],
])('%j is refused with the reason', async (args, message) => {
  const { status, stdout, stderr } = await bench(...args);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain(message);
});

test('--show of a file that is none says so', async () => {
  const { status, stderr } = await bench('--show', 'no-such-file.json');
  expect(status).toBe(2);
  expect(stderr).toContain('no-such-file.json');
});

test('--show of a document that is something else says so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gemlab-bench-'));
  const file = join(folder, 'e.json');
  writeFileSync(file, '{}');
  const { status, stdout, stderr } = await bench('--show', file);
  rmSync(folder, { recursive: true });
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toBe(
    `bench: '${file}' is no result of this bench; --json > FILE makes one\nRun 'pnpm bench --help' for all options.\n`,
  );
});
