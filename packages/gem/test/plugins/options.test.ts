// What a plugin needs and was not given, or was given as something else, is told when the plugin is made.

import { Rng } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { InvalidOptionError } from '../../src/errors.ts';
import { EpisodicMemory } from '../../src/memory/index.ts';
import { EarlyStopping } from '../../src/plugins/early-stopping.ts';
import { EvaluationPlugin } from '../../src/plugins/evaluation.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import {
  AGEMPlugin,
  CloneLastPlugin,
  CumulativePlugin,
  DERPlugin,
  EWCPlugin,
  ICaRLPlugin,
  MASPlugin,
  ReplayPlugin,
  SGEMPlugin,
} from '../../src/plugins/index.ts';
import { csvLogger, jsonlLogger } from '../../src/run/index.ts';

const memory = () => new EpisodicMemory(5);
const rng = () => new Rng(0);
/** A plugin and its options, of which one is left out or replaced. */
type Case = readonly [make: (options: never) => unknown, options: object, option: string, wrong: readonly unknown[]];
const cases: readonly Case[] = [
  [(o) => new ReplayPlugin(o), { memory: memory(), batchSize: 3, rng: rng() }, 'memory', [{}, memory]],
  [(o) => new ReplayPlugin(o), { memory: memory(), batchSize: 3, rng: rng() }, 'rng', [7, null]],
  [(o) => new AGEMPlugin(o), { memory: memory(), sampleSize: 3, rng: rng() }, 'memory', [null]],
  [(o) => new AGEMPlugin(o), { memory: memory(), sampleSize: 3, rng: rng() }, 'rng', [Math.random]],
  [(o) => new SGEMPlugin(o), { memory: memory(), rng: rng() }, 'memory', [5]],
  [(o) => new SGEMPlugin(o), { memory: memory(), rng: rng() }, 'rng', [5]],
  [(o) => new DERPlugin(o), { total: 9, batchSize: 3, alpha: 1, beta: 1, rng: rng() }, 'rng', [rng().state]],
  [(o) => new EWCPlugin(o), { lambda: 1, samples: 5, rng: rng() }, 'rng', [7]],
  [(o) => new MASPlugin(o), { lambda: 1, samples: 5, rng: rng() }, 'rng', [7]],
  [(o) => new ICaRLPlugin(o), { total: 9, features: (x: unknown) => x }, 'features', ['inputs']],
  [(o) => new EarlyStopping(o), { value: () => 0, patience: 1 }, 'value', [0.5]],
  [(o) => new EvaluationPlugin(o), { stream: [], every: 1 }, 'stream', [{}]],
  [({ stream }: never) => new CumulativePlugin(stream), { stream: [] }, 'stream', [{}]],
  [({ nets }: never) => new CloneLastPlugin(nets), {}, 'nets', [[]]],
  [(o) => jsonlLogger(o), { write: () => undefined }, 'write', [process.stdout]],
  [(o) => csvLogger(o), { write: () => undefined }, 'write', ['log.csv']],
];

test.each(cases.map((c, i) => [`${i}: ${c[2]}`, c] as const))('%s is refused', (_, [make, options, option, wrong]) => {
  for (const value of [undefined, ...wrong]) {
    const call = () => make({ ...options, [option]: value } as never);
    expect(call).toThrow(InvalidOptionError);
    expect(call).toThrow(`${option} is ${String(value)}; expected `);
  }
});

test.each([
  [{ record: null }, /record is null; expected one of none, violations, all/],
  [{ profile: 'avalanche', rng: 7 }, /rng is 7; expected an Rng/],
] as const)('GEMPlugin with %o is refused', (options, message) => {
  expect(() => new GEMPlugin({ patternsPerExperience: 5, ...options } as never)).toThrow(InvalidOptionError);
  expect(() => new GEMPlugin({ patternsPerExperience: 5, ...options } as never)).toThrow(message);
});
