// Branching off: the same configuration gives the same run, another gives the same up to the step and another from it on.

import { nn, optim, type Samples } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { EpisodicMemory, herding } from '../../src/memory/index.ts';
import {
  AGEMPlugin,
  DERPlugin,
  ICaRLPlugin,
  ReplayPlugin,
  SGEMPlugin,
  type TaskSamples,
} from '../../src/plugins/index.ts';
import {
  branchRun,
  compareRuns,
  memoryStore,
  RunError,
  type RunStore,
  readRun,
  resumeRun,
  type StepLine,
  startRun,
} from '../../src/run/index.ts';
import { StateMismatchError } from '../../src/state.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import { toyStrategy, toyStream } from '../toy.ts';
import { build, type Config, config, contents } from './experiment.ts';

const base: Config = { ...config, tasks: 3, samples: 20, epochs: 1, memories: 8 };
const STEPS = 12;

async function finished(c: Config, options: object = {}): Promise<RunStore> {
  const store = memoryStore();
  await startRun(store, { config: c, build, checkpointEvery: 3, ...options });
  return store;
}

const newest = async (store: RunStore) => {
  const { file } = (await readRun(store)).checkpoints.at(-1)!;
  return (await contents(store))[file];
};

describe.each([
  ['exact', 'sgd'],
  ['reference', 'adam'],
  ['avalanche', 'sgd'],
] as const)('profile %s, %s', (profile, optimizer) => {
  const c = { ...base, profile, optimizer };
  let source: RunStore;
  beforeAll(async () => {
    source = await finished(c);
  });

  test('with nothing changed it is the run, bit for bit, from whichever step', async () => {
    for (const step of [0, 3, 4, 7, 11]) {
      const into = memoryStore();
      const { comparison, finished, steps } = await branchRun<Config>(source, into, { step, change: {}, build });
      expect({ finished, steps }).toEqual({ finished: true, steps: STEPS });
      expect(comparison).toMatchObject({ difference: null, lossDiffersFrom: null });
      expect(comparison.second).toEqual(comparison.first);
      expect(await newest(into)).toBe(await newest(source));
    }
  });

  test.each([
    ['memoryStrength', { memoryStrength: 3 }],
    ['lr', { lr: 0.5 }],
    ['fewer memories', { memories: 3 }],
    ['more memories', { memories: 12 }],
    ['another profile', { profile: profile === 'exact' ? 'avalanche' : 'exact' }],
  ] as const)('another %s: the same before the step, not after', async (_, change) => {
    const step = 6;
    const into = memoryStore();
    const { comparison } = await branchRun<Config>(source, into, { step, change, build });
    const [a, b] = [await readRun(source), await readRun(into)];
    const before = (line: { readonly step: number; readonly kind: string }) => line.step < step;
    expect(b.records.filter(before)).toEqual(a.records.filter(before));
    expect(b).toMatchObject({ config: { ...c, ...change }, branch: { step, change }, finished: true });
    expect(comparison.difference!.step).toBeGreaterThanOrEqual(step);
    expect(comparison.difference!.kind).toBe('step');
    // The loss of the first changed step is still that of the same weights on the same batch; but the noise of the network falls
    // otherwise where it has fallen on another number of memories before.
    const noisy = 'memories' in change || 'profile' in change;
    expect(comparison.lossDiffersFrom ?? STEPS).toBeGreaterThan(noisy ? step - 1 : step);
    expect(await newest(into)).not.toBe(await newest(source));
    expect(comparison).toEqual(await compareRuns(source, into));
    expect(comparison.second.metrics!.acc).toBe(b.matrix!.acc());
  });
});

test('the first step under the new configuration is the step asked for', async () => {
  const source = await finished(base);
  const steps = (await readRun(source)).records.filter((line): line is StepLine => line.kind === 'step');
  const projected = steps.filter(({ plugins }) => (plugins.gem as { projection: unknown } | undefined)?.projection);
  const { step } = projected.at(-2)!;
  const { comparison } = await branchRun<Config>(source, memoryStore(), { step, change: { memoryStrength: 9 }, build });
  expect(comparison.difference).toMatchObject({ kind: 'step', step });
  expect(comparison.difference!.fields).toEqual(
    expect.arrayContaining(['plugins.gem.memoryStrength', 'plugins.gem.projection.projectedNorm']),
  );
  expect(comparison.difference!.fields).not.toContain('loss');
  expect(comparison.lossDiffersFrom).toBe(step + 1);
});

test('what a finished experience left is the old configuration: its memory and its measurement', async () => {
  const source = await finished({ ...base, profile: 'avalanche' });
  const into = memoryStore();
  const change = { profile: 'exact', memoryStrength: 0 } as const;
  await branchRun<Config>(source, into, { step: 4, change, build });
  const [a, b] = [await readRun(source), await readRun(into)];
  expect(b.matrix!.accuracies[0]).toEqual(a.matrix!.accuracies[0]);
  const dots = ({ records }: typeof a) =>
    records.flatMap((line) =>
      line.kind === 'step' && line.step === 4 ? [(line.plugins.gem as { dots: unknown }).dots] : [],
    );
  expect(dots(b)).toEqual(dots(a));
});

test('without the plugin the branch goes on without it', async () => {
  const source = await finished(base);
  const into = memoryStore();
  await branchRun<Config>(source, into, { step: 7, change: { profile: 'none' }, build });
  const steps = (await readRun(into)).records.filter((line): line is StepLine => line.kind === 'step');
  expect(steps.map(({ plugins }) => 'gem' in plugins)).toEqual(steps.map(({ step }) => step >= 4 && step < 7));
});

test('a branch that is stopped is resumed as any run', async () => {
  const source = await finished(base);
  const [whole, stopped] = [memoryStore(), memoryStore()];
  const options = { step: 5, change: { memoryStrength: 2 }, build };
  await branchRun<Config>(source, whole, options);
  let builds = 0;
  const signal = { aborted: false };
  const stopping = (c: Config) => {
    // The replay, the translation, and the branch itself.
    if (++builds === 3) signal.aborted = true;
    return build(c);
  };
  const outcome = await branchRun<Config>(source, stopped, { ...options, build: stopping, signal });
  expect(outcome).toMatchObject({ finished: false, steps: 5 });
  await resumeRun(stopped, { build });
  expect(await newest(stopped)).toBe(await newest(whole));
});

test('a run that is not finished, or whose early checkpoints are gone, is replayed from what there is', async () => {
  const source = await finished(base, { keep: 1 });
  const into = memoryStore();
  await branchRun<Config>(source, into, { step: 2, change: {}, build });
  expect(await newest(into)).toBe(await newest(source));
});

describe('another memory, whatever plugin has it', () => {
  interface Held {
    readonly method: string;
    readonly n: number;
  }
  type WithMemory = StrategyPlugin & { readonly memory: EpisodicMemory<TaskSamples> };
  const rng = () => new Rng(3);
  const methods: Record<string, (n: number, model: nn.Module, asked: number[][]) => WithMemory> = {
    'a-gem': (n) => new AGEMPlugin({ memory: new EpisodicMemory(n), sampleSize: 4, rng: rng() }),
    's-gem': (n) => new SGEMPlugin({ memory: new EpisodicMemory(n), rng: rng() }),
    der: (total) => new DERPlugin({ total, batchSize: 3, alpha: 0.5, beta: 0.5, rng: rng() }),
    replay: (n) => new ReplayPlugin({ memory: new EpisodicMemory(n), batchSize: 3, rng: rng() }),
    'replay, herding': (n, model, asked) => {
      const features = ({ inputs }: Samples) => {
        asked.push(valuesOf(model));
        return inputs;
      };
      return new ReplayPlugin({
        memory: new EpisodicMemory<TaskSamples>(n, herding(features)),
        batchSize: 3,
        rng: rng(),
      });
    },
    icarl: (total) => new ICaRLPlugin({ total, features: (x) => x }),
  };

  const valuesOf = (model: nn.Module) => model.parameters().flatMap((p) => p.value.reshape([-1]).toArray() as number[]);
  /** What was built, in order: the weights with which its memory looked at samples, and those at the step. */
  function builder() {
    const built: { plugin: WithMemory; asked: number[][]; noted: number[] }[] = [];
    const build = ({ method, n }: Held) => {
      const asked: number[][] = [];
      const model = new nn.MLP([2, 6, 2], { rng: new Rng(5) });
      const plugin = methods[method]!(n, model, asked);
      const one = { plugin, asked, noted: [] as number[] };
      const note = {
        name: 'note',
        beforeTrainingIteration: ({ clock }: Strategy) => {
          if (clock.step === 8) one.noted = valuesOf(model);
        },
      };
      built.push(one);
      const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
      return { strategy: toyStrategy({ model, optimizer, plugins: [plugin, note] }), stream: toyStream(3, 20) };
    };
    return { build, built };
  }
  const branched = async (method: string, step: number, n: number, into = memoryStore()) => {
    const [store, { build, built }] = [memoryStore(), builder()];
    await startRun(store, { config: { method, n: 6 }, build, checkpointEvery: 3 });
    const { comparison } = await branchRun<Held>(store, into, { step, change: { n }, build });
    const [replayed, translated, gone] = built.slice(1);
    return { comparison, replayed: replayed!, translated: translated!, gone: gone! };
  };

  test.each(Object.keys(methods).filter((method) => method !== 'icarl'))(
    '%s is the run before the step',
    async (method) => {
      for (const [step, n] of [
        [6, 3],
        [8, 9],
      ] as const) {
        const { comparison, gone } = await branched(method, step, n);
        expect(comparison.second.finished).toBe(true);
        expect(comparison.difference?.step ?? step).toBeGreaterThanOrEqual(step);
        expect(gone.plugin.memory.budget).toEqual(method === 'der' ? { total: n } : n);
      }
    },
  );

  test('a policy that looks at samples through the model sees it as the run had it at the step', async () => {
    const { replayed, translated } = await branched('replay, herding', 8, 3);
    expect(translated.asked.length).toBeGreaterThan(0);
    for (const weights of translated.asked) expect(weights).toEqual(replayed.noted);
  });

  test("iCaRL's is part of what is trained on: it stays, and nothing is written", async () => {
    for (const step of [6, 8]) {
      const into = memoryStore();
      await expect(branched('icarl', step, 3, into)).rejects.toThrow(StateMismatchError);
      expect(await into.list()).toEqual([]);
    }
  });
});

describe('what cannot be done is refused by name', () => {
  let source: RunStore;
  beforeAll(async () => {
    source = await finished(base);
  });
  const branch = (options: object, into = memoryStore()) =>
    branchRun<Config>(source, into, { step: 3, change: {}, build, ...options });

  test('a step that the run does not have', async () => {
    await expect(branch({ step: STEPS })).rejects.toThrow(/has 12 steps, so it can branch at steps 0 to 11, found 12/);
    await expect(branch({ step: 99 })).rejects.toThrow(RunError);
    await expect(branch({ step: -1 })).rejects.toThrow(/step is -1/);
    await expect(branch({ step: 1.5 })).rejects.toThrow(/step is 1.5/);
  });

  test('no change, or nothing that builds: nothing is written', async () => {
    const into = memoryStore();
    await expect(branch({ change: undefined }, into)).rejects.toThrow(/change is undefined; expected .* or \{\}/);
    await expect(branch({ build: undefined }, into)).rejects.toThrow(/build is undefined; expected a function/);
    await expect(branch({ change: { optimizer: 'adam' } }, into)).rejects.toThrow(/found SGD/);
    expect(await into.list()).toEqual([]);
  });

  test('an experiment that is not the one that was recorded', async () => {
    const into = memoryStore();
    const other = (c: Config) => build({ ...c, memoryStrength: c.memoryStrength + 1 });
    await expect(branch({ step: 9, build: other }, into)).rejects.toThrow(
      /another step record at step \d+ than it has/,
    );
    expect(await into.list()).toEqual([]);
  });

  test('a store that holds a run, a configuration that is no plain data, a model of another shape', async () => {
    await expect(branch({}, source)).rejects.toThrow(/holds a run already/);
    await expect(branch({ change: { lr: Number.NaN } })).rejects.toThrow(/config is/);
    await expect(branch({ change: { optimizer: 'adam' } })).rejects.toThrow(/found SGD, wanted Adam/);
  });

  test('a damaged checkpoint or record of the run', async () => {
    const damaged = memoryStore();
    for (const name of await source.list()) await damaged.write(name, (await source.read(name))!);
    const { checkpoints } = await readRun(source);
    const { file } = checkpoints[0]!;
    await damaged.write(file, new Uint8Array(4));
    const options = { step: 10, change: {}, build };
    await expect(branchRun<Config>(damaged, memoryStore(), options)).rejects.toMatchObject({ file, fault: 'damaged' });
  });
});
