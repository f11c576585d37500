// Plugins that watch: they change nothing, or only when training on an experience ends.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EarlyStopping } from '../../src/plugins/early-stopping.ts';
import { EvaluationPlugin } from '../../src/plugins/evaluation.ts';
import { measure } from '../../src/plugins/measure.ts';
import { csvLogger, csvOf, jsonlLogger, memoryStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import { build, type Config, config } from '../run/experiment.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

const small: Config = { ...config, tasks: 2, samples: 12 };

function withPlugins(c: Config, make: (experiment: ReturnType<typeof build>) => readonly StrategyPlugin[]) {
  const experiment = build(c);
  Object.assign(experiment.strategy, { plugins: [...experiment.strategy.plugins, ...make(experiment)] });
  return experiment;
}

describe('measure', () => {
  test('is what eval measures, and leaves everything as it was', async () => {
    const { strategy, stream } = build({ ...small, samples: 23 });
    await strategy.train(stream[0]!);
    const [first] = await strategy.eval(stream[1]!);
    strategy.model.train();
    const before = strategy.stateDict();
    const { accuracy, loss } = first!;
    expect(measure(strategy, stream[1]!.test)).toEqual({ accuracy, loss });
    expect(JSON.stringify(strategy.stateDict())).toBe(JSON.stringify(before));
    expect([...strategy.model.namedModules()].every(([, module]) => module.training)).toBe(true);
  });
});

describe('EvaluationPlugin', () => {
  test('measures at its cadence, and training goes on as if it did not', async () => {
    const plain = build(small);
    await runStream(plain.strategy, plain.stream);
    for (const [every, steps] of [
      [5, [5, 10]],
      ['epoch', [3, 6, 9, 12]],
    ] as const) {
      const watched = withPlugins(small, ({ stream }) => [new EvaluationPlugin({ stream, every })]);
      const matrix = await runStream(watched.strategy, watched.stream);
      expect(weights(watched.strategy)).toEqual(weights(plain.strategy));
      const { history } = watched.strategy.plugins.at(-1) as EvaluationPlugin;
      expect(history.map(({ step }) => step)).toEqual(steps);
      if (every === 'epoch') expect(history.at(-1)!.tasks.map((t) => t.accuracy)).toEqual(matrix.accuracies[1]);
    }
  });

  test('its history is in the records of a run, and survives a stop', async () => {
    const histories: (readonly unknown[])[] = [];
    const watching = (c: Config) =>
      withPlugins(c, ({ stream }) => {
        const plugin = new EvaluationPlugin({ stream, every: 2 });
        return [plugin, { name: 'look', afterTraining: () => void histories.push(plugin.history) }];
      });
    const [whole, stopped] = [memoryStore(), memoryStore()];
    await startRun(whole, { config: small, build: watching });
    const expected = histories.at(-1);
    const { records } = await readRun(whole);
    expect(records.flatMap((line) => (line.kind === 'step' ? (line.plugins.evaluation ?? []) : []))).toEqual(expected);
    const signal = { aborted: false };
    const stopping = (c: Config) => {
      const experiment = watching(c);
      const stop = () => {
        signal.aborted = experiment.strategy.clock.step === 6;
      };
      Object.assign(experiment.strategy, {
        plugins: [...experiment.strategy.plugins, { name: 'stop', afterTrainingIteration: stop }],
      });
      return experiment;
    };
    await startRun(stopped, { config: small, build: stopping, signal });
    await resumeRun(stopped, { build: watching });
    expect(histories.at(-1)).toEqual(expected);
  });

  test.each([0, 1.5, 'step'])('every = %s is refused by name', (every) => {
    expect(() => new EvaluationPlugin({ stream: toyStream(1, 4), every: every as number })).toThrow(/every is/);
  });
});

describe('EarlyStopping', () => {
  test('ends an experience after as many looks without improvement as are borne', async () => {
    const value = fc.constantFrom(0, 0.1, 0.2, 0.3, 0.4, Number.NaN);
    const options = fc.record({
      patience: fc.integer({ min: 1, max: 3 }),
      minDelta: fc.constantFrom(0, 0.15),
      max: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 8, maxLength: 8 }),
        options,
        async (values, { patience, minDelta, max }) => {
          let looks = 0;
          const mode = max ? 'max' : 'min';
          const stopping = new EarlyStopping({ value: () => values[looks++]!, patience, minDelta, mode });
          const strategy = toyStrategy({ plugins: [stopping], trainEpochs: 8 });
          await strategy.train(toyStream(1, 10));
          // The same, told as a story.
          let [best, bad, epochs] = [max ? -Infinity : Infinity, 0, 0];
          while (epochs < 8 && bad < patience) {
            const now = values[epochs++]!;
            if (max ? now > best + minDelta : now < best - minDelta) [best, bad] = [now, 0];
            else bad++;
          }
          expect(looks).toBe(epochs);
          expect(strategy.clock).toMatchObject({ experience: 1, step: 2 * epochs });
        },
      ),
      { numRuns: 40 },
    );
  });

  test('starts anew with each experience, and gives the best weights back if asked to', async () => {
    const values = [1, 3, 2, 2, 5, 1, 1];
    let looks = 0;
    const seen: number[][] = [];
    const value = (strategy: Parameters<typeof weights>[0]) => {
      seen.push(weights(strategy));
      return values[looks++]!;
    };
    const stopping = new EarlyStopping({ value, patience: 2, restoreBest: true });
    const strategy = toyStrategy({ plugins: [stopping], trainEpochs: 9 });
    const stream = toyStream(2, 10);
    await strategy.train(stream[0]!);
    expect(looks).toBe(4);
    expect(weights(strategy)).toEqual(seen[1]);
    await strategy.train(stream[1]!);
    expect(looks).toBe(7);
    expect(weights(strategy)).toEqual(seen[4]);
  });

  test('a stopped run stops where one that was not stopped would', async () => {
    const values = [0.2, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0];
    const stopping = (c: Config) =>
      withPlugins(c, ({ strategy }) => {
        const value = () => values[strategy.clock.step % 6]!;
        return [new EarlyStopping({ value, patience: 3, every: 1, restoreBest: true })];
      });
    const whole = memoryStore();
    const { steps } = await startRun(whole, { config: small, build: stopping, checkpointEvery: 1, keep: 'all' });
    expect(steps).toBeLessThan(12);
    const { checkpoints, matrix } = await readRun(whole);
    for (let left = 1; left < checkpoints.length; left++) {
      const copy = memoryStore();
      for (const name of await whole.list()) await copy.write(name, (await whole.read(name))!);
      for (const { file } of checkpoints.slice(left)) await copy.write(file, new Uint8Array(1));
      const outcome = await resumeRun(copy, { build: stopping, useOlder: true });
      expect(outcome).toMatchObject({ finished: true, steps, matrix });
    }
  });

  test.each([
    [{ patience: 0 }, /patience is 0/],
    [{ patience: 1, every: 0 }, /every is 0/],
    [{ patience: 1, mode: 'best' }, /mode is best/],
    [{ patience: 1, minDelta: Number.NaN }, /minDelta is NaN/],
  ])('%o is refused by name', (options, message) => {
    expect(
      () => new EarlyStopping({ value: () => 0, ...options } as ConstructorParameters<typeof EarlyStopping>[0]),
    ).toThrow(message);
  });
});

describe('loggers', () => {
  test('JSON lines are the records of a saved run; the table has all their numbers', async () => {
    const store = memoryStore();
    await startRun(store, { config: small, build });
    const { records } = await readRun(store);
    const [json, csv]: [string[], string[]] = [[], []];
    const { strategy, stream } = withPlugins(small, () => [
      jsonlLogger({ write: (text) => void json.push(text) }),
      csvLogger({ write: (text) => void csv.push(text) }),
    ]);
    await runStream(strategy, stream);
    expect(json.every((text) => text.endsWith('}\n'))).toBe(true);
    expect(json.map((text) => JSON.parse(text))).toEqual(records);
    expect(csv.join('')).toBe(csvOf(records));
    const [head, ...rows] = csvOf(records)
      .trimEnd()
      .split('\n')
      .map((row) => row.split(','));
    expect(head).toEqual(['kind', 'step', 'experience', 'epoch', 'iteration', 'task', 'name', 'value']);
    expect(rows.every((row) => row.length === 8)).toBe(true);
    const losses = rows.filter((row) => row[0] === 'step' && row[6] === 'loss').map((row) => Number(row[7]));
    expect(losses).toEqual(records.flatMap((line) => (line.kind === 'step' ? [line.loss] : [])));
    const accuracies = rows.filter((row) => row[0] === 'eval' && row[6] === 'accuracy').map((row) => Number(row[7]));
    expect(accuracies).toEqual(
      records.flatMap((line) => (line.kind === 'eval' ? line.results.map((r) => r.accuracy) : [])),
    );
    expect(rows.some((row) => row[6] === 'gem.gradientNorm')).toBe(true);
  });

  test('write at their cadence', async () => {
    const lines: string[] = [];
    const { strategy, stream } = withPlugins(small, () => [
      jsonlLogger({ write: (text) => void lines.push(text), every: 4 }),
    ]);
    await strategy.train(stream);
    expect(lines.map((line) => JSON.parse(line).step)).toEqual([0, 4, 8]);
    expect(() => jsonlLogger({ write: () => undefined, every: 0 })).toThrow(/every is 0/);
  });
});
