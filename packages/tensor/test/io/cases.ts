// What the io tests share: the recorded files (fixtures/io), and how tensors are compared with them, bit by bit.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type DType, FormatError, type ReadOptions, type Tensor, tensor } from '../../src/index.ts';

/** A tensor as recorded; `data` is base64 of its elements' bytes. */
export interface Recorded {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: string;
}

export interface NpyCase extends Recorded {
  readonly name: string;
  readonly file: string;
  readonly options?: ReadOptions;
  readonly written?: true;
}

export interface ArchiveCase {
  readonly name: string;
  readonly file: string;
  readonly tensors: readonly (Recorded & { readonly name: string })[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly written?: true;
}

export interface Fixtures {
  readonly npy: {
    readonly cases: readonly NpyCase[];
    readonly refused: readonly { readonly name: string; readonly file: string; readonly message: string }[];
    readonly everyHalfAsFloat32: string;
  };
  readonly npz: { readonly cases: readonly ArchiveCase[] };
  readonly safetensors: { readonly cases: readonly ArchiveCase[] };
}

export function fixture<F extends keyof Fixtures>(format: F): Fixtures[F] {
  return JSON.parse(readFileSync(new URL(`../fixtures/io/${format}.json`, import.meta.url), 'utf8'));
}

/** The bytes at an odd address, so that no typed array can be laid over them. */
export function unaligned(base64: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  const memory = new Uint8Array(bytes.length + 1);
  memory.set(bytes, 1);
  return memory.subarray(1);
}

export function bytesOf(t: Tensor): Buffer {
  const { buffer, byteOffset, byteLength } = t.dataSync();
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** A tensor from recorded bits. */
export function fromRecorded({ dtype, shape, data }: Recorded): Tensor {
  const { buffer } = new Uint8Array(Buffer.from(data, 'base64'));
  const types = { float32: Float32Array, float64: Float64Array, int32: Int32Array, bool: Uint8Array };
  return tensor(new types[dtype](buffer), { dtype, shape });
}

export function expectRecorded(t: Tensor, { dtype, shape, data }: Recorded): void {
  expect([t.dtype, ...t.shape]).toEqual([dtype, ...shape]);
  expect(bytesOf(t).toString('base64')).toBe(data);
}

export function expectSame(t: Tensor, u: Tensor): void {
  expectRecorded(t, { dtype: u.dtype, shape: u.shape, data: bytesOf(u).toString('base64') });
}

/** The FormatError that reading throws. */
export function refusal(read: () => unknown): FormatError {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return error as FormatError;
  }
  return expect.fail('the file was accepted');
}

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
