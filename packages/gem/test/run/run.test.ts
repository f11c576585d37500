// Starting, stopping, resuming and saving by hand: what callers can ask for, and what they are told when they cannot.

import { Dataset } from '@gemlab/autograd';
import { concat } from '@gemlab/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidOptionError } from '../../src/errors.ts';
import { AccuracyMatrix, MetricError } from '../../src/metrics/accuracy-matrix.ts';
import {
  compareRuns,
  type Experiment,
  memoryStore,
  RunError,
  type RunOutcome,
  readRun,
  resumeRun,
  saveRun,
  startRun,
} from '../../src/run/index.ts';
import { type Json, type State, StateMismatchError } from '../../src/state.ts';
import type { Callback, StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import { build, type Config, config, contents } from './experiment.ts';

const small: Config = { ...config, tasks: 2, samples: 12 };

/** The experiment with more plugins, which come last. */
function withPlugins(c: Config, ...plugins: StrategyPlugin[]): Experiment {
  const experiment = build(c);
  Object.assign(experiment.strategy, { plugins: [...experiment.strategy.plugins, ...plugins] });
  return experiment;
}

/** Aborts the signal at the n-th time that a callback is called. */
function stopAt(callback: Callback, n: number, signal: { aborted: boolean }): StrategyPlugin {
  let calls = 0;
  return {
    name: 'stopper',
    [callback]: () => {
      if (calls++ === n) signal.aborted = true;
    },
  };
}

describe('a signal stops a run where it can go on', () => {
  const moments: [Callback, number][] = [
    ...Array.from({ length: 12 }, (_, n): [Callback, number] => ['afterTrainingIteration', n]),
    ...Array.from({ length: 5 }, (_, n): [Callback, number] => ['afterEvalIteration', n]),
    ['beforeEval', 0],
    ['beforeTrainingExp', 1],
    ['beforeTrainingEpoch', 1],
    ['afterTrainingEpoch', 3],
    ['afterTrainingExp', 0],
    ['afterEval', 1],
  ];
  test.each(moments)('stopped in %s number %i', async (callback, n) => {
    const [whole, stopped] = [memoryStore(), memoryStore()];
    const expected = await startRun(whole, { config: small, build });
    const signal = { aborted: false };
    const cut = (c: Config) => withPlugins(c, stopAt(callback, n, signal));
    const first = await startRun(stopped, { config: small, build: cut, signal });
    expect(first.finished).toBe(false);
    expect((await readRun(stopped)).checkpoints.at(-1)!.step).toBe(first.steps);
    // Stopped again at once, it stays where it is; and a resumed run may be watched by other plugins.
    const again = await resumeRun(stopped, { build, signal: { aborted: true } });
    expect([again.finished, again.steps]).toEqual([false, first.steps]);
    const second: RunOutcome = await resumeRun(stopped, { build });
    expect(second).toMatchObject({ finished: true, steps: 12, matrix: expected.matrix });
    const [a, b] = [await readRun(whole), await readRun(stopped)];
    expect(b.records).toEqual(a.records);
    const newest = a.checkpoints.at(-1)!.file;
    expect((await contents(stopped))[newest]).toBe((await contents(whole))[newest]);
  });

  test('one that is finished gives its outcome at once', async () => {
    const store = memoryStore();
    const outcome = await startRun(store, { config: small, build });
    const unused = () => expect.unreachable('nothing is built');
    expect(await resumeRun(store, { build: unused })).toMatchObject({
      finished: true,
      steps: 12,
      matrix: outcome.matrix,
    });
  });
});

test('callbacks that prepare an experience are called again as they were, and what they left is kept', async () => {
  // The dataset of each experience grows by what the plugin remembers, which changes with every step.
  class Rehearsal implements StrategyPlugin {
    readonly name = 'rehearsal';
    seen: number[] = [];
    marks: number[] = [];
    beforeTraining() {
      this.marks.push(this.seen.length);
    }
    afterTrainDatasetAdaptation(strategy: Experiment['strategy']) {
      const { inputs, targets } = strategy.dataset!.range(0, strategy.dataset!.length);
      const extra = strategy.dataset!.range(0, 1 + (this.seen.length % 3));
      strategy.dataset = Dataset.from({
        inputs: concat([inputs, extra.inputs]),
        targets: concat([targets, extra.targets]),
      });
    }
    afterTrainingIteration(strategy: Experiment['strategy']) {
      this.seen.push(strategy.batch!.targets.size);
    }
    stateDict(): State {
      return { tensors: {}, data: { seen: [...this.seen], marks: [...this.marks] } };
    }
    loadStateDict({ data }: State) {
      Object.assign(this, structuredClone(data));
    }
  }
  const rehearsing = (c: Config) => withPlugins(c, new Rehearsal());
  const whole = memoryStore();
  await startRun(whole, { config: small, build: rehearsing });
  const expected = await readRun(whole);
  for (let n = 0; n < 12; n++) {
    const [store, signal] = [memoryStore(), { aborted: false }];
    const stopping = (c: Config) => withPlugins(c, new Rehearsal(), stopAt('afterTrainingIteration', n, signal));
    await startRun(store, { config: small, build: stopping, signal });
    await resumeRun(store, { build: rehearsing });
    const found = await readRun(store);
    expect(found.records).toEqual(expected.records);
    const newest = expected.checkpoints.at(-1)!.file;
    expect((await contents(store))[newest]).toBe((await contents(whole))[newest]);
  }
});

describe('settings', () => {
  test('checkpoints every so many steps, the newest stay, and records have their cadence', async () => {
    const store = memoryStore();
    await startRun(store, { config: small, build, checkpointEvery: 5, keep: 'all', recordEvery: 4 });
    const { checkpoints, records, settings } = await readRun(store);
    expect(settings).toEqual({ checkpointEvery: 5, keep: null, recordEvery: 4 });
    expect(checkpoints.map(({ step, trained }) => [step, trained])).toEqual([
      [0, 0],
      [5, 0],
      [6, 1],
      [10, 1],
      [12, 2],
    ]);
    expect(records.flatMap((line) => (line.kind === 'step' ? [line.step] : []))).toEqual([0, 4, 8]);
    const few = memoryStore();
    await startRun(few, { config: small, build, keep: 1 });
    expect(await few.list()).toHaveLength(
      1 + 1 + (await readRun(few)).records.filter(({ kind }) => kind === 'eval').length,
    );
  });

  test('the records hold what GEM did, and what each measurement gave', async () => {
    const store = memoryStore();
    const { matrix } = await startRun(store, { config: small, build });
    const { records } = await readRun(store);
    const steps = records.filter((line) => line.kind === 'step');
    expect(steps.map((line) => 'gem' in line.plugins)).toEqual(steps.map((line) => line.experience > 0));
    expect(steps[7]).toMatchObject({
      step: 7,
      experience: 1,
      epoch: 0,
      iteration: 1,
      plugins: { gem: { step: 7, tasks: [0] } },
    });
    const evals = records.filter((line) => line.kind === 'eval');
    expect(evals.map(({ trained, step }) => [trained, step])).toEqual([
      [0, 0],
      [1, 6],
      [2, 12],
    ]);
    expect(evals.slice(1).map(({ results }) => results.map((r) => r.accuracy))).toEqual(matrix.accuracies);
  });

  test('versions are written down, those of each part', async () => {
    const store = memoryStore();
    const signal = { aborted: false };
    const cut = (c: Config) => withPlugins(c, stopAt('afterTrainingIteration', 3, signal));
    await startRun(store, { config: small, build: cut, signal, versions: { node: '20' } });
    await resumeRun(store, { build, signal: { aborted: true }, versions: { node: '20' } });
    await resumeRun(store, { build, versions: { node: '22' } });
    expect((await readRun(store)).versions).toEqual([
      { step: 0, versions: { node: '20' } },
      { step: 4, versions: { node: '22' } },
    ]);
  });

  test.each([
    ['checkpointEvery', 0],
    ['keep', 1.5],
    ['recordEvery', Number.NaN],
  ])('%s = %s is refused by name', async (name, value) => {
    const store = memoryStore();
    await expect(startRun(store, { config: small, build, [name]: value })).rejects.toThrow(
      new RegExp(`${name} is ${value}`),
    );
    expect(await store.list()).toEqual([]);
  });

  test.each([[{ a: Number.NaN }], [{ a: undefined }], [undefined], [{ a: new Date(0) }], [[() => 1]], [{ a: -0 }]])(
    'a configuration that is not the same after JSON is refused: %o',
    async (odd) => {
      const make = () => build(small);
      await expect(startRun(memoryStore(), { config: odd as Json, build: make })).rejects.toThrow(InvalidOptionError);
    },
  );
});

describe('another experiment than was saved', () => {
  const cases: [string, Partial<Config>, RegExp][] = [
    ['without the plugin', { profile: 'none' }, /plugins of the state is \["gem"\]; expected \[\]/],
    ['another memory', { memories: 7 }, /budget of the state is 6; expected 7/],
    ['another optimizer', { optimizer: 'adam' }, /algorithm: found SGD, wanted Adam/],
    ['another stream', { tasks: 3 }, /matrix.tasks of the state is 2; expected 3/],
    ['other data', { samples: 30 }, /clock.iterations of the state is 3; expected 6/],
  ];
  test.each(cases)('%s is refused by name, and the run is as it was', async (_, change, message) => {
    const store = memoryStore();
    const signal = { aborted: false };
    const cut = (c: Config) => withPlugins(c, stopAt('afterTrainingIteration', 3, signal));
    await startRun(store, { config: small, build: cut, signal });
    const before = await contents(store);
    await expect(resumeRun(store, { build: (c: Config) => build({ ...c, ...change }) })).rejects.toThrow(message);
    expect(await contents(store)).toEqual(before);
    await resumeRun(store, { build });
  });

  test('a store that has a run takes no other, one that has none cannot be resumed', async () => {
    const store = memoryStore();
    await expect(resumeRun(store, { build })).rejects.toMatchObject({ fault: 'missing', file: 'run.json' });
    await startRun(store, { config: small, build });
    await expect(startRun(store, { config: small, build })).rejects.toThrow(RunError);
  });
});

describe('saveRun', () => {
  test('saves a loop of the caller, which resumeRun goes on with', async () => {
    const whole = memoryStore();
    const { matrix: expected } = await startRun(whole, { config: small, build });
    const store = memoryStore();
    const { strategy, stream } = build(small);
    const matrix = new AccuracyMatrix(stream.length);
    matrix.setBaseline((await strategy.eval(stream)).map((r) => r.accuracy));
    await saveRun(store, { config: small, strategy, matrix });
    await strategy.train(stream[0]!);
    await saveRun(store, { config: small, strategy, matrix });
    expect((await readRun(store)).checkpoints.map(({ step, trained, measured }) => [step, trained, measured])).toEqual([
      [0, 0, true],
      [6, 1, false],
    ]);
    expect((await resumeRun(store, { build })).matrix).toEqual(expected);
    const newest = (await readRun(whole)).checkpoints.at(-1)!.file;
    expect((await contents(store))[newest]).toBe((await contents(whole))[newest]);
    await expect(saveRun(store, { config: small, strategy, matrix })).rejects.toThrow(
      /at step 12, and the strategy at 6/,
    );
  });

  test('refuses the middle of an experience, and a store with another run', async () => {
    const store = memoryStore();
    const signal = { aborted: false };
    const { strategy, stream } = withPlugins(small, stopAt('afterTrainingIteration', 1, signal));
    const matrix = await runStream(strategy, stream, { signal });
    await expect(saveRun(store, { config: small, strategy, matrix })).rejects.toThrow(/epoch 0, iteration 2.*startRun/);
    await startRun(store, { config: small, build });
    const fresh = build(small).strategy;
    await expect(saveRun(store, { config: { ...small, seed: 2 }, strategy: fresh, matrix })).rejects.toThrow(RunError);
  });
});

test('a finished run is compared by what was measured, whatever was not', async () => {
  const { strategy, stream } = build(small);
  await strategy.train(stream);
  const accuracy = fc.option(fc.constantFrom(0, 0.25, 1));
  const row = fc.array(accuracy, { minLength: 2, maxLength: 2 });
  const last = row.filter((accuracies) => accuracies.some((a) => a !== null));
  await fc.assert(
    fc.asyncProperty(row, row, last, async (baseline, first, second) => {
      const matrix = new AccuracyMatrix(2);
      matrix.setBaseline(baseline);
      matrix.record(0, first);
      matrix.record(1, second);
      const store = memoryStore();
      await saveRun(store, { config: small, strategy, matrix });
      const { first: found } = await compareRuns(store, store);
      expect(found.finished).toBe(true);
      expect(found.metrics === null).toBe(second.includes(null));
      for (const metric of ['acc', 'bwt', 'fwt', 'forgetting', 'learningAccuracy'] as const) {
        const value = found.metrics?.[metric] ?? null;
        if (value !== null) expect(value).toBe(matrix[metric]());
        else if (found.metrics !== null) expect(() => matrix[metric]()).toThrow(MetricError);
      }
    }),
    { numRuns: 40 },
  );
});

test.each([startRun, resumeRun])('%o wants a function that builds, before it writes or reads anything', async (run) => {
  const store = memoryStore();
  const call = run(store, { config: small, build: undefined as never });
  await expect(call).rejects.toThrow(InvalidOptionError);
  expect(await store.list()).toEqual([]);
});

describe('the state of a strategy', () => {
  test('is loaded whole or not at all', async () => {
    const [a, b] = [build(small), build(small)];
    await a.strategy.train(a.stream[0]!);
    await b.strategy.train(b.stream);
    const [before, other] = [a.strategy.stateDict(), b.strategy.stateDict()];
    const damaged = {
      ...other,
      data: { ...(other.data as object), plugins: [{ name: 'gem', data: { memory: null, rng: null, record: null } }] },
    };
    expect(() => a.strategy.loadStateDict(damaged as State)).toThrow(StateMismatchError);
    const flat = (state: State) =>
      JSON.stringify([state.data, Object.entries(state.tensors).map(([n, x]) => [n, x.toArray()])]);
    expect(flat(a.strategy.stateDict())).toBe(flat(before));
    a.strategy.loadStateDict(other);
    expect(flat(a.strategy.stateDict())).toBe(flat(other));
  });

  test('endExperience ends it after the step, or instead of the next epoch, and is remembered', async () => {
    const ending = (callback: Callback, calls: number[]): StrategyPlugin => ({
      name: 'ending',
      [callback]: (s: Experiment['strategy']) => void (calls.push(s.clock.step) === 1 && s.endExperience()),
    });
    for (const [callback, steps] of [
      ['afterTrainingIteration', 1],
      ['afterTrainingEpoch', 3],
    ] as const) {
      const { strategy, stream } = withPlugins(small, ending(callback, []));
      expect(await strategy.train(stream[0]!)).toBe(true);
      expect(strategy.clock).toEqual({ experience: 1, epoch: 0, iteration: 0, iterations: 0, step: steps });
      await strategy.train(stream[1]!);
      expect(strategy.clock.step).toBe(steps + 6);
    }
    // Saved between the request and the end, it still ends.
    const store = memoryStore();
    const signal = { aborted: false };
    const calls: number[] = [];
    const stopping = (c: Config) => withPlugins(c, ending('afterTrainingIteration', calls));
    await startRun(store, { config: small, build: stopping, checkpointEvery: 1, keep: 'all', signal });
    const { checkpoints } = await readRun(store);
    expect(checkpoints.map(({ step, trained }) => `${step}/${trained}`).slice(0, 3)).toEqual(['0/0', '1/0', '1/1']);
    for (const { file } of checkpoints.slice(2)) await store.write(file, new Uint8Array(1));
    expect(await resumeRun(store, { build, useOlder: true })).toMatchObject({ finished: true, steps: 7 });
  });
});
