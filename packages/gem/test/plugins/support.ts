// What the tests of plugins share: exact streams, gradients computed apart from the plugin under test, and a look at every step.

import { gradientsOf, type Samples, type Variable, variable } from '@gemlab/autograd';
import { concat } from '@gemlab/tensor';
import { expect } from 'vitest';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import type { Stream } from '../../src/streams/index.ts';
import { toyStream } from '../toy.ts';

/** The toy stream in float64. */
export const exactStream = (tasks: number, samples: number, seed = 0): Stream =>
  toyStream(tasks, samples, seed).map((e) => ({
    ...e,
    train: e.train.map((x) => x.cast('float64')),
    test: e.test.map((x) => x.cast('float64')),
  }));

/** What the optimizer would move by, as plain numbers; 0 where there is no gradient. */
export const gradients = ({ optimizer }: Strategy): number[] =>
  optimizer.parameters.flatMap(
    (p) => (p.grad?.value.reshape([-1]).toArray() as number[] | undefined) ?? new Array<number>(p.size).fill(0),
  );

/** The gradient of a loss by the optimizer's parameters, as plain numbers; stores nothing. */
export const gradientOf = (loss: Variable, { optimizer }: Strategy): number[] =>
  concat(gradientsOf(loss, optimizer.parameters).map((g) => g.value.reshape([-1]))).toArray() as number[];

/** The strategy's own loss on samples, on the tape. */
export const lossOn = ({ model, criterion }: Strategy, { inputs, targets }: Samples): Variable =>
  criterion(model.forward(variable(inputs)), targets);

/** Calls `look` in one callback, after the plugins listed before. */
export const watch = (
  callback: Exclude<keyof StrategyPlugin, 'name'>,
  look: (strategy: Strategy) => void,
): StrategyPlugin => ({ name: 'watch', [callback]: look });

export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
export const norm = (a: readonly number[]): number => Math.sqrt(dot(a, a));

/** Equal up to `tolerance` times the length of what is expected. */
export function expectClose(found: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  expect(found.length).toBe(expected.length);
  const distance = norm(found.map((x, i) => x - expected[i]!));
  expect(distance).toBeLessThanOrEqual(tolerance * Math.max(norm(expected), Number.MIN_VALUE));
}
