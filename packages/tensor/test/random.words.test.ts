// The generator below the distributions: the cipher against Random123's known answers and against a plain BigInt form written
// from the paper, bounded integers against Lemire's definition, and the exact log and normal quantile against true values.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactLog, normalQuantile } from '../src/gaussian.ts';
import { deriveStream, philox4x32, WordStream } from '../src/philox.ts';
import { Rng } from '../src/random.ts';

type Words = [number, number, number, number];

function block(counter: Words, key: [number, number]): string {
  const out = new Uint32Array(4);
  philox4x32(out, 0, ...counter, ...key);
  return Array.from(out, (word) => word.toString(16).padStart(8, '0')).join(' ');
}

/** The paper's definition, on 64-bit products. */
function plainPhilox(counter: bigint[], key: bigint[]): bigint[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3];
}

/** Word number `position` of the root stream of `seed`. */
function plainWord(seed: bigint, position: number): bigint {
  const counter = BigInt(Math.floor(position / 4));
  const mask = 0xffffffffn;
  return plainPhilox([counter & mask, counter >> 32n, 0n, 0n], [seed & mask, seed >> 32n])[position % 4];
}

describe('Philox 4x32-10', () => {
  it('gives the known answers of Random123 (kat_vectors)', () => {
    expect(block([0, 0, 0, 0], [0, 0])).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    const ones = 0xffffffff;
    expect(block([ones, ones, ones, ones], [ones, ones])).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
    const digitsOfPi: Words = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
    expect(block(digitsOfPi, [0xa4093822, 0x299f31d0])).toBe('d16cfe09 94fdcceb 5001e420 24126ea1');
  });

  it('is the plain definition on 64-bit products', () => {
    const word = fc.bigInt(0n, 0xffffffffn);
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        const plain = plainPhilox(counter, key).map((w) => w.toString(16).padStart(8, '0'));
        expect(block(counter.map(Number) as Words, key.map(Number) as [number, number])).toBe(plain.join(' '));
      }),
    );
  });

  it('counts blocks from the start, past 2^32 blocks, and from any position', () => {
    const seed = 0xfedcba9876543210n;
    expect(Array.from(new Rng(seed).uint32s(300), BigInt)).toEqual(
      Array.from({ length: 300 }, (_, i) => plainWord(seed, i)),
    );
    for (const position of [1, 63, 64, 65, 2 ** 34 - 70, 2 ** 34 + 3, 2 ** 50 + 5]) {
      const rng = Rng.fromState({ ...new Rng(seed).state, position });
      const expected = Array.from({ length: 140 }, (_, i) => plainWord(seed, position + i));
      expect(Array.from(rng.uint32s(140), BigInt)).toEqual(expected);
      expect(rng.state.position).toBe(position + 140);
    }
  });

  it('names derived streams from counters that no draw reaches', () => {
    const derived = deriveStream([1, 2], [3, 4], 'split', 2 ** 33 + 5);
    const words = plainPhilox([5n, 0xc0000002n, 3n, 4n], [1n, 2n]).map(Number);
    expect([...derived.key, ...derived.stream]).toEqual(words);
  });
});

describe('bounded integers', () => {
  it('are Lemire’s, on 64-bit products', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.integer({ min: 1, max: 2 ** 32 }), (seed, span) => {
        let position = 0;
        const s = BigInt(span);
        let product = plainWord(seed, position++) * s;
        while (product % 2n ** 32n < 2n ** 32n % s) product = plainWord(seed, position++) * s;
        const low = -(2 ** 31);
        const rng = new Rng(seed);
        expect(rng.integers(1, low, low + span)[0]).toBe(low + Number(product >> 32n));
        expect(rng.state.position).toBe(position);
      }),
    );
  });

  it('reach both ends and nothing else', () => {
    const rng = new Rng(3);
    expect(new Set(rng.integers(200, -2, 3))).toEqual(new Set([-2, -1, 0, 1, 2]));
    expect(new Set(rng.integers(50, 7, 8))).toEqual(new Set([7]));
    const wide = rng.integers(1000, -(2 ** 31), 2 ** 31);
    expect(Math.min(...wide)).toBeLessThan(-(2 ** 30));
    expect(Math.max(...wide)).toBeGreaterThan(2 ** 30);
  });
});

describe('exact arithmetic', () => {
  it('log is within an ulp of the true value, so within two of Math.log', () => {
    const spread = fc.double({ min: 2 ** -1022, max: Number.MAX_VALUE, noNaN: true });
    const nearOne = fc.double({ min: 0.5, max: 2, noNaN: true });
    fc.assert(
      fc.property(fc.oneof(spread, nearOne), (x) => {
        const expected = Math.log(x);
        const ulp = 2 ** (Math.floor(Math.log2(Math.abs(expected) || 1)) - 52);
        expect(Math.abs(exactLog(x) - expected)).toBeLessThanOrEqual(2 * ulp);
      }),
      { numRuns: 5000 },
    );
    expect(exactLog(1)).toBe(0);
    expect([exactLog(3), exactLog(0.2), exactLog(1e-16)]).toEqual([
      1.0986122886681096, -1.6094379124341003, -36.841361487904734,
    ]);
  });

  it('quantile has a relative error below 1e-15 (values: mpmath, 400 bits)', () => {
    const known: [number, number][] = [
      [1, -8.209536151601387],
      [3, -8.076571004130125],
      [1048577, -6.337957607579512],
      [1099511627777, -3.6683292851210902],
      [35184372088833, -2.66006746861745],
      [562949953421313, -1.5341205443525454],
      [675539944105575, -1.4395314709384555],
      [675539944105573, -1.439531470938457],
      [2251799813685249, -0.6744897501960814],
      [4503599627370495, -2.782916424671767e-16],
      [4504699138998273, 0.00030598490158054945],
      [7881299347898367, 1.1503493803760076],
      [9007199254740991, 8.209536151601387],
    ];
    for (const [odd, z] of known) {
      const u = odd * 2 ** -53;
      expect(Math.abs(normalQuantile(u) / z - 1)).toBeLessThan(1e-15);
      expect(normalQuantile(1 - u)).toBe(-normalQuantile(u));
    }
  });

  it('open52 stays inside (0, 1) and unit53 below 1 at the extreme words', () => {
    const stream = (word: number) => Object.assign(new WordStream([0, 0], [0, 0]), { next: () => word });
    expect(stream(0).open52()).toBe(2 ** -53);
    expect(stream(0xffffffff).open52()).toBe(1 - 2 ** -53);
    expect(stream(0).unit53()).toBe(0);
    expect(stream(0xffffffff).unit53()).toBe(1 - 2 ** -53);
  });
});
