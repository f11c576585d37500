// The learning curve and its area, beside the definition written out, and as the plugin measures them.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { learningCurve, learningCurveArea, MetricError, MetricInputError } from '../../src/metrics/index.ts';
import { LearningCurvePlugin } from '../../src/plugins/learning-curve.ts';
import { measure } from '../../src/plugins/measure.ts';
import { memoryStore, readRun, resumeRun, startRun } from '../../src/run/index.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import { build, type Config, config, contents } from '../run/experiment.ts';
import { toyStrategy, toyStream, weights } from '../toy.ts';

const accuracy = fc.double({ min: 0, max: 1, noNaN: true });

describe('learningCurveArea', () => {
  test('by hand: two tasks, beta 2', () => {
    const curves = [
      [0.1, 0.5, 0.9, 1],
      [0.3, 0.3, 0.6],
    ];
    const rounded = learningCurve(curves, 2).map((z) => Number(z.toFixed(12)));
    expect(rounded).toEqual([0.2, 0.4, 0.75]);
    expect(learningCurveArea(curves, 2)).toBeCloseTo((0.2 + 0.4 + 0.75) / 3, 14);
    expect(learningCurveArea(curves, 0)).toBeCloseTo(0.2, 14);
  });

  test('is the mean over all tasks and batches up to beta, in whatever order, and lies between the extremes', () => {
    const inputs = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(6)).chain(([tasks, beta]) =>
      fc.tuple(
        fc.array(fc.array(accuracy, { minLength: beta + 1, maxLength: beta + 3 }), {
          minLength: tasks,
          maxLength: tasks,
        }),
        fc.constant(beta),
      ),
    );
    fc.assert(
      fc.property(inputs, ([curves, beta]) => {
        const seen = curves.flatMap((curve) => curve.slice(0, beta + 1));
        const mean = seen.reduce((a, b) => a + b, 0) / seen.length;
        const area = learningCurveArea(curves, beta);
        expect(area).toBeCloseTo(mean, 12);
        expect(learningCurveArea(curves.toReversed(), beta)).toBeCloseTo(area, 12);
        expect(area).toBeGreaterThanOrEqual(Math.min(...seen) - 1e-12);
        expect(area).toBeLessThanOrEqual(Math.max(...seen) + 1e-12);
      }),
    );
  });

  test('says what is missing or wrong', () => {
    expect(() => learningCurveArea([[0.1, 0.2], [0.3]], 2)).toThrow(MetricError);
    expect(() => learningCurveArea([[0.1, 0.2], [0.3]], 2)).toThrow(
      'not measured yet: curves[0][2], curves[1][1], curves[1][2] (curves[k][b]: accuracy on task k after b batches of it)',
    );
    for (const [curves, beta, message] of [
      [[], 1, /curves is an array of 0; expected a curve for each task/],
      [[[0.5]], -1, /beta is -1/],
      [[[0.5]], 0.5, /beta is 0.5/],
      [[[0.5], [0.1, 2]], 0, /curves\[1\]\[1\] is 2/],
      [[[Number.NaN]], 0, /curves\[0\]\[0\] is NaN/],
    ] as const) {
      expect(() => learningCurveArea(curves, beta)).toThrow(MetricInputError);
      expect(() => learningCurveArea(curves, beta)).toThrow(message);
    }
  });
});

describe('LearningCurvePlugin', () => {
  const watched = (c: Config, plugin: LearningCurvePlugin) => {
    const experiment = build(c);
    Object.assign(experiment.strategy, { plugins: [...experiment.strategy.plugins, plugin] });
    return experiment;
  };

  test('has the accuracy on the current task before it and after each of its first batches, over epochs', async () => {
    const plugin = new LearningCurvePlugin({ beta: 3 });
    const stream = toyStream(2, 10);
    const seen: number[] = [];
    const look = (s: Strategy) => void seen.push(measure(s, s.experience!.test).accuracy);
    const strategy = toyStrategy({
      plugins: [{ name: 'look', beforeTrainingExp: look, afterTrainingIteration: look }, plugin],
      trainEpochs: 3,
    });
    await strategy.train(stream);
    // Six batches of each task: the first three are in the curve.
    expect(plugin.curves).toEqual([seen.slice(0, 4), seen.slice(7, 11)]);
    expect(plugin.lca()).toBe(learningCurveArea(plugin.curves, 3));
    expect(plugin.lca(1)).toBe(learningCurveArea(plugin.curves, 1));
    expect(() => plugin.lca(4)).toThrow(MetricError);
  });

  test('changes nothing, and a run that was stopped has the same curves', async () => {
    const plain = build(config);
    await runStream(plain.strategy, plain.stream);
    const plugin = new LearningCurvePlugin({ beta: 4 });
    const { strategy, stream } = watched(config, plugin);
    await runStream(strategy, stream);
    expect(weights(strategy)).toEqual(weights(plain.strategy));

    const whole = memoryStore();
    const curves: (readonly (readonly number[])[])[] = [];
    const watching = (c: Config) => {
      const own = new LearningCurvePlugin({ beta: 4 });
      const experiment = watched(c, own);
      const end = { name: 'end', afterTraining: () => void curves.push(own.curves) };
      Object.assign(experiment.strategy, { plugins: [...experiment.strategy.plugins, end] });
      return experiment;
    };
    await startRun(whole, { config, build: watching, checkpointEvery: 2, keep: 'all' });
    expect(curves.at(-1)).toEqual(plugin.curves);
    const { checkpoints, records } = await readRun(whole);
    const looks = records.flatMap((line) => (line.kind === 'step' ? (line.plugins['learning-curve'] ?? []) : []));
    expect(looks).toHaveLength(config.tasks * 4);
    for (let left = 1; left < checkpoints.length; left += 4) {
      const store = memoryStore();
      for (const name of await whole.list()) await store.write(name, (await whole.read(name))!);
      for (const { file } of checkpoints.slice(left)) await store.remove(file);
      await resumeRun(store, { build: watching, useOlder: true });
      expect(await contents(store)).toEqual(await contents(whole));
      expect(curves.at(-1)).toEqual(plugin.curves);
    }
  });

  test.each([0, -1, 1.5])('beta = %s is refused by name', (beta) => {
    expect(() => new LearningCurvePlugin({ beta })).toThrow(/beta is/);
  });
});
