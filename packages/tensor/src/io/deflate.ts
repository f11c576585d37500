// Deflate (RFC 1951) by pako: what pages get. Node has an engine of its own, which need not be loaded before it is used: deflate-node.ts,
// which package.json puts in this one's place (`imports`, "#deflate"). Both say the same of the same data.

import { deflateRaw as deflatedByPako, Inflate, Z_BUF_ERROR } from 'pako';

/** What data inflates to, or in words why it does not. */
export type Inflated = Uint8Array | 'too long' | { readonly invalid: string };

/** Inflates data that should come to `size` bytes, and no further than the first byte too many. There may be fewer. */
export function inflateRaw(packed: Uint8Array, size: number): Inflated {
  let data = new Uint8Array();
  // What fits comes in one piece, and a piece that is full is a byte too long.
  const stream = new Inflate({ raw: true, chunkSize: size + 1 });
  const tooLong = new Error('too long');
  stream.onData = (chunk) => {
    if (chunk.length > size) throw tooLong;
    data = chunk;
  };
  try {
    stream.push(packed, true);
  } catch (error) {
    if (error === tooLong) return 'too long';
    throw error;
  }
  if (stream.err === 0) return data;
  return { invalid: stream.err === Z_BUF_ERROR ? 'it is cut short' : stream.msg };
}

/** Deflates at the level that zlib takes if it is not told one. */
export function deflateRaw(data: Uint8Array): Uint8Array {
  return deflatedByPako(data, { level: 6 });
}
