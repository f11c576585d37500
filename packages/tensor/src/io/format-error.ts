// What every reader of files shares. A file is a stranger: nothing it declares is believed before it has been held against the
// bytes at hand, nothing is allocated on its word alone, and whatever is wrong with it ends in one FormatError that says where.

import { describe } from '../describe.ts';
import type { DeviceChoice } from '../device.ts';
import { DataError, GemlabError, ShapeError } from '../errors.ts';
import { Tensor } from '../tensor.ts';
import { hasLoneSurrogate, quote } from './text.ts';

/** NumPy's limit, kept for all files: a header could otherwise declare a rank of millions. */
export const MAX_RANK = 64;

export type FileFormat = 'npy' | 'npz' | 'safetensors';

/** Bytes that break the rules of their format, or hold what this library does not read. */
export class FormatError extends GemlabError {
  static override readonly name: string = 'FormatError';
  readonly format: FileFormat;
  /** The byte of the input at which the problem was found (of a compressed npz entry: at which the entry starts). */
  readonly offset: number;

  constructor(format: FileFormat, problem: string, offset: number, fields: Record<string, unknown> = {}) {
    super(`${format}: ${problem} (at byte ${offset})`, { ...fields, format, offset });
    this.format = format;
    this.offset = offset;
  }
}

/** Makes the error for a problem in some bytes; an npz archive blames its entries in its own name. */
export type Blame = (problem: string, offset: number, fields?: Record<string, unknown>) => FormatError;

export interface ReadOptions {
  /** Where the tensors go; 'cpu' by default. */
  readonly device?: DeviceChoice;
  /**
   * What unsigned 32-bit and 64-bit integers become. 'int32', the default, throws FormatError if a value does not fit.
   * 'float64' is exact up to 2^53 and rounds larger values to the nearest float.
   */
  readonly wideIntegers?: 'int32' | 'float64';
}

/** The bytes of a file: an ArrayBuffer, or any view of one (a Node Buffer, for example). */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** The input as plain bytes, without copying. @throws DataError */
export function bytesOf(op: string, input: Bytes): Uint8Array {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const isBuffer = Object.prototype.toString.call(input).endsWith('ArrayBuffer]');
  if (isBuffer) return new Uint8Array(input);
  throw new DataError(`${op}: expected the bytes of a file (Uint8Array or ArrayBuffer), found ${describe(input)}`, {
    input,
  });
}

/** Tensors by name. A Map keeps any name and any order; a plain object is handy to write. */
export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** The pairs in order. @throws DataError if a name cannot be stored as UTF-8; what `checkTensor` throws. */
export function namedTensors(op: string, tensors: NamedTensors): [string, Tensor][] {
  if (typeof tensors !== 'object' || tensors === null || tensors instanceof Tensor) {
    throw new DataError(`${op}: expected tensors by name, such as { weight }, found ${describe(tensors)}`, { tensors });
  }
  const pairs: [string, Tensor][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  for (const [name, value] of pairs) {
    checkText(op, name);
    checkTensor(op, value, `${quote(name)} is`);
  }
  return pairs;
}

/** @throws DataError if the value is no tensor; ShapeError if it has more axes than files hold. */
export function checkTensor(op: string, value: Tensor, found = 'found'): void {
  if (!(value instanceof Tensor)) {
    throw new DataError(`${op}: expected a tensor, ${found} ${describe(value)}`, { value });
  }
  if (value.rank > MAX_RANK) {
    throw new ShapeError(`${op}: at most ${MAX_RANK} axes can be stored, ${found} a tensor of ${value.rank}`, {
      shape: value.shape,
    });
  }
}

/** @throws DataError */
export function checkText(op: string, text: unknown, what = 'a name'): void {
  if (typeof text === 'string' && !hasLoneSurrogate(text)) return;
  const found = typeof text === 'string' ? `half of a surrogate pair in ${quote(text)}` : describe(text);
  throw new DataError(`${op}: ${what} must be a string that UTF-8 can hold, found ${found}`, { text });
}
