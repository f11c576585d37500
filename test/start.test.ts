// `pnpm start` is the examples' command line: arguments go in as they are, output and exit code come out as they are.
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
