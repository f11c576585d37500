// Random tensors for properties: any strides (permuted, stepped, reversed, repeated, with an offset) over values that like to
// be special. A sample knows its model by the definition of a view, so no op of the library is needed to make it.

import fc from 'fast-check';
import { backendOf } from '../../src/device.ts';
import { arrayType } from '../../src/dtype.ts';
import { type Device, type DType, Tensor } from '../../src/index.ts';
import { type Model, tabulate } from './model.ts';

// Shrinking what fc.gen() drew can go on without end: a case that fails is reported as small as it got by then.
fc.configureGlobal({ ...fc.readConfigureGlobal(), interruptAfterTimeLimit: 15_000 });

/** How the axes of a sample lie in its storage. */
interface Layout {
  /** Slowest axis first. */
  readonly order: readonly number[];
  readonly steps: readonly number[];
  readonly reversed: readonly boolean[];
  readonly repeated: readonly boolean[];
  readonly margin: number;
}

export class Sample {
  readonly model: Model;
  readonly #memory: readonly number[];
  readonly #view: { shape: readonly number[]; strides: readonly number[]; offset: number };

  constructor(dtype: DType, shape: readonly number[], layout: Layout, element: (i: number) => number) {
    const strides = shape.map(() => 0);
    let extent = 1;
    let offset = layout.margin;
    for (const axis of layout.order.toReversed()) {
      if (layout.repeated[axis]) continue;
      const stride = extent * layout.steps[axis]!;
      strides[axis] = layout.reversed[axis] ? -stride : stride;
      if (layout.reversed[axis]) offset += stride * Math.max(0, shape[axis]! - 1);
      extent *= Math.max(1, shape[axis]!) * layout.steps[axis]!;
    }
    this.#memory = Array.from({ length: extent + 2 * layout.margin }, (_, i) => element(i));
    this.#view = { shape, strides, offset };
    this.model = tabulate(
      shape,
      dtype,
      (index) => this.#memory[index.reduce((p, i, axis) => p + i * strides[axis]!, offset)]!,
    );
  }

  on(device: Device): Tensor {
    const { dtype } = this.model;
    const backend = backendOf(device);
    return new Tensor(backend, backend.upload(arrayType(dtype).from(this.#memory), dtype), this.#view);
  }

  [fc.toStringMethod](): string {
    const { shape, strides, offset } = this.#view;
    return `${this.model.dtype} [${shape}] strides [${strides}] offset ${offset} over [${this.#memory}]`;
  }
}

const SPECIAL: Record<DType, number[]> = {
  float64: [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, NaN, Infinity, -Infinity, 5e-324, 1e-300, 1e300, 2 ** 31, 2 ** 53],
  float32: [
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    NaN,
    Infinity,
    -Infinity,
    2 ** -149,
    1e-38,
    1e38,
    2 ** 31,
    2 ** 24,
  ].map(Math.fround),
  int32: [0, 1, -1, 2, -2, 3, 31, 2 ** 31 - 1, -(2 ** 31), 65536, -65536, 46341],
  bool: [0, 1],
};

// Integers are drawn below this in absolute value: a device may hold fewer of them than int32 has.
let integers = 2 ** 31 + 1;

/** Runs `body`, in which all integers drawn are below `limit` in absolute value. */
export async function withIntegersBelow<T>(limit: number, body: () => Promise<T>): Promise<T> {
  const before = integers;
  integers = limit;
  try {
    return await body();
  } finally {
    integers = before;
  }
}

/** Any value of a dtype, the special ones often. */
export function anyValue(dtype: DType): fc.Arbitrary<number> {
  const special = fc.constantFrom(...SPECIAL[dtype].filter((v) => dtype !== 'int32' || Math.abs(v) < integers));
  switch (dtype) {
    case 'float64':
      return fc.oneof(special, fc.double());
    case 'float32':
      return fc.oneof(special, fc.float());
    case 'int32':
      return fc.oneof(
        special,
        fc.integer({ min: 1 - integers, max: Math.min(integers - 1, 2 ** 31 - 1) }),
        fc.integer({ min: -9, max: 9 }),
      );
    case 'bool':
      return special;
  }
}

/** Values of ordinary size, for laws about rounding. */
export function tameValue(dtype: DType): fc.Arbitrary<number> {
  const number = fc.double({ min: -100, max: 100, noNaN: true });
  return dtype === 'float64' ? number : dtype === 'float32' ? number.map(Math.fround) : anyValue(dtype);
}

export const dtypes: readonly DType[] = ['bool', 'int32', 'float32', 'float64'];
export const numeric: readonly DType[] = ['int32', 'float32', 'float64'];
export const floats: readonly DType[] = ['float32', 'float64'];

/** Sizes of axes: small, sometimes 0. */
export const sizes = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1, max: 4 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);

export function shapes(minRank = 0, maxRank = 4): fc.Arbitrary<number[]> {
  return fc.array(sizes, { minLength: minRank, maxLength: maxRank });
}

function layouts(rank: number): fc.Arbitrary<Layout> {
  const axes = Array.from({ length: rank }, (_, i) => i);
  const each = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: rank, maxLength: rank });
  const rarely = fc.integer({ min: 0, max: 7 }).map((n) => n === 7);
  const dense = {
    order: axes,
    steps: axes.map(() => 1),
    reversed: axes.map(() => false),
    repeated: axes.map(() => false),
  };
  return fc.oneof(
    fc.record({
      order: fc.shuffledSubarray(axes, { minLength: rank }),
      steps: each(fc.constantFrom(1, 1, 1, 2, 3)),
      reversed: each(rarely),
      repeated: each(rarely),
      margin: fc.nat(3),
    }),
    fc.nat(3).map((margin) => ({ ...dense, margin })),
  );
}

export function samples(
  dtype: DType,
  shape: readonly number[],
  value: fc.Arbitrary<number> = anyValue(dtype),
): fc.Arbitrary<Sample> {
  return fc
    .tuple(layouts(shape.length), fc.array(value, { minLength: 1, maxLength: 40 }))
    .map(([layout, elements]) => new Sample(dtype, shape, layout, (i) => elements[i % elements.length]!));
}

/** A sample whose elements are all different, so that none can stand in for another. */
export function numbered(shape: readonly number[], dtype: DType = 'int32'): fc.Arbitrary<Sample> {
  return layouts(shape.length).map((layout) => new Sample(dtype, shape, { ...layout, repeated: [] }, (i) => i));
}

/** Samples of any of the dtypes and any shape. */
export function anySample(
  kinds: readonly DType[] = dtypes,
  shape: fc.Arbitrary<number[]> = shapes(),
): fc.Arbitrary<Sample> {
  return fc.tuple(fc.constantFrom(...kinds), shape).chain(([dtype, of]) => samples(dtype, of));
}
