// The promise of saved runs: cut off anywhere and resumed, a run leaves the same files as one that never was cut off.

import { describe, expect, test } from 'vitest';
import { memoryStore, type RunStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import { build, type Config, config, contents } from './experiment.ts';

class Crash extends Error {}

/** A store whose n-th change (counted from 0) does not happen, nor any later one: the program was ended there. */
function dyingAt(n: number, store: RunStore): RunStore {
  let changes = 0;
  const change = async (act: () => Promise<void>) => {
    if (changes++ >= n) throw new Crash();
    await act();
  };
  return {
    ...store,
    write: (name, bytes) => change(() => store.write(name, bytes)),
    remove: (name) => change(() => store.remove(name)),
  };
}

/** Runs, and is cut off after so many changes of its store, then resumed and cut off after so many, ..., at last resumed to its end. */
async function withCrashes(c: Config, lives: Iterable<number>, options: object): Promise<RunStore> {
  const store = memoryStore();
  const live = async (as: RunStore) =>
    (await store.read('run.json')) === null ? startRun(as, { config: c, build, ...options }) : resumeRun(as, { build });
  for (const changes of lives) {
    try {
      await live(dyingAt(changes, store));
      return store;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }
  await live(store);
  return store;
}

describe('resumed after a crash at any write, a run leaves the same files', () => {
  const cases: [string, Partial<Config>][] = [
    ['exact, SGD with momentum', {}],
    ['reference, Adam', { profile: 'reference', optimizer: 'adam', lr: 0.01 }],
    ['avalanche', { profile: 'avalanche' }],
    ['no plugin, one epoch', { profile: 'none', epochs: 1 }],
  ];
  test.each(cases)('%s', async (_, change) => {
    const c = { ...config, ...change };
    const options = { checkpointEvery: 4, keep: 2 };
    const whole = memoryStore();
    let changes = 0;
    const count =
      <A extends unknown[]>(act: (...args: A) => Promise<void>) =>
      (...args: A) => {
        changes++;
        return act(...args);
      };
    const counting = { ...whole, write: count(whole.write), remove: count(whole.remove) };
    await startRun(counting, { config: c, build, ...options });
    const expected = await contents(whole);
    const { records, matrix, finished, checkpoints } = await readRun(whole);
    expect(finished).toBe(true);
    expect(checkpoints).toHaveLength(2);
    const steps = 3 * 5 * c.epochs;
    expect(records.filter((line) => line.kind === 'step').map((line) => line.step)).toEqual(
      Array.from({ length: steps }, (_, i) => i),
    );
    expect(records.filter((line) => line.kind === 'eval').map((line) => line.trained)).toEqual([0, 1, 2, 3]);
    const same = async (lives: readonly number[]) => {
      const store = await withCrashes(c, lives, options);
      expect(await contents(store)).toEqual(expected);
      expect((await readRun(store)).matrix).toEqual(matrix);
    };
    // At every change that there is; then again and again.
    for (let n = 0; n < changes; n++) await same([n]);
    for (const n of [4, 5, 7]) await same(new Array<number>(changes).fill(n));
  });
});
