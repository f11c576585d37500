// The details of a record: consistent with what can be computed apart from the plugin, taken when they are due, and without a trace.

import { losses, nn, optim } from '@gemlab/autograd';
import { Rng } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import type { StepRecord } from '../../src/step-record.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';
import { exactStream, expectClose, lossOn, norm } from './support.ts';

const collector = (plugin: GEMPlugin, records: StepRecord[]): StrategyPlugin => ({
  name: 'collector',
  afterTrainingIteration: () => {
    if (plugin.lastRecord !== null) records.push(plugin.lastRecord);
  },
});

async function recordsOf(options: Partial<GEMOptions>): Promise<StepRecord[]> {
  const records: StepRecord[] = [];
  const plugin = new GEMPlugin({ patternsPerExperience: 10, memoryStrength: 0, ...options });
  const strategy = toyStrategy({ plugins: [plugin, collector(plugin, records)], dtype: 'float64' });
  await strategy.train(exactStream(3, 40));
  return records;
}

describe('when', () => {
  test.each([
    ['none', () => false],
    ['all', () => true],
    ['violations', (r: StepRecord) => r.violated.length > 0],
    [{ every: 3 }, (r: StepRecord) => r.step % 3 === 0],
  ] as const)('record: %o', async (record, due) => {
    const records = await recordsOf({ record });
    expect(records.map((r) => r.details !== null)).toEqual(records.map(due));
    expect(records.map((r) => r.gram !== null)).toEqual(records.map((r) => due(r) || r.projection !== null));
    expect(JSON.parse(JSON.stringify(records))).toEqual(records);
    const some = records.filter((r) => r.projection !== null).length;
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(records.length);
  });

  test.each([
    [{ record: 'often' as 'all' }, /record is often; expected one of none, violations, all/],
    [{ record: { every: 0 } }, /record.every is 0/],
    [{ project: 'both' as 'update' }, /project is both; expected one of gradient, update/],
  ])('%o is refused', (options, message) => {
    expect(() => new GEMPlugin({ patternsPerExperience: 5, ...options })).toThrow(message);
  });
});

describe('what', () => {
  test("the parameters' shares add up to the step's dots and norms", async () => {
    const names = [...new nn.MLP([2, 8, 2], { rng: new Rng(0) }).namedParameters()].map(([name]) => name);
    for (const { dots, gradientNorm, gram, details } of await recordsOf({ record: 'all' })) {
      const { layers } = details!;
      expect(layers.map(({ name }) => name)).toEqual(names);
      dots.forEach((d, k) => {
        const shares = layers.map((layer) => layer.dots[k]!);
        expectClose([shares.reduce((a, b) => a + b)], [d], 1e-9);
        expect(norm(layers.map((layer) => layer.memoryNorms[k]!)) ** 2).toBeCloseTo(gram![k]![k]!, 9);
      });
      expect(norm(layers.map((layer) => layer.norm))).toBeCloseTo(gradientNorm, 9);
      for (const layer of layers) {
        layer.cosines.forEach((cos, k) => {
          if (cos !== null) expect(cos * layer.norm * layer.memoryNorms[k]!).toBeCloseTo(layer.dots[k]!, 9);
        });
      }
    }
  });

  test('the actual change is that of the losses, and the realised dots predict it for small steps', async () => {
    const plugin = new GEMPlugin({ patternsPerExperience: 10, memoryStrength: 0, record: 'all', actualChange: true });
    const base = toyStrategy({ dtype: 'float64' });
    let before: number[] = [];
    let checked = 0;
    const lossesNow = (s: Strategy) =>
      plugin.lastRecord?.tasks.map((k) => lossOn(s, plugin.memory.batch(k)).item() as number) ?? [];
    const watch: StrategyPlugin = {
      name: 'watch',
      beforeUpdate: (s) => {
        before = lossesNow(s);
      },
      afterUpdate: (s) => {
        const record = plugin.lastRecord;
        if (record === null) return;
        expectClose(record.memoryLosses as number[], before, 1e-12);
        const change = lossesNow(s).map((loss, k) => loss - before[k]!);
        const { actualChange, realised, updateNorm } = record.details!;
        change.forEach((c, k) => {
          expect(actualChange![k]!).toBeCloseTo(c, 13);
          // What is left is second order in the step.
          expect(Math.abs(c - realised[k]!)).toBeLessThanOrEqual(10 * updateNorm ** 2);
        });
        checked++;
      },
    };
    const optimizer = new optim.SGD(base.model.parameters(), { lr: 1e-3 });
    const strategy = toyStrategy({ model: base.model, optimizer, plugins: [plugin, watch] });
    await strategy.train(exactStream(3, 30));
    expect(checked).toBe(12);
  });

  test('looking changes nothing: weights, running statistics, generators', async () => {
    const run = async (options: Partial<GEMOptions>) => {
      const rng = new Rng(1);
      const bn = new nn.BatchNorm1d(8);
      const dropout = new nn.Dropout(0.3, { rng: rng.foldIn(1) });
      const model = new nn.Sequential(new nn.Linear(2, 8, { rng }), bn, dropout, new nn.Linear(8, 2, { rng }));
      const strategy = new Strategy({
        model,
        optimizer: new optim.Adam(model.parameters(), { lr: 0.01 }),
        loss: losses.crossEntropy,
        plugins: [new GEMPlugin({ patternsPerExperience: 10, ...options })],
        trainBatchSize: 5,
        rng,
      });
      await strategy.train(toyStream(3, 20));
      return [weights(strategy), bn.runningMean!.value.toArray(), bn.runningVar!.value.toArray(), rng.state];
    };
    for (const batchNorm of ['update', 'restored', 'frozen'] as const) {
      const plain = await run({ record: 'none', batchNorm });
      expect(await run({ record: 'all', actualChange: true, batchNorm })).toEqual(plain);
    }
  });
});
