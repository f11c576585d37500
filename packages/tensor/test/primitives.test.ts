// Every primitive on every device is held to its definition (laws/), on any strides, in buffers that held something else, and
// writes to none of its operands.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Device, devices, full, PRIMITIVES, type Primitive, scope } from '../src/index.ts';
import { specOf } from '../src/primitives.ts';
import type { Case } from './laws/case.ts';
import { laws } from './laws/index.ts';
import { expectModel, leavingUntouched } from './support/expect.ts';
import type { Model } from './support/model.ts';

const names = Object.keys(laws) as Primitive[];

/** Leaves used buffers of the result's size to be taken for it, and for a second one if a kernel wants that. */
function soil({ shape, dtype }: Model, device: Device): void {
  const dirt = dtype === 'bool' ? 1 : dtype === 'int32' ? -559038737 : Number.NaN;
  scope(() => {
    for (let i = 0; i < 2; i++) full(shape, dirt, { dtype, device });
  });
}

test('the register of laws is complete', () => {
  expect(names.toSorted()).toEqual([...PRIMITIVES].toSorted());
});

describe.each(devices)('%s', (device) => {
  test.each(names)('%s does what its definition says', (op) => {
    fc.assert(
      fc.property(laws[op] as fc.Arbitrary<Case>, ({ params, inputs, expected }) => {
        const operands = inputs.map((x) => x.on(device));
        soil(expected, device);
        const result = leavingUntouched(operands, () => operands[0]!.apply(op, params, operands));
        expectModel(result, expected);
        expect(specOf(op, params, operands)).toEqual({ shape: expected.shape, dtype: expected.dtype });
      }),
      { numRuns: 40 },
    );
  });
});
