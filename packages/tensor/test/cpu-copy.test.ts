// Copies of transposed matrices, which vectors make in the heap, against the reference's.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rng, randn, scope, type Tensor } from '../src/index.ts';

test('a copy of any transposed view has its elements', () => {
  const size = fc.integer({ min: 0, max: 40 });
  fc.assert(
    fc.property(size, size, fc.nat(3), fc.constantFrom('float32', 'float64'), (m, n, skip, dtype) =>
      scope(() => {
        const x = randn([m + skip, n + skip], new Rng(m + 50 * n)).cast(dtype as 'float32');
        const views: ((t: Tensor) => Tensor)[] = [
          (t) => t.transpose(),
          (t) => t.slice([skip], [0, n]).transpose(),
          (t) => t.transpose().slice([0, n], [skip]),
          (t) => t.reshape([1, m + skip, n + skip]).permute([2, 0, 1]),
          (t) => t.transpose().flip(0),
        ];
        for (const view of views) {
          const copy = view(x).copy();
          expect(copy.isContiguous).toBe(true);
          expect(copy.dataSync()).toEqual(view(x.to('reference')).copy().dataSync());
        }
      }),
    ),
    { numRuns: 60 },
  );
});
