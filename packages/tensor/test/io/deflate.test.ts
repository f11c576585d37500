// Deflate and inflate against zlib's, in both directions, on data of every kind: what one packs the other unpacks.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deflate } from '../../src/io/deflate.ts';
import { inflate } from '../../src/io/inflate.ts';

const unpacked = (packed: Uint8Array, size: number): Uint8Array => {
  const out = new Uint8Array(size);
  expect(inflate(packed, out)).toBe(size);
  return out;
};

/** Bytes that do not repeat, that hardly vary, and that repeat from near and from far. */
const random = fc.tuple(fc.nat(), fc.nat(70_000), fc.integer({ min: 0, max: 8 })).map(([seed, size, bits]) => {
  let state = seed | 1;
  return Uint8Array.from({ length: size }, () => {
    state = Math.imul(state, 0x2545f491) + 0x9e3779b9;
    return (state >>> 16) & (2 ** bits - 1);
  });
});
const repeated = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 600 }), fc.integer({ min: 1, max: 300 }), fc.nat(40_000))
  .map(([piece, times, gap]) => Buffer.concat([...Array(times).fill(piece), Buffer.alloc(gap), piece]));
const skewed = fc
  .array(fc.nat(15), { maxLength: 400 })
  .map((powers) => Buffer.concat(powers.map((n, i) => Buffer.alloc(2 ** n % 5000, i))));
const numbers = fc.array(fc.float(), { maxLength: 3000 }).map((x) => new Uint8Array(Float32Array.from(x).buffer));
const data = fc.oneof(fc.uint8Array({ maxLength: 300 }), random, repeated, skewed, numbers);

describe('deflate', () => {
  it('packs what inflate and zlib give back', () => {
    fc.assert(
      fc.property(data, (bytes) => {
        const packed = deflate(bytes);
        expect(Buffer.compare(inflateRawSync(packed), bytes)).toBe(0);
        expect(Buffer.compare(unpacked(packed, bytes.length), bytes)).toBe(0);
        // Stored blocks of 65535 bytes: five more for each, and for the one begun.
        expect(packed.length).toBeLessThanOrEqual(bytes.length + 5 * Math.floor(bytes.length / 16_000) + 6);
      }),
    );
  });

  it('of nothing, of one byte, and of as much as a stored block holds', () => {
    for (const size of [0, 1, 2, 3, 257, 258, 259, 65534, 65535, 65536]) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);
      for (const each of [bytes, new Uint8Array(size)]) {
        expect(Buffer.compare(inflateRawSync(deflate(each)), each)).toBe(0);
      }
    }
  });

  it('packs about as tightly as zlib', () => {
    const text = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `${Math.sin(i).toFixed(3)} `).join(''));
    const floats = new Uint8Array(Float32Array.from({ length: 40_000 }, (_, i) => Math.round(9 * Math.sin(i))).buffer);
    for (const bytes of [text, floats]) {
      expect(deflate(bytes).length).toBeLessThan(1.1 * deflateRawSync(bytes, { level: 6 }).length);
    }
  });
});

describe('inflate', () => {
  it('unpacks what zlib packs, by every strategy', () => {
    const { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
    const strategy = fc.constantFrom(Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE);
    fc.assert(
      fc.property(data, fc.nat(9), strategy, (bytes, level, strategy) => {
        const packed = deflateRawSync(bytes, { level, strategy });
        expect(Buffer.compare(unpacked(packed, bytes.length), bytes)).toBe(0);
      }),
    );
  });

  it('says that there is more than fits, and writes no more', () => {
    fc.assert(
      fc.property(
        data,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat(9),
        (bytes, part, level) => {
          fc.pre(bytes.length > 0);
          const room = Math.floor(part * bytes.length);
          const out = new Uint8Array(room);
          expect(inflate(deflateRawSync(bytes, { level }), out)).toBe(room + 1);
          expect(Buffer.compare(out, bytes.subarray(0, room)) === 0 || out.some((x) => x === 0)).toBe(true);
        },
      ),
    );
  });

  it('refuses what is cut short anywhere', () => {
    fc.assert(
      fc.property(
        data,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat(9),
        (bytes, part, level) => {
          const packed = deflateRawSync(bytes, { level });
          const cut = packed.subarray(0, Math.floor(part * packed.length));
          expect(() => inflate(cut, new Uint8Array(bytes.length))).toThrow('cut short');
        },
      ),
    );
  });

  it.each([
    ['a block of no type', [0b111], 'invalid block type'],
    ['a stored block of two lengths', [0b001, 1, 0, 1, 0, 7], 'two lengths'],
    ['a distance beyond the start', [0x03, 0x02, 0, 0], 'beyond the start'],
    ['more codes than fit', [5, 0, 146, 4], 'more codes than fit'],
  ])('%s: says so', (_, bytes, message) => {
    expect(() => inflate(Uint8Array.from(bytes), new Uint8Array(100))).toThrow(message);
  });
});
