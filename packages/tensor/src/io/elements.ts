// Elements as files store them, and as tensors do: 13 stored types become 4 dtypes, with either byte order.
//
// float16 and bfloat16 (the upper half of a float32) widen to float32 exactly; integers of up to 32 bits widen to int32. Only
// u4, i8 and u8 hold values that int32 does not: such a value is an error, unless the caller asks for float64. Float bits are
// copied, never converted, so that NaN payloads survive. A file puts its numbers at any offset, and a typed array only at a
// multiple of its element size: so the bytes are copied into a buffer of their own first.

import type { DType, TypedArray } from '../dtype.ts';
import { type Shape, sizeOf } from '../shape.ts';
import type { Blame, ReadOptions } from './format-error.ts';

/** NumPy's names (kind and bytes), and bf2 for bfloat16. */
export type StoredType = 'b1' | 'i1' | 'u1' | 'i2' | 'u2' | 'f2' | 'bf2' | 'i4' | 'u4' | 'f4' | 'i8' | 'u8' | 'f8';

/** How each dtype is written. */
export const STORED: Readonly<Record<DType, StoredType>> = { bool: 'b1', int32: 'i4', float32: 'f4', float64: 'f8' };

/** Bytes of one element. */
export function widthOf(stored: StoredType): number {
  return Number(stored.at(-1));
}

/** Bytes that a shape declares, or Infinity where they (or, beside a size of 0, the strides) could not be counted exactly. */
export function bytesFor(shape: Shape, stored: StoredType): number {
  const bound = sizeOf(shape.map((d) => Math.max(1, d))) * widthOf(stored);
  return Number.isSafeInteger(bound) ? sizeOf(shape) * widthOf(stored) : Infinity;
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** What to decode: `count` elements of one type from `start` on, which the caller knows to lie within `bytes`. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly count: number;
  readonly stored: StoredType;
  readonly bigEndian: boolean;
}

export interface Decoded {
  readonly dtype: DType;
  /** An array of its own, which no one else holds. */
  readonly data: TypedArray;
}

/** Allocates at most 5 times the encoded bytes. @throws what `blame` makes, for an integer that int32 cannot hold. */
export function decode(encoded: Encoded, { wideIntegers = 'int32' }: ReadOptions, blame: Blame): Decoded {
  const { bytes, start, count, stored, bigEndian } = encoded;
  const width = widthOf(stored);
  const own = bytes.slice(start, start + count * width);
  if (bigEndian === HOST_IS_LITTLE_ENDIAN) swapBytes(own, width);
  const { buffer } = own;
  switch (stored) {
    case 'f8':
      return { dtype: 'float64', data: new Float64Array(buffer) };
    case 'f4':
      return { dtype: 'float32', data: new Float32Array(buffer) };
    case 'f2':
      return { dtype: 'float32', data: fromBits(new Uint16Array(buffer), halfBits) };
    case 'bf2':
      return { dtype: 'float32', data: fromBits(new Uint16Array(buffer), (bits) => bits << 16) };
    case 'b1':
      // As in a cast to bool, anything but 0 is true.
      return { dtype: 'bool', data: fill(own, (i) => (own[i] === 0 ? 0 : 1)) };
    case 'i4':
      return { dtype: 'int32', data: new Int32Array(buffer) };
    case 'i1':
      return { dtype: 'int32', data: new Int32Array(new Int8Array(buffer)) };
    case 'u1':
      return { dtype: 'int32', data: new Int32Array(own) };
    case 'i2':
      return { dtype: 'int32', data: new Int32Array(new Int16Array(buffer)) };
    case 'u2':
      return { dtype: 'int32', data: new Int32Array(new Uint16Array(buffer)) };
    case 'u4':
    case 'i8':
    case 'u8': {
      const read = wideReader(stored, buffer);
      if (wideIntegers === 'float64') return { dtype: 'float64', data: fill(new Float64Array(count), read) };
      const data = fill(new Int32Array(count), read);
      // What does not fit has changed on its way into the array.
      const i = data.findIndex((value, at) => value !== read(at));
      if (i < 0) return { dtype: 'int32', data };
      const value = exactInteger(stored, buffer, i);
      throw blame(
        `element ${i} (in stored order) is ${value}, which int32 cannot hold; ` +
          "read it with { wideIntegers: 'float64' }, which is exact up to 2^53",
        start + i * width,
        { element: i, value, stored },
      );
    }
  }
}

/** The elements of a tensor (a fresh copy of its own) as little-endian bytes. */
export function encode(data: TypedArray): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (!HOST_IS_LITTLE_ENDIAN) swapBytes(bytes, data.BYTES_PER_ELEMENT);
  return bytes;
}

function swapBytes(bytes: Uint8Array, width: number): void {
  if (width === 1) return;
  for (let i = 0; i < bytes.length; i += width) {
    for (let a = i, b = i + width - 1; a < b; a++, b--) {
      const low = bytes[a]!;
      bytes[a] = bytes[b]!;
      bytes[b] = low;
    }
  }
}

function fill<T extends TypedArray>(out: T, element: (i: number) => number): T {
  for (let i = 0; i < out.length; i++) out[i] = element(i);
  return out;
}

/** float32 numbers from 16-bit ones, as bits: no float instruction sees them. */
function fromBits(halves: Uint16Array, widen: (bits: number) => number): Float32Array {
  const out = new Float32Array(halves.length);
  const bits = new Int32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = widen(halves[i]!);
  return out;
}

/** IEEE 754 binary16 to binary32: 1 + 5 + 10 bits to 1 + 8 + 23; the exponent's bias grows from 15 to 127. */
function halfBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal, fraction * 2^-24: float32 has the range to write it with a leading 1, which its bits leave out.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

/** Element i as the nearest float64. */
function wideReader(stored: 'u4' | 'i8' | 'u8', buffer: ArrayBuffer): (i: number) => number {
  const words = new Uint32Array(buffer);
  if (stored === 'u4') return (i) => words[i]!;
  const upper = stored === 'i8' ? new Int32Array(buffer) : words;
  const [low, high] = HOST_IS_LITTLE_ENDIAN ? [0, 1] : [1, 0];
  // The product is exact, so the sum is rounded once.
  return (i) => upper[2 * i + high]! * 2 ** 32 + words[2 * i + low]!;
}

function exactInteger(stored: 'u4' | 'i8' | 'u8', buffer: ArrayBuffer, i: number): number | bigint {
  if (stored === 'u4') return new Uint32Array(buffer)[i]!;
  return (stored === 'i8' ? new BigInt64Array(buffer) : new BigUint64Array(buffer))[i]!;
}
