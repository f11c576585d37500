// Numbers as they pass between processes that share no library: the elements alone, little-endian and row-major, in a file; shape and
// dtype beside it.

import { readFileSync, writeFileSync } from 'node:fs';

export interface HostArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array;
}

export interface ArrayFile {
  readonly file: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'float64' | 'int32';
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

export function writeArray(file: string, { shape, data }: HostArray): ArrayFile {
  writeFileSync(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const dtype = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'float64';
  return { file, shape, dtype };
}

export function readArray({ file, shape, dtype }: ArrayFile): HostArray {
  const { buffer, byteOffset, byteLength } = readFileSync(file);
  return { shape, data: new ARRAYS[dtype](buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer) };
}
