// Element types. Four are enough: two floats (training; exact work), one integer (indices, counts)
// and bool (masks). Storage is a typed array; bool is stored as bytes 0 and 1.
//
// Promotion follows the lattice bool < int32 < float32 < float64: two tensors meet at the higher of the
// two. A JavaScript number is weak: it takes the tensor's dtype unless that cannot hold it (a
// fraction next to an integer tensor lifts the result to float32). The rule is PyTorch's.

import { DTypeError } from './errors.ts';

export type DType = 'float64' | 'float32' | 'int32' | 'bool';
export type TypedArray = Float64Array | Float32Array | Int32Array | Uint8Array;

const LATTICE: readonly DType[] = ['bool', 'int32', 'float32', 'float64'];

/** The array constructor that stores `dtype`. */
export function arrayType(dtype: DType) {
  switch (dtype) {
    case 'float64':
      return Float64Array;
    case 'float32':
      return Float32Array;
    case 'int32':
      return Int32Array;
    case 'bool':
      return Uint8Array;
    default:
      throw new DTypeError(`unknown dtype '${String(dtype)}'; the dtypes are ${LATTICE.join(', ')}`, { dtype });
  }
}

/** The size of one element. */
export const bytesOf = (dtype: DType): number => (dtype === 'float64' ? 8 : dtype === 'bool' ? 1 : 4);

export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64';
}

/** The dtype at which two tensors meet. */
export function promote(a: DType, b: DType): DType {
  return a === b || LATTICE.indexOf(a) >= LATTICE.indexOf(b) ? a : b;
}

/** The dtype that a plain number takes beside a tensor of dtype `beside`. */
export function weakDType(value: number, beside: DType): DType {
  if (isFloat(beside)) return beside;
  return (value | 0) === value ? 'int32' : 'float32';
}

/** The float dtype in which a function such as exp is computed on `dtype`. */
export function floatFor(dtype: DType): DType {
  return dtype === 'float64' ? 'float64' : 'float32';
}

/**
 * One element converted to `dtype`. Floats become integers by truncation; NaN becomes 0 and values outside the int32 range
 * saturate (WebAssembly's `trunc_sat`, so that every backend can agree). Anything but 0 is true, NaN among them.
 */
export function convert(value: number, dtype: DType): number {
  switch (dtype) {
    case 'float64':
      return value;
    case 'float32':
      return Math.fround(value);
    case 'int32':
      return Number.isNaN(value) ? 0 : Math.trunc(Math.min(2147483647, Math.max(-2147483648, value)));
    case 'bool':
      return value === 0 ? 0 : 1;
  }
}
