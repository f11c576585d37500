// Learning without forgetting: the distillation term against its formula in plain numbers.

import { nn, optim, variable } from '@gemlab/autograd';
import { Rng, type Tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { LwFPlugin } from '../../src/plugins/lwf.ts';
import type { Strategy } from '../../src/strategy/strategy.ts';
import { type Stream, streamOf } from '../../src/streams/index.ts';
import { toyStrategy, weights } from '../toy.ts';
import { exactStream, expectClose, watch } from './support.ts';

type Rows = readonly (readonly number[])[];
const rows = (x: Tensor) => x.toArray() as number[][];

/** y^(1/T) / sum_c y^(1/T), as eq. 3 has it: from probabilities, not from logits. */
function recorded(logits: readonly number[], T: number): number[] {
  const e = logits.map(Math.exp);
  const total = e.reduce((a, b) => a + b);
  const roots = e.map((v) => (v / total) ** (1 / T));
  const norm = roots.reduce((a, b) => a + b);
  return roots.map((r) => r / norm);
}
/** - sum_c y'_o,c log y'_c, averaged over rows (eq. 2). */
const distillation = (old: Rows, now: Rows, T: number): number =>
  now.reduce((sum, z, i) => {
    const [y, yo] = [recorded(z, T), recorded(old[i]!, T)];
    return sum - yo.reduce((inner, p, c) => inner + p * Math.log(y[c]!), 0);
  }, 0) / now.length;

/** The part of the loss that the plugin added, step by step, and what the formula says. */
async function terms(
  stream: Stream,
  model: nn.Module,
  { lambda, T, classes }: { lambda: number; T: number; classes: (label: number) => readonly number[] },
) {
  const found: number[] = [];
  const expected: number[] = [];
  let before = 0;
  let old: [label: number, logits: Rows][] = [];
  const met: number[] = [];
  const pick = (logits: Rows, label: number): Rows => logits.map((row) => classes(label).map((c) => row[c]!));
  const ask = ({ model: m }: Strategy, inputs: Tensor, label: number) => rows(m.forward(variable(inputs), label).value);
  const plugin = new LwFPlugin({ lambda, temperature: T });
  const strategy = toyStrategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.2 }),
    trainEpochs: 2,
    plugins: [
      watch('beforeTrainingExp', (s) => {
        old = met.map((label) => [label, ask(s, s.dataset!.range(0, s.dataset!.length).inputs, label)]);
      }),
      watch('beforeBackward', (s) => {
        before = s.loss!.item() as number;
      }),
      plugin,
      watch('beforeBackward', (s) => {
        found.push((s.loss!.item() as number) - before);
        const at = s.indices!.toArray() as number[];
        expected.push(
          old.reduce(
            (sum, [label, logits]) =>
              sum +
              lambda *
                distillation(
                  pick(
                    at.map((i) => logits[i]!),
                    label,
                  ),
                  pick(ask(s, s.batch!.inputs, label), label),
                  T,
                ),
            0,
          ),
        );
      }),
      watch('afterTrainingExp', (s) => {
        if (!met.includes(s.experience!.taskLabel)) met.push(s.experience!.taskLabel);
      }),
    ],
  });
  await strategy.train(stream);
  return { found, expected };
}

const mlp = (outputs: number) => new nn.MLP([2, 8, outputs], { rng: new Rng(3), dtype: 'float64' });

describe('the distillation term', () => {
  test.each([1, 2, 5])('is the formula at temperature %d, with one output layer', async (T) => {
    const { found, expected } = await terms(exactStream(3, 20), mlp(2), { lambda: 1.5, T, classes: () => [0, 1] });
    expectClose(found, expected, 1e-13);
    expect(found.slice(0, 8)).toEqual(new Array(8).fill(0));
    expect(Math.min(...found.slice(8))).toBeGreaterThan(0.1);
  });

  test('asks the heads of all past tasks about the samples of the new one', async () => {
    const stream = streamOf(exactStream(3, 20).map((e) => ({ ...e, taskLabel: e.index })));
    const model = new nn.Sequential(
      new nn.MLP([2, 6], { rng: new Rng(0), dtype: 'float64' }),
      new nn.ReLU(),
      new nn.MultiHead([1, 2, 3].map((seed) => new nn.Linear(6, 2, { rng: new Rng(seed), dtype: 'float64' }))),
    );
    const { found, expected } = await terms(stream, model, { lambda: 1, T: 2, classes: () => [0, 1] });
    expectClose(found, expected, 1e-13);
    // Two old heads add two terms.
    expect(found.at(-1)!).toBeGreaterThan(1.2 * found[8]!);
  });

  test('counts only the classes met before', async () => {
    const stream = exactStream(2, 20).map((e, t) => ({ ...e, train: e.train.withTargets(e.train.targets.add(2 * t)) }));
    const { found, expected } = await terms(stream, mlp(4), { lambda: 1, T: 2, classes: () => [0, 1] });
    expectClose(found, expected, 1e-13);
  });
});

test('with lambda = 0, or on the first task, training is plain', async () => {
  const stream = exactStream(2, 20);
  const [zero, plain] = [
    toyStrategy({ plugins: [new LwFPlugin({ lambda: 0 })], dtype: 'float64' }),
    toyStrategy({ dtype: 'float64' }),
  ];
  for (const s of [zero, plain]) await s.train(stream);
  expect(weights(zero)).toEqual(weights(plain));
});

test.each([
  [{ lambda: -1 }, /lambda is -1/],
  [{ temperature: 0 }, /temperature is 0; expected a finite number > 0/],
])('%o is refused', (options, message) => {
  expect(() => new LwFPlugin(options)).toThrow(message);
});
