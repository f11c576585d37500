// Compressed entries against zlib, in both directions, on data of every kind: what one packs the other unpacks. And the deflate that pages
// get beside the one that Node gets, on data that is whole, damaged or no such data at all.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNpz, type Tensor, tensor, writeNpy, writeNpz } from '../../src/index.ts';
import { deflateRaw, inflateRaw } from '../../src/io/deflate.ts';
import { deflateRaw as deflateInNode, inflateRaw as inflateInNode } from '../../src/io/deflate-node.ts';
import { archive, member } from './archive.ts';
import { expectSame, refusal } from './cases.ts';

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
const tensors = fc
  .oneof(fc.uint8Array({ maxLength: 300 }), random, repeated, skewed, numbers)
  .map((bytes) => tensor(new Int32Array(Uint8Array.from(bytes).buffer, 0, bytes.length >>> 2)));

const { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
const packing = fc.record({
  level: fc.nat(9),
  strategy: fc.constantFrom(Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE),
});
const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** An entry as zlib packs it. */
const packedBy = (t: Tensor, options: { readonly level: number; readonly strategy: number }) => {
  const file = writeNpy(t);
  return { ...member('t.npy', file), packed: deflateRawSync(file, options) };
};

describe('a compressed entry', () => {
  it('as writeNpz packs it, zlib and readNpz unpack', () => {
    fc.assert(
      fc.property(tensors, (t) => {
        const bytes = Buffer.from(writeNpz({ t }, { compress: true }));
        const start = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
        const packed = bytes.subarray(start, start + bytes.readUInt32LE(18));
        const file = writeNpy(t);
        expect(Buffer.compare(inflateRawSync(packed), file)).toBe(0);
        expectSame(readNpz(bytes).get('t')!, t);
        // What does not compress is stored, in blocks with five bytes before each.
        expect(packed.length).toBeLessThanOrEqual(file.length + 5 * Math.floor(file.length / 16_000) + 6);
      }),
    );
  });

  it('as zlib packs it by any strategy, readNpz unpacks', () => {
    fc.assert(
      fc.property(tensors, packing, (t, options) => {
        expectSame(readNpz(archive([packedBy(t, options)])).get('t')!, t);
      }),
    );
  });

  it('that declares less than it holds is refused, however much less', () => {
    fc.assert(
      fc.property(tensors, packing, part, (t, options, part) => {
        const entry = packedBy(t, options);
        const size = Math.floor(part * entry.size!);
        const { message } = refusal(() => readNpz(archive([{ ...entry, size }])));
        expect(message).toContain(`inflates to more than the ${size} bytes it declares`);
      }),
    );
  });

  it('cut short anywhere is refused', () => {
    fc.assert(
      fc.property(tensors, packing, part, (t, options, part) => {
        const entry = packedBy(t, options);
        const packed = entry.packed.subarray(0, Math.floor(part * entry.packed.length));
        // So little may be left that it could not hold what is declared.
        const size = Math.min(entry.size!, 1032 * packed.length);
        const { message } = refusal(() => readNpz(archive([{ ...entry, packed, size }])));
        expect(message).toMatch(/is not valid deflate data: it is cut short|inflates to more than/);
      }),
    );
  });
});

describe('deflate in pages and in Node', () => {
  const data = fc.oneof(fc.uint8Array({ maxLength: 300 }), random, repeated, skewed, numbers);
  /** Packed data, and what was done to it: cut short, followed by more, or changed in a byte. */
  const damaged = fc
    .tuple(
      data,
      packing,
      part,
      fc.constantFrom('nothing', 'cut', 'longer', 'changed'),
      fc.integer({ min: 1, max: 255 }),
    )
    .map(([whole, options, where, what, change]): readonly [packed: Uint8Array, size: number] => {
      const packed = deflateRawSync(whole, options);
      const at = Math.floor(where * packed.length);
      if (what === 'cut') return [packed.subarray(0, at), whole.length];
      if (what === 'longer') return [Buffer.concat([packed, packed]), whole.length];
      if (what === 'changed') packed[at]! ^= change;
      return [packed, whole.length];
    });
  const anything = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.nat(500));

  it('each unpacks what the other packs', () => {
    fc.assert(
      fc.property(data, (whole) => {
        expect(Buffer.compare(inflateRaw(deflateInNode(whole), whole.length) as Uint8Array, whole)).toBe(0);
        expect(Buffer.compare(inflateInNode(deflateRaw(whole), whole.length) as Uint8Array, whole)).toBe(0);
      }),
    );
  });

  it('they say the same of any data', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.oneof(damaged, anything), fc.constantFrom(-1, 0, 1, 100), ([packed, length], more) => {
        const size = Math.max(0, length + more);
        const [inPage, inNode] = [inflateRaw(packed, size), inflateInNode(packed, size)];
        seen.add(inPage instanceof Uint8Array ? 'data' : inPage === 'too long' ? inPage : 'invalid');
        if (inPage instanceof Uint8Array) expect(Buffer.compare(inNode as Uint8Array, inPage)).toBe(0);
        // Where data is too long and invalid behind that, either may be seen first.
        else if (inPage === 'too long' || inNode === 'too long') expect(inNode).not.toBeInstanceOf(Uint8Array);
        else expect(inNode).toEqual(inPage);
      }),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toEqual(['data', 'invalid', 'too long']);
  });

  it('a bomb goes off in neither', () => {
    const bomb = deflateRawSync(Buffer.alloc(2 ** 26));
    for (const inflate of [inflateRaw, inflateInNode]) expect(inflate(bomb, 140)).toBe('too long');
  });
});
