// What property tests draw: a shape, a way of looking at a tensor, and a generator for everything that depends on those.

import { Rng, rand, randn, type Shape, type Tensor, tensor } from '@gemlab/tensor';
import fc from 'fast-check';
import type { Variable } from '../src/index.ts';

/** Ways to look at a tensor, so that what is checked does not only ever see a plain row-major array. */
const looks: readonly ((x: Variable) => Variable)[] = [
  (x) => x,
  (x) => x.permute(x.shape.map((_, i) => i).reverse()),
  (x) => x.flip(),
  (x) => x.slice(...x.shape.map(() => [null, null, 2] as const)),
  (x) => x.expand([2, ...x.shape]),
  (x) => x.expand([2, ...x.shape]).transpose(0, x.rank),
];

export class Draw {
  readonly shape: Shape;
  readonly look: (x: Variable) => Variable;
  readonly rng: Rng;

  constructor(shape: Shape, look: (x: Variable) => Variable, seed: number) {
    this.shape = shape;
    this.look = look;
    this.rng = new Rng(seed);
  }

  /** An integer of [low, high]. */
  integer(low: number, high: number): number {
    return this.rng.integers(1, low, high + 1)[0]!;
  }

  coin(): boolean {
    return this.integer(0, 1) === 1;
  }

  normal(shape: Shape = this.shape): Tensor {
    return randn(shape, this.rng, { dtype: 'float64' });
  }

  within(low: number, high: number, shape: Shape = this.shape): Tensor {
    return rand(shape, this.rng, { low, high, dtype: 'float64' });
  }

  /** Integers of [low, high], as float64 unless told otherwise. */
  integers(low: number, high: number, shape: Shape = this.shape, dtype: 'float64' | 'int32' = 'float64'): Tensor {
    return tensor(this.rng.integers(size(shape), low, high + 1), { shape, dtype });
  }

  /** Multiples of 1/4 plus `offset`, all different. */
  distinct(shape: Shape = this.shape, offset = 0): Tensor {
    const n = size(shape);
    return tensor(Float64Array.from(this.rng.permutation(n)), { shape })
      .sub(n >> 1)
      .mul(0.25)
      .add(offset);
  }

  /** A random shape that broadcasts to `shape`: some axes 1, some leading ones missing. */
  broadcastable(shape: Shape): Shape {
    return shape.slice(this.integer(0, shape.length)).map((d) => (this.coin() ? 1 : d));
  }

  /** Some of the items. */
  some<T>(items: readonly T[]): T[] {
    return items.filter(() => this.coin());
  }
}

const size = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

/** Shapes of up to three axes of 0 to 3. */
export const draws: fc.Arbitrary<Draw> = fc
  .record({
    shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    look: fc.nat({ max: looks.length - 1 }),
    seed: fc.nat(),
  })
  .map(({ shape, look, seed }) => new Draw(shape, looks[look]!, seed));
