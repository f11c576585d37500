// Deflate by Node's zlib, loaded when it is first used: see deflate.ts.

import type { Inflated } from './deflate.ts';

interface Zlib {
  inflateRawSync(data: Uint8Array, options: { chunkSize: number; maxOutputLength: number }): Uint8Array;
  deflateRawSync(data: Uint8Array, options: { level: number }): Uint8Array;
}

interface Host {
  readonly process: { getBuiltinModule(name: 'node:zlib'): Zlib };
}

const zlib = (): Zlib => (globalThis as unknown as Host).process.getBuiltinModule('node:zlib');

/** The smallest that zlib takes. */
const LEAST = { chunkSize: 64, maxOutputLength: 1 };

/** Without what Node's buffers do in other ways than arrays do. */
const plain = (data: Uint8Array): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.length);

/** See deflate.ts. */
export function inflateRaw(packed: Uint8Array, size: number): Inflated {
  const options = {
    chunkSize: Math.max(LEAST.chunkSize, size),
    maxOutputLength: Math.max(LEAST.maxOutputLength, size),
  };
  try {
    const data = zlib().inflateRawSync(packed, options);
    return data.length > size ? 'too long' : plain(data);
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    if (code === 'ERR_BUFFER_TOO_LARGE') return 'too long';
    if (code === 'Z_BUF_ERROR') return { invalid: 'it is cut short' };
    if (code === 'Z_DATA_ERROR') return { invalid: message };
    throw error;
  }
}

/** See deflate.ts. */
export function deflateRaw(data: Uint8Array): Uint8Array {
  return plain(zlib().deflateRawSync(data, { level: 6 }));
}
