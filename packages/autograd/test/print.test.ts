// A variable as text: its tensor's, under its own name.

import { inspect } from 'node:util';
import { PrintOptionError, tensor, zeros } from '@gemlab/tensor';
import { expect, test } from 'vitest';
import { variable } from '../src/index.ts';

test('prints its value, and whether it is a leaf that wants a gradient or the result of an op', () => {
  const x = tensor([1.5, 2]);
  expect(String(variable(x))).toBe('variable([1.5, 2. ])');
  expect(String(variable(x, { requiresGrad: true }))).toBe('variable([1.5, 2. ], requiresGrad=true)');
  expect(String(variable(x, { requiresGrad: true }).square())).toBe('variable([2.25, 4.  ], op=mul)');
  expect(inspect(variable(tensor(3, { dtype: 'float64' })))).toBe('variable(3., dtype=float64)');
});

test('takes the options of printing', () => {
  const x = variable(
    tensor([
      [1 / 3, 2],
      [3, 4],
      [5, 6],
    ]),
    { requiresGrad: true },
  );
  expect(x.toString({ precision: 2, threshold: 2, edgeItems: 1 })).toBe(
    ['variable([[0.33, 2.  ],', '          ...,', '          [5.  , 6.  ]], requiresGrad=true)'].join('\n'),
  );
  expect(() => x.toString({ edgeItems: 0 })).toThrow(PrintOptionError);
});

test('further lines stand under the first', () => {
  expect(`${variable(zeros([2, 2, 1]), { requiresGrad: true })}`).toBe(
    ['variable([[[0.],', '           [0.]],', '', '          [[0.],', '           [0.]]], requiresGrad=true)'].join(
      '\n',
    ),
  );
});
