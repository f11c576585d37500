// Measuring less often: cadence 'transfer' has the entries that ACC, BWT, FWT and learning accuracy are made of, and no others; training
// and saved runs go on as ever.

import { describe, expect, test } from 'vitest';
import { MetricError } from '../../src/metrics/index.ts';
import { compareRuns, memoryStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import { type MeasureCadence, runStream } from '../../src/strategy/run-stream.ts';
import { build, type Config, config, contents } from '../run/experiment.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

const run = async (tasks: number, measure: MeasureCadence) => {
  const strategy = toyStrategy();
  return { matrix: await runStream(strategy, toyStream(tasks, 20), { measure }), strategy };
};

describe("cadence 'transfer'", () => {
  test.each([1, 2, 3, 5])('of %d tasks: the same numbers, fewer of them', async (tasks) => {
    const [all, some] = [await run(tasks, 'all'), await run(tasks, 'transfer')];
    expect(weights(some.strategy)).toEqual(weights(all.strategy));
    expect(some.matrix.baseline).toEqual(all.matrix.baseline);
    some.matrix.accuracies.forEach((row, i) => {
      row.forEach((accuracy, j) => {
        const measured = i === tasks - 1 || j === i || j === i + 1;
        expect(accuracy).toBe(measured ? all.matrix.at(i, j) : null);
      });
    });
    for (const metric of ['acc', 'bwt', 'fwt', 'learningAccuracy'] as const) {
      expect(some.matrix[metric]()).toBe(all.matrix[metric]());
    }
    expect(all.matrix.isComplete).toBe(true);
    expect(some.matrix.isComplete).toBe(tasks < 3);
    if (tasks >= 3) expect(() => some.matrix.forgetting()).toThrow(MetricError);
  });

  test('of a saved run: resumed from any checkpoint, the same bytes', async () => {
    const sparing = (c: Config) => ({ ...build(c), measure: 'transfer' as const });
    const whole = memoryStore();
    const { matrix, finished } = await startRun(whole, { config, build: sparing, checkpointEvery: 3, keep: 'all' });
    expect([finished, matrix.isComplete]).toEqual([true, false]);
    const { checkpoints } = await readRun(whole);
    for (let left = 1; left < checkpoints.length; left += 2) {
      const store = memoryStore();
      for (const name of await whole.list()) await store.write(name, (await whole.read(name))!);
      for (const { file } of checkpoints.slice(left)) await store.remove(file);
      await resumeRun(store, { build: sparing, useOlder: true });
      expect(await contents(store)).toEqual(await contents(whole));
    }
    const full = memoryStore();
    await startRun(full, { config, build });
    const { first, second } = await compareRuns(full, whole);
    expect(second.metrics).toEqual({ ...first.metrics, forgetting: null });
    expect(first.metrics!.forgetting).not.toBeNull();
  });

  test('an unknown one is refused by name', async () => {
    await expect(runStream(toyStrategy(), toyStream(1, 4), { measure: 'some' as 'all' })).rejects.toThrow(
      /measure is some; expected 'all' or 'transfer'/,
    );
  });
});
