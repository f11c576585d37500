// The transpose by vectors against two loops, over all small shapes, and what lies around it untouched.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createWorkspace } from '../src/backends/cpu/module.ts';
import { compileTranspose } from '../src/backends/cpu/transpose.ts';

test.each(['float32', 'float64'] as const)('%s: has the elements of x, rows and columns exchanged', (dtype) => {
  const { memory, reserve } = createWorkspace()!;
  reserve(1 << 18);
  const transpose = compileTranspose(memory, dtype)!;
  const bytes = dtype === 'float32' ? 4 : 8;
  const size = fc.integer({ min: 0, max: 70 });
  fc.assert(
    fc.property(size, size, fc.nat(5), fc.nat(5), (rows, columns, apart, more) => {
      const numbers = dtype === 'float32' ? new Float32Array(memory.buffer) : new Float64Array(memory.buffer);
      numbers.fill(-1);
      const [x, out, xRow, outRow] = [5, 8_001, columns + apart, rows + more];
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) numbers[x + i * xRow + j] = i * 1000 + j;
      const before = numbers.slice();
      transpose(rows, columns, bytes * x, bytes * xRow, bytes * out, bytes * outRow);
      const end = out + columns * outRow;
      for (let j = 0; j < columns; j++) {
        for (let i = 0; i < rows; i++) before[out + j * outRow + i] = i * 1000 + j;
        // Between the rows of the result anything may stand.
        for (let i = rows; i < outRow; i++) before[out + j * outRow + i] = numbers[out + j * outRow + i]!;
      }
      for (let i = end; i < end + 12 / bytes; i++) before[i] = numbers[i]!;
      expect(Buffer.from(numbers.buffer).equals(Buffer.from(before.buffer))).toBe(true);
    }),
    { numRuns: 60 },
  );
});
