// Runs on disk, in programs of their own that are killed without warning. Needs the build, as `pnpm test` makes it.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Rng } from '@gemlab/tensor';
import { afterAll, describe, expect, test } from 'vitest';
import { directoryStore } from '../../src/node/index.ts';
import { readRun } from '../../src/run/index.ts';
import { contents } from './experiment.ts';

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'gemlab-run-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Runs the program in a folder; kills it so many milliseconds after it has begun. @returns whether it got to its end */
function live(folder: string, milliseconds: number): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), milliseconds).unref());
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (code === 0) resolve(true);
      else if (signal === 'SIGKILL') resolve(false);
      else reject(new Error(`the program ended with code ${code}`));
    });
  });
}

test('killed again and again, a run on disk ends with the bytes of one that never was', {
  timeout: 120_000,
}, async () => {
  const [whole, killed] = [join(root, 'whole'), join(root, 'killed')];
  expect(await live(whole, 2 ** 30)).toBe(true);
  const delays = new Rng(5).integers(8, 0, 250);
  let kills = 0;
  for (const delay of delays) if (!(await live(killed, delay))) kills++;
  await live(killed, 2 ** 30);
  expect(kills).toBeGreaterThan(2);
  const [expected, found] = [directoryStore(whole), directoryStore(killed)];
  const [a, b] = [await readRun(expected), await readRun(found)];
  expect(a.finished && b.finished).toBe(true);
  expect(b.matrix).toEqual(a.matrix);
  expect(b.records).toEqual(a.records);
  expect(await contents(found)).toEqual(await contents(expected));
});

describe('directoryStore', () => {
  const store = () => directoryStore(mkdtempSync(join(root, 'store-')));
  const bytes = (...values: number[]) => Uint8Array.from(values);

  test('has what was written, whole and newest', async () => {
    const files = store();
    expect([await files.read('a'), await files.list()]).toEqual([null, []]);
    await files.write('a', bytes(1, 2, 3));
    await files.write('b', bytes());
    await files.write('a', bytes(4));
    expect([...(await files.list())].sort()).toEqual(['a', 'b']);
    expect([[...(await files.read('a'))!], [...(await files.read('b'))!]]).toEqual([[4], []]);
    await files.remove('a');
    await files.remove('a');
    expect(await files.list()).toEqual(['b']);
  });

  test('makes its folder with the first file, and is empty before', async () => {
    const folder = join(root, 'not', 'yet');
    const files = directoryStore(folder);
    expect([await files.read('a'), await files.list()]).toEqual([null, []]);
    await files.write('a', bytes(1));
    expect(readdirSync(folder)).toEqual(['a']);
  });

  test('removes the parts that a killed program left, and those of no other', async () => {
    const folder = mkdtempSync(join(root, 'parts-'));
    const dead = 2 ** 30;
    const names = [`${dead}.run.json.part`, `${process.pid}.run.json.part`, 'run.json.part'];
    for (const name of names) writeFileSync(join(folder, name), '{');
    expect(await directoryStore(folder).list()).toEqual(['run.json.part']);
    expect(readdirSync(folder).sort()).toEqual(names.slice(1).sort());
  });
});
