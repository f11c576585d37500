// Time and memory: measured by a clock and a process that the tests are in charge of, and kept out of saved runs.

import { zeros } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { bytesOf, processMemory } from '../../src/metrics/index.ts';
import { EWCPlugin } from '../../src/plugins/index.ts';
import { MemoryUsePlugin, memoryUse } from '../../src/plugins/memory-use.ts';
import { TimePlugin } from '../../src/plugins/time.ts';
import { csvLogger, csvOf, jsonlLogger, type LogLine, memoryStore, readRun, startRun } from '../../src/run/index.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import { build, type Config, config, contents } from '../run/experiment.ts';
import { toyStrategy, toyStream } from '../toy.ts';

/** A clock that stands still, unless a plugin takes its time. */
function handClock() {
  let time = 5000;
  const takes = (milliseconds: number) => () => {
    time += milliseconds;
  };
  return { now: () => time, takes };
}

describe('TimePlugin', () => {
  test('counts what plugins behind it do toward step, experience and evaluation', async () => {
    const { now, takes } = handClock();
    let step = 0;
    const busy: StrategyPlugin = {
      name: 'busy',
      afterTrainDatasetAdaptation: takes(1000),
      // 10, 20, 30, ... milliseconds
      beforeTrainingIteration: () => takes(10 * ++step)(),
      afterUpdate: takes(1),
      afterTrainingExp: takes(500),
      afterEvalIteration: takes(7),
    };
    const time = new TimePlugin(now);
    const strategy = toyStrategy({ plugins: [time, busy], evalBatchSize: 5 });
    await runStream(strategy, toyStream(2, 10));
    const close = (x: number) => expect.closeTo(x, 9);
    // Two steps of five samples for each task.
    expect(time.experiences).toEqual([
      {
        experience: 0,
        seconds: close(1.532),
        steps: 2,
        stepSeconds: close(0.032),
        fastestStep: close(0.011),
        slowestStep: close(0.021),
      },
      {
        experience: 1,
        seconds: close(1.572),
        steps: 2,
        stepSeconds: close(0.072),
        fastestStep: close(0.031),
        slowestStep: close(0.041),
      },
    ]);
    // Two test sets of ten, five at a time.
    expect(time.evaluations).toEqual([0, 1, 2].map((trained) => ({ trained, seconds: close(0.028), samples: 20 })));
    expect(time.summary).toEqual({
      trainingSeconds: close(3.104),
      steps: 4,
      meanStepSeconds: close(0.026),
      evaluationSeconds: close(0.084),
    });
  });

  test('forgets an experience that was interrupted, and has nothing to tell before the first', async () => {
    const { now, takes } = handClock();
    const time = new TimePlugin(now);
    const none = { trainingSeconds: 0, steps: 0, meanStepSeconds: null, evaluationSeconds: 0 };
    expect(time.summary).toEqual(none);
    const strategy = toyStrategy({ plugins: [time, { name: 'busy', afterUpdate: takes(100) }] });
    const [first] = toyStream(1, 10);
    const signal = { aborted: false };
    const afterStep = () => {
      signal.aborted = true;
    };
    await strategy.train(first!, { signal, afterStep });
    expect(time.summary).toEqual(none);
    takes(60_000)();
    await strategy.train(first!);
    expect(time.experiences.map(({ seconds, steps }) => [seconds, steps])).toEqual([[0.2, 2]]);
  });
});

describe('memoryUse', () => {
  test('is the bytes of the tensors that are held: by hand', async () => {
    expect(bytesOf([zeros([2, 3]), zeros([4], { dtype: 'float64' }), zeros([5], { dtype: 'bool' })])).toBe(24 + 32 + 5);
    // 2 x 8 + 8 + 8 x 2 + 2 weights.
    const parameters = 42;
    const strategy = toyStrategy({ plugins: [new EWCPlugin({ lambda: 1 })] });
    expect(memoryUse(strategy)).toEqual({
      model: 4 * parameters,
      optimizer: 0,
      plugins: { ewc: 0 },
      total: 4 * parameters,
    });
    await strategy.train(toyStream(3, 10));
    // Fisher information and anchor of each of three tasks.
    const ewc = 3 * 2 * 4 * parameters;
    expect(memoryUse(strategy)).toEqual({
      model: 4 * parameters,
      optimizer: 0,
      plugins: { ewc },
      total: 4 * parameters + ewc,
    });
  });

  test("counts the optimizer's memory, and GEM's samples: as much as a checkpoint holds", async () => {
    const { strategy, stream } = build({ ...config, optimizer: 'adam' });
    await runStream(strategy, stream);
    const { model, optimizer, plugins, total } = memoryUse(strategy);
    const { tensors } = strategy.stateDict();
    const held = (owner: string) => Object.entries(tensors).flatMap(([name, x]) => (name.startsWith(owner) ? [x] : []));
    expect([model, optimizer]).toEqual([bytesOf(held('model/')), bytesOf(held('optimizer/'))]);
    expect(plugins.gem).toBeGreaterThanOrEqual(3 * config.memories * (2 + 1) * 4);
    expect(total).toBe(bytesOf(Object.values(tensors)));
  });

  test('the process: what the runtime tells, if it does', () => {
    expect(processMemory({})).toBeNull();
    expect(processMemory({ process: { memoryUsage: () => ({ rss: 7 }) } })).toBe(7);
    expect(processMemory({ performance: { memory: { usedJSHeapSize: 9 } } })).toBe(9);
    expect(processMemory()).toBeGreaterThan(1e6);
  });
});

describe('MemoryUsePlugin', () => {
  const bytes = () => {
    let n = 0;
    return () => [100, 300, 200, 250][n++ % 4]!;
  };

  test('measures after each experience, or every so many steps', async () => {
    const each = new MemoryUsePlugin({ process: bytes() });
    const often = new MemoryUsePlugin({ every: 4, process: () => null });
    const strategy = toyStrategy({ plugins: [new EWCPlugin({ lambda: 1 }), each, often] });
    expect([each.peak, often.peak]).toEqual([
      { total: null, process: null },
      { total: null, process: null },
    ]);
    await strategy.train(toyStream(3, 15));
    expect(each.history.map(({ step, experience, process }) => [step, experience, process])).toEqual([
      [3, 0, 100],
      [6, 1, 300],
      [9, 2, 200],
    ]);
    expect(each.history.at(-1)).toMatchObject(memoryUse(strategy));
    expect(each.peak).toEqual({ total: memoryUse(strategy).total, process: 300 });
    expect(often.history.map(({ step }) => step)).toEqual([4, 8]);
    expect(often.peak.process).toBeNull();
  });

  test.each([0, 1.5, 'epoch'])('every = %s is refused by name', (every) => {
    expect(() => new MemoryUsePlugin({ every: every as number })).toThrow(/every is/);
  });
});

describe('what depends on the machine', () => {
  const small: Config = { ...config, tasks: 2, samples: 12 };
  const measuring =
    (plugins: () => readonly StrategyPlugin[], last: readonly StrategyPlugin[] = []) =>
    (c: Config) => {
      const experiment = build(c);
      const [first, ...rest] = plugins();
      Object.assign(experiment.strategy, { plugins: [first, ...experiment.strategy.plugins, ...rest, ...last] });
      return experiment;
    };
  const meters = (tick: number) => () => {
    let time = 0;
    const now = () => {
      time += tick;
      return time;
    };
    return [new TimePlugin(now), new MemoryUsePlugin({ every: 3, process: () => tick })];
  };

  test('does not touch a saved run: the same bytes with it and without, fast or slow', async () => {
    const [plain, fast, slow] = [memoryStore(), memoryStore(), memoryStore()];
    await startRun(plain, { config: small, build });
    await startRun(fast, { config: small, build: measuring(meters(1)) });
    await startRun(slow, { config: small, build: measuring(meters(50)) });
    expect(await contents(fast)).toEqual(await contents(plain));
    expect(await contents(slow)).toEqual(await contents(plain));
  });

  test('is written by loggers, beside what a saved run records', async () => {
    const [json, csv]: [string[], string[]] = [[], []];
    const loggers = [
      jsonlLogger({ write: (text) => void json.push(text) }),
      csvLogger({ write: (text) => void csv.push(text) }),
    ];
    const { strategy, stream } = measuring(meters(1000), loggers)(small);
    await runStream(strategy, stream);
    const store = memoryStore();
    await startRun(store, { config: small, build });
    const lines = json.map((text) => JSON.parse(text) as LogLine);
    expect(lines.map(({ machine: _, ...line }) => line)).toEqual((await readRun(store)).records);
    for (const { kind, step, machine } of lines) {
      expect((machine!.time as { seconds: number }).seconds).toBeGreaterThanOrEqual(1);
      const measured = (machine!['memory-use'] as { step: number } | undefined)?.step;
      if (kind === 'step') expect(measured).toBe((step + 1) % 3 === 0 ? step + 1 : undefined);
    }
    expect(csv.join('')).toBe(csvOf(lines));
    expect(csv.join('')).toMatch(/^step,2,0,0,2,,machine\.memory-use\.plugins\.gem,\d+$/m);
    expect(csv.join('')).toMatch(/^eval,0,0,,,,machine\.time\.seconds,\d+$/m);
  });
});
