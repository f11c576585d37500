// Files are strangers: whatever happened to one, a run says which it was and what was expected, and never goes on from it.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { memoryStore, RunFileError, type RunStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import { MANIFEST } from '../../src/run/manifest.ts';
import { build, config, contents } from './experiment.ts';

const small = { ...config, tasks: 2, epochs: 1 };

/** Runs until its step 7, so that there are checkpoints at and in experiences, and something is left to do. */
async function cutOff(): Promise<RunStore> {
  const store = memoryStore();
  const signal = { aborted: false };
  const stopping = (c: typeof small) => {
    const experiment = build(c);
    const stopper = {
      name: 'stopper',
      afterTrainingIteration: () => {
        if (experiment.strategy.clock.step === 6) signal.aborted = true;
      },
    };
    Object.assign(experiment.strategy, { plugins: [...experiment.strategy.plugins, stopper] });
    return experiment;
  };
  await startRun(store, { config: small, build: stopping, checkpointEvery: 3, signal });
  return store;
}

async function copyOf(store: RunStore): Promise<RunStore> {
  const copy = memoryStore();
  for (const name of await store.list()) await copy.write(name, (await store.read(name))!);
  return copy;
}

/** The fault that a file is refused for, where the store holds these bytes in its place. */
async function refused(store: RunStore, file: string, bytes: Uint8Array | null): Promise<unknown> {
  const copy = await copyOf(store);
  if (bytes === null) await copy.remove(file);
  else await copy.write(file, bytes);
  const before = await contents(copy);
  const error = await resumeRun(copy, { build }).then(
    () => 'it went on',
    (e: unknown) => e,
  );
  if (!(error instanceof RunFileError)) return error;
  expect(error.message).toContain(file);
  expect(error.file).toBe(file);
  expect(await contents(copy)).toEqual(before);
  return error.fault;
}

describe('a damaged file is refused by name', () => {
  let store: RunStore;
  let files: readonly string[];
  beforeAll(async () => {
    store = await cutOff();
    const { checkpoints } = await readRun(store);
    files = [MANIFEST, checkpoints.at(-1)!.file];
  });

  test.each([0, 1])('file %#: any bit flipped', async (i) => {
    const bytes = (await store.read(files[i]!))!;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
        const damaged = bytes.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        expect(['damaged', 'foreign', 'version']).toContain(await refused(store, files[i]!, damaged));
      }),
      { numRuns: 150 },
    );
  });

  test.each([0, 1])('file %#: cut off or longer', async (i) => {
    const bytes = (await store.read(files[i]!))!;
    const ends = [0, 1, 8, 100, bytes.length >> 1, bytes.length - 1];
    for (const end of ends)
      expect(['damaged', 'foreign']).toContain(await refused(store, files[i]!, bytes.slice(0, end)));
    const longer = Uint8Array.from([...bytes, 10]);
    expect(['damaged', 'foreign']).toContain(await refused(store, files[i]!, longer));
  });

  test('missing', async () => {
    for (const file of files) expect(await refused(store, file, null)).toBe('missing');
  });

  test('an edited run.json, one of another program, one of a later version', async () => {
    const text = new TextDecoder().decode((await store.read(MANIFEST))!);
    const bytes = (changed: string) => new TextEncoder().encode(changed);
    const edited = text.replace('"memoryStrength": 0.5', '"memoryStrength": 0.6');
    expect(edited).not.toBe(text);
    expect(await refused(store, MANIFEST, bytes(edited))).toBe('damaged');
    expect(await refused(store, MANIFEST, bytes('{"name":"some-package","version":"1.0.0"}'))).toBe('foreign');
    expect(await refused(store, MANIFEST, bytes('[]'))).toBe('foreign');
    expect(await refused(store, MANIFEST, bytes(text.replace('"version": 1', '"version": 7')))).toBe('version');
  });

  test('a checkpoint of another run', async () => {
    const other = memoryStore();
    await startRun(other, { config: { ...small, seed: 9 }, build });
    const foreign = (await other.read((await readRun(other)).checkpoints.at(-1)!.file))!;
    expect(await refused(store, files[1]!, foreign)).toBe('damaged');
  });

  test('damaged records are told by readRun', async () => {
    const copy = await copyOf(store);
    const file = (await readRun(copy)).checkpoints
      .at(-1)!
      .file.replace('checkpoint', 'records')
      .replace('safetensors', 'jsonl');
    await copy.write(file, new Uint8Array(3));
    await expect(readRun(copy)).rejects.toMatchObject({ file, fault: 'damaged' });
  });
});

test('where it is asked for, the newest checkpoint that can be read is used, and the end is the same', async () => {
  const whole = memoryStore();
  await startRun(whole, { config: small, build, checkpointEvery: 3 });
  const store = await cutOff();
  const { checkpoints } = await readRun(store);
  for (const { file } of checkpoints.slice(-2)) await store.write(file, new Uint8Array(9));
  await expect(resumeRun(store, { build })).rejects.toMatchObject({ fault: 'damaged', file: checkpoints.at(-1)!.file });
  expect(await resumeRun(store, { build, useOlder: true })).toMatchObject({ finished: true, steps: 10 });
  expect((await readRun(store)).records).toEqual((await readRun(whole)).records);
  expect((await contents(store))['checkpoint-00000010-002b.safetensors']).toBe(
    (await contents(whole))['checkpoint-00000010-002b.safetensors'],
  );
  await Promise.all(checkpoints.map(({ file }) => store.remove(file)));
  const last = (await readRun(whole)).checkpoints.at(-1)!.file;
  for (const { file } of (await readRun(store)).checkpoints) await store.remove(file);
  await expect(resumeRun(store, { build, useOlder: true })).rejects.toMatchObject({ fault: 'missing', file: last });
});
