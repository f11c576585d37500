// Every loss and its gradients against PyTorch in float64 (fixtures/make_losses.py): options, reductions, ignored and
// smoothed targets, extra axes, far logits, empty and all-ignored batches.

import { readFileSync } from 'node:fs';
import { type DType, type Tensor, tensor } from '@gemlab/tensor';
import { describe, expect, test } from 'vitest';
import { losses, type Variable, variable } from '../src/index.ts';

interface Packed {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: (number | string)[];
}
interface Case {
  readonly loss: keyof typeof losses;
  readonly inputs: Packed[];
  readonly options: Record<string, number | string | boolean | Packed>;
  readonly value: Packed;
  readonly gradients: (Packed | null)[];
}

const cases: Case[] = JSON.parse(readFileSync(new URL('fixtures/losses.json', import.meta.url), 'utf8'));

const unpack = ({ dtype, shape, data }: Packed): Tensor => tensor(data.map(Number), { dtype, shape });

/** The same shape and the same numbers, to 1e-13 of their size; nan is nan. */
function expectClose(found: Tensor, expected: Packed): void {
  expect(found.shape).toEqual(expected.shape);
  const wanted = expected.data.map(Number);
  (found.flatten().toArray() as number[]).forEach((x, i) => {
    const y = wanted[i]!;
    if (Number.isNaN(y)) expect(x).toBeNaN();
    else expect(Math.abs(x - y)).toBeLessThanOrEqual(1e-13 * Math.max(1, Math.abs(y)));
  });
}

const names = [...new Set(cases.map((c) => c.loss))];

test('every loss is there', () => {
  expect(names.toSorted()).toEqual(Object.keys(losses).toSorted());
});

describe.each(names)('%s', (name) => {
  const own = cases.filter((c) => c.loss === name);
  test(`in ${own.length} settings`, () => {
    for (const { inputs, options, value, gradients } of own) {
      const leaves = inputs.map((x, i) =>
        gradients[i] ? variable(unpack(x), { requiresGrad: true }) : i === 0 ? variable(unpack(x)) : unpack(x),
      );
      const given = Object.fromEntries(
        Object.entries(options).map(([key, x]) => [key, typeof x === 'object' ? unpack(x) : x]),
      );
      const loss = losses[name] as (...args: unknown[]) => Variable;
      const found = loss(...leaves, given);
      expectClose(found.value, value);
      if (!found.requiresGrad) continue;
      const w = tensor(
        value.data.map((_, i) => i + 1),
        { shape: value.shape, dtype: 'float64' },
      );
      found.backward(w);
      gradients.forEach((g, i) => {
        if (g) expectClose((leaves[i] as Variable).grad!.value, g);
      });
    }
  });
});
