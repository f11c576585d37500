// The model that tensors are held to: an array is a shape and its values in row-major order, looked up by a list of
// indices. No strides, storage or kernels here, only definitions written out.

import type { DType } from '../../src/index.ts';

export type Index = readonly number[];

export interface Model {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly values: readonly number[];
  /** How far a tensor may be from each value; nowhere if left out. */
  readonly slack?: readonly number[];
}

/** Every index of a shape, in row-major order. */
export function* indicesOf(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) {
    yield [];
    return;
  }
  const [size, ...rest] = shape as [number, ...number[]];
  for (let i = 0; i < size; i++) for (const tail of indicesOf(rest)) yield [i, ...tail];
}

/** The value as a dtype holds it: rounded to float32, wrapped to int32, true if not 0. */
export function stored(value: number, dtype: DType): number {
  switch (dtype) {
    case 'float64':
      return value;
    case 'float32':
      return Math.fround(value);
    case 'int32':
      return Number(BigInt.asIntN(32, BigInt(value)));
    case 'bool':
      return value === 0 ? 0 : 1;
  }
}

export function tabulate(shape: readonly number[], dtype: DType, f: (index: Index) => number): Model {
  return { shape, dtype, values: Array.from(indicesOf(shape), (index) => stored(f(index), dtype)) };
}

export function at(m: Model, index: Index): number {
  return m.values[index.reduce((flat, i, axis) => flat * m.shape[axis]! + i, 0)]!;
}

/** NumPy's rule: shapes aligned at the right, missing axes count as 1, and on each axis all sizes but 1 agree. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] | null {
  const rank = Math.max(...shapes.map((s) => s.length));
  const padded = shapes.map((s) => [...new Array<number>(rank - s.length).fill(1), ...s]);
  const out: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const sizes = new Set(padded.map((s) => s[axis]!).filter((d) => d !== 1));
    if (sizes.size > 1) return null;
    out.push(sizes.size === 1 ? [...sizes][0]! : 1);
  }
  return out;
}

/** The index that a broadcast operand is read at. */
function aligned(m: Model, index: Index): number[] {
  return index.slice(index.length - m.shape.length).map((i, axis) => (m.shape[axis] === 1 ? 0 : i));
}

export function expanded(m: Model, shape: readonly number[]): Model {
  return tabulate(shape, m.dtype, (index) => at(m, aligned(m, index)));
}

/** An elementwise function of models that broadcast together. */
export function zipped(dtype: DType, f: (...values: number[]) => number, ...models: Model[]): Model {
  const shape = broadcast(...models.map((m) => m.shape))!;
  return tabulate(shape, dtype, (index) => f(...models.map((m) => at(m, aligned(m, index)))));
}

/** All values along the given axes (counted from 0), folded into one. */
export function folded(
  m: Model,
  axes: readonly number[],
  keepDims: boolean,
  dtype: DType,
  fold: (values: number[]) => number,
): Model {
  const kept = m.shape.map((d, axis) => (axes.includes(axis) ? 1 : d));
  const inner = m.shape.map((d, axis) => (axes.includes(axis) ? d : 1));
  const full = tabulate(kept, dtype, (outer) =>
    fold(
      Array.from(indicesOf(inner), (within) =>
        at(
          m,
          outer.map((i, axis) => i + within[axis]!),
        ),
      ),
    ),
  );
  return keepDims ? full : { ...full, shape: kept.filter((_, axis) => !axes.includes(axis)) };
}

/** The values along an axis, through the element at `index`. */
export function lineAt(m: Model, axis: number, index: Index): number[] {
  return Array.from({ length: m.shape[axis]! }, (_, i) => at(m, index.with(axis, i)));
}

/** The distance from |x| to the next number of the dtype: one unit in the last place. */
export function ulp(x: number, dtype: DType): number {
  if (!Number.isFinite(x)) return 0;
  if (dtype === 'float32') {
    const float = Float32Array.of(Math.abs(x));
    const here = float[0]!;
    new Int32Array(float.buffer)[0]! += 1;
    return float[0]! - here;
  }
  const double = Float64Array.of(Math.abs(x));
  new BigInt64Array(double.buffer)[0]! += 1n;
  return double[0]! - Math.abs(x);
}

/** The model with so many units in the last place of slack. */
export function within(ulps: number, m: Model): Model {
  return ulps === 0 ? m : { ...m, slack: m.values.map((v) => ulps * ulp(v, m.dtype)) };
}
