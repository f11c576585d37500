// `pnpm start` is the examples' command line: arguments go in as they are, output and exit code come out as they are.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, run } from './workspace.ts';

test('pnpm start adds nothing to what the command prints', async () => {
  const { status, stdout } = await run('pnpm', ['start', 'list'], root);
  expect(status).toBe(0);
  expect(stdout).not.toBe('');
  expect(stdout).not.toContain('cli.js');
});

test('pnpm start ends with the exit code of the command', async () => {
  const { status, stdout, stderr } = await run('pnpm', ['start', 'no-such-example', '--seed', '3', '--json'], root);
  expect(status).toBe(2);
  expect(stdout + stderr).toContain('no-such-example');
});

test('pnpm start does the same in the package of the examples, and says so where there is nothing to start', async () => {
  const list = (folder: string) => run('pnpm', ['start', 'list'], join(root, folder));
  expect(await list('packages/examples')).toEqual(await list('.'));
  const { status, stdout, stderr } = await list('packages/gem');
  expect(status).not.toBe(0);
  expect(stdout + stderr).toMatch(/missing script/i);
});
