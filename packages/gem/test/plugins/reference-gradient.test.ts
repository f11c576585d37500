// A-GEM and S-GEM: one constraint in each step, and it holds.

import { Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { EpisodicMemory } from '../../src/memory/index.ts';
import { AGEMPlugin } from '../../src/plugins/agem.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import type { ReferenceRecord } from '../../src/plugins/reference-gradient.ts';
import type { TaskSamples } from '../../src/plugins/remember.ts';
import { SGEMPlugin } from '../../src/plugins/sgem.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';
import { dot, exactStream, expectClose, gradientOf, gradients, lossOn, norm, watch } from './support.ts';

const ring = (n: number) => new EpisodicMemory<TaskSamples>(n);
const agem = (sampleSize = 1000, n = 10) => new AGEMPlugin({ memory: ring(n), sampleSize, rng: new Rng(3) });
const sgem = (n = 10) => new SGEMPlugin({ memory: ring(n), rng: new Rng(3) });
const collect = (plugin: AGEMPlugin | SGEMPlugin, records: (ReferenceRecord | null)[]): StrategyPlugin =>
  watch('afterTrainingIteration', () => void records.push(plugin.lastRecord));

describe.each([
  ['A-GEM', agem],
  ['S-GEM', sgem],
] as const)('%s', (_, make) => {
  test('the gradient that reaches the optimizer does not oppose the reference, is nearest to g, and is g if g does not', async () => {
    const plugin = make();
    let [projected, plain] = [0, 0];
    let g: number[] = [];
    const before = watch('afterBackward', (s) => {
      g = gradients(s);
    });
    const audit = watch('beforeUpdate', (s) => {
      const record = plugin.lastRecord;
      if (record === null) return expect(gradients(s)).toEqual(g);
      const z = gradients(s);
      // All of the memory of those tasks: A-GEM's sample size is larger than that.
      const samples = record.tasks.map((k) => plugin.memory.batch(k));
      const weight = (k: number) => samples[k]!.targets.size / record.samples;
      const parts = samples.map((batch) => gradientOf(lossOn(s, batch), s));
      const reference = g.map((_x, i) => parts.reduce((sum, part, k) => sum + weight(k) * part[i]!, 0));
      expectClose([record.dot], [dot(g, reference)], 1e-12);
      expect(dot(z, reference)).toBeGreaterThanOrEqual(-1e-13 * norm(z) * norm(reference));
      if (record.projected) {
        projected++;
        // z = g + v g_ref with v >= 0, and z is orthogonal to g_ref: the KKT conditions of the nearest point.
        expect(record.v).toBeGreaterThan(0);
        expectClose(
          z,
          g.map((x, i) => x + record.v * reference[i]!),
          1e-11,
        );
        expect(Math.abs(dot(z, reference))).toBeLessThan(1e-12 * norm(g) * norm(reference));
      } else {
        plain++;
        expect(z).toEqual(g);
      }
    });
    await toyStrategy({ plugins: [before, plugin, audit], dtype: 'float64' }).train(exactStream(4, 60));
    expect(projected).toBeGreaterThan(3);
    expect(plain).toBeGreaterThan(3);
  });

  test('with one past task, and all of its memory, is GEM', async () => {
    // Tasks whose axes are 120 degrees apart: they contradict each other.
    const [first, , second] = exactStream(3, 60);
    const stream = [first!, second!];
    const gem = new GEMPlugin({ patternsPerExperience: 10, memoryStrength: 0 });
    const [one, reference] = [
      toyStrategy({ plugins: [make()], dtype: 'float64' }),
      toyStrategy({ plugins: [gem], dtype: 'float64' }),
    ];
    for (const s of [one, reference]) await s.train(stream);
    expectClose(weights(one), weights(reference), 1e-10);
    const plain = toyStrategy({ dtype: 'float64' });
    await plain.train(stream);
    expect(norm(weights(plain).map((x, i) => x - weights(reference)[i]!))).toBeGreaterThan(1e-3);
  });

  test('records are plain JSON, of every step that has a past', async () => {
    const plugin = make();
    const records: (ReferenceRecord | null)[] = [];
    await toyStrategy({ plugins: [plugin, collect(plugin, records)] }).train(toyStream(3, 20));
    expect(records.slice(0, 4)).toEqual([null, null, null, null]);
    const kept = records.slice(4) as ReferenceRecord[];
    expect(JSON.parse(JSON.stringify(kept))).toEqual(kept);
    expect(kept.map((r) => r.step)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    for (const r of kept) {
      expect(r.projected).toBe(r.dot < 0);
      expect(r.tasks.every((k) => k < r.experience)).toBe(true);
      expect(r.dotAfter).toBeGreaterThan(-1e-6 * Math.abs(r.dot) - 1e-300);
    }
  });

  test('leaves no gradient behind, and wants tasks apart', async () => {
    const seen: boolean[] = [];
    const look = watch('beforeForward', (s) => void seen.push(s.model.parameters().every((p) => p.grad === null)));
    await toyStrategy({ plugins: [make(), look] }).train(toyStream(2, 10));
    expect(seen).toEqual([true, true, true, true]);
    const mixed = new EpisodicMemory<TaskSamples>(5, 'ring', { by: 'class' });
    expect(() => new AGEMPlugin({ memory: mixed, sampleSize: 5, rng: new Rng(0) })).toThrow(/memory.by is class/);
    expect(() => new SGEMPlugin({ memory: mixed, rng: new Rng(0) })).toThrow(/memory.by is class/);
  });
});

test('A-GEM draws as many samples as it is told, from all past tasks alike', async () => {
  const plugin = agem(6, 10);
  const records: (ReferenceRecord | null)[] = [];
  await toyStrategy({ plugins: [plugin, collect(plugin, records)] }).train(toyStream(3, 20));
  expect(records.flatMap((r) => r?.samples ?? [])).toEqual(new Array(8).fill(6));
  expect(records.at(-1)!.tasks).toEqual([0, 1]);
  expect(() => agem(0)).toThrow(/sampleSize is 0/);
});

test('S-GEM draws every past task alike', async () => {
  const plugin = sgem(2);
  const records: (ReferenceRecord | null)[] = [];
  const strategy = toyStrategy({ plugins: [plugin, collect(plugin, records)], trainBatchSize: 2 });
  await strategy.train(toyStream(4, 400));
  const last = records.slice(-200).map((r) => r!.tasks);
  expect(last.every((tasks) => tasks.length === 1)).toBe(true);
  const counts = [0, 1, 2].map((k) => last.filter(([task]) => task === k).length);
  // chi2 with 2 degrees of freedom: P(chi2 >= x) = e^(-x/2), less than one in a million.
  const chi2 = counts.reduce((sum, c) => sum + (c - 200 / 3) ** 2 / (200 / 3), 0);
  expect(chi2).toBeLessThan(28);
});
