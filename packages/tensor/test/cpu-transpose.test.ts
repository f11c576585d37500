// The transpose by vectors against two loops, over all small shapes, and what lies around it untouched.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createWorkspace } from '../src/backends/cpu/module.ts';
import { compileTranspose } from '../src/backends/cpu/transpose.ts';

test('has the elements of x, rows and columns exchanged', () => {
  const { memory, reserve } = createWorkspace()!;
  reserve(1 << 18);
  const transpose = compileTranspose(memory)!;
  const size = fc.integer({ min: 0, max: 70 });
  fc.assert(
    fc.property(size, size, fc.nat(5), fc.nat(3), (rows, columns, apart, more) => {
      const floats = new Float32Array(memory.buffer);
      floats.fill(-1);
      const [x, out, xRow, outRow] = [5, 30_001, columns + apart, 4 * Math.ceil(rows / 4) + more];
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) floats[x + i * xRow + j] = i * 1000 + j;
      const before = floats.slice();
      transpose(rows, columns, 4 * x, 4 * xRow, 4 * out, 4 * outRow);
      for (let j = 0; j < columns; j++) {
        for (let i = 0; i < rows; i++) before[out + j * outRow + i] = i * 1000 + j;
        // Behind a row, whole vectors repeat the last row of x.
        for (let i = rows; i < 4 * Math.ceil(rows / 4); i++) before[out + j * outRow + i] = (rows - 1) * 1000 + j;
      }
      expect(Buffer.from(floats.buffer).equals(Buffer.from(before.buffer))).toBe(true);
    }),
    { numRuns: 200 },
  );
});
