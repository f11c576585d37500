// The parser is fed what the format promises, and then everything else: it answers with a named error and never with an
// allocation that a header asked for.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdxFormatError, parseIdx } from '../src/data/idx.ts';

/** A file as the format describes it; any part can be overruled to make it wrong. */
function idxFile(lengths: readonly number[], elements: ArrayLike<number>, { type = 8, axes = lengths.length } = {}) {
  const header = new DataView(new ArrayBuffer(4 + 4 * lengths.length));
  header.setUint8(2, type);
  header.setUint8(3, axes);
  lengths.forEach((length, i) => {
    header.setUint32(4 + 4 * i, length);
  });
  return Uint8Array.from([...new Uint8Array(header.buffer), ...Array.from(elements)]);
}

const failure = (content: Uint8Array) => {
  try {
    parseIdx(content, 'digits');
  } catch (error) {
    expect(error).toBeInstanceOf(IdxFormatError);
    expect((error as IdxFormatError).file).toBe('digits');
    return (error as IdxFormatError).message;
  }
  throw new Error('nothing was thrown');
};

describe('parseIdx', () => {
  it('reads what was written, at any offset of a larger buffer', () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shapes, fc.nat(9), (shape, offset) => {
        const size = shape.reduce((n, d) => n * d, 1);
        const elements = Uint8Array.from({ length: size }, (_, i) => (i * 37) % 256);
        const file = idxFile(shape, elements);
        const larger = new Uint8Array(offset + file.length + 3);
        larger.set(file, offset);
        const { shape: found, bytes } = parseIdx(larger.subarray(offset, offset + file.length), 'digits');
        expect(found).toEqual(shape);
        expect([...bytes]).toEqual([...elements]);
      }),
    );
  });

  it('does not copy the elements', () => {
    const file = idxFile([3], [1, 2, 3]);
    expect(parseIdx(file, 'digits').bytes.buffer).toBe(file.buffer);
  });

  it('says what is wrong with a file that is not one', () => {
    expect(failure(new Uint8Array())).toBe('digits: an IDX file has at least 4 bytes, found 0');
    expect(failure(Uint8Array.of(1, 0, 8, 1, 0))).toMatch(
      /^digits: not an IDX file: it must start with two zero bytes$/,
    );
    expect(failure(Uint8Array.of(0x1f, 0x8b, 8, 0, 0))).toMatch(/gzipped/);
    expect(failure(idxFile([2], [1, 2], { type: 13 }))).toMatch(/element type 13 found; only unsigned bytes/);
    expect(failure(idxFile([], []))).toMatch(/no axes/);
    expect(failure(idxFile([2], [1, 2], { axes: 3 }))).toMatch(/announces 3 axes and needs 16 bytes, the file has 10/);
    expect(failure(idxFile([2, 2], [1, 2, 3]))).toMatch(/2 x 2 = 4 elements, the file holds 3/);
    expect(failure(idxFile([2, 2], [1, 2, 3, 4, 5]))).toMatch(/2 x 2 = 4 elements, the file holds 5/);
  });

  it('refuses headers that announce more than there is, without allocating it', () => {
    const most = 2 ** 32 - 1;
    for (const axes of [1, 2, 3, 255]) failure(idxFile(Array(axes).fill(most), [1, 2, 3]));
    // Infinity times 0 is no number at all.
    failure(idxFile([...Array(100).fill(most), 0], []));
  });

  it('answers any bytes with an array that fits them or with an IdxFormatError', () => {
    const anything = fc.uint8Array({ maxLength: 40 });
    const nearlyRight = fc
      .tuple(fc.nat(4), fc.uint8Array({ maxLength: 40 }))
      .map(([axes, rest]) => Uint8Array.of(0, 0, 8, axes, ...rest));
    fc.assert(
      fc.property(fc.oneof(anything, nearlyRight), (content) => {
        try {
          const { shape, bytes } = parseIdx(content, 'digits');
          expect(bytes.length).toBe(shape.reduce((n, d) => n * d, 1));
          expect(4 + 4 * shape.length + bytes.length).toBe(content.length);
        } catch (error) {
          expect(error).toBeInstanceOf(IdxFormatError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
