// IDX: the file format of MNIST. A header of big-endian 32-bit words, then the elements in row-major order:
//
//   byte 0-1  zero        byte 2  element type (8 = unsigned byte)        byte 3  number of axes
//   then the length of each axis (4 bytes each), then the elements.
//
// The header comes from outside, so nothing is trusted before it has been checked: the lengths must multiply to exactly the
// number of bytes that follow. The elements are a view of the file's own bytes; no header can make the parser allocate.
// Source: http://yann.lecun.com/exdb/mnist/ ("The IDX file format").

const UNSIGNED_BYTE = 8;

/** Unsigned bytes and the shape they fill. */
export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major; a view of the file's bytes. */
  readonly bytes: Uint8Array;
}

/** A file that is not a well-formed IDX file of unsigned bytes. */
export class IdxFormatError extends Error {
  override readonly name = 'IdxFormatError';
  /** What the caller calls the file. */
  readonly file: string;

  constructor(file: string, message: string) {
    super(`${file}: ${message}`);
    this.file = file;
  }
}

/** @param file what to call the file in messages. @throws IdxFormatError */
export function parseIdx(content: Uint8Array, file: string): IdxArray {
  const fail = (message: string): never => {
    throw new IdxFormatError(file, message);
  };
  if (content.length < 4) fail(`an IDX file has at least 4 bytes, found ${content.length}`);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [zero0, zero1, type, axes] = content as unknown as [number, number, number, number];
  if (zero0 !== 0 || zero1 !== 0) {
    const gzip = zero0 === 0x1f && zero1 === 0x8b;
    fail(`not an IDX file: it must start with two zero bytes${gzip ? ' (it is gzipped; unpack it first)' : ''}`);
  }
  if (type !== UNSIGNED_BYTE) fail(`element type ${type} found; only unsigned bytes (8) are read`);
  if (axes === 0) fail('the header announces no axes; there must be at least one');
  const headerBytes = 4 + 4 * axes;
  if (content.length < headerBytes) {
    fail(`the header announces ${axes} axes and needs ${headerBytes} bytes, the file has ${content.length}`);
  }
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  // 255 lengths of 2^32 - 1 can pass the largest double, but not 'equal' any real file size: Infinity compares as different.
  const announced = shape.reduce((product, length) => product * length, 1);
  const found = content.length - headerBytes;
  if (announced !== found) {
    fail(`the header announces ${shape.join(' x ')} = ${announced} elements, the file holds ${found}`);
  }
  return { shape, bytes: content.subarray(headerBytes) };
}
