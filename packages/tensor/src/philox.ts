// Random words as a pure function of a counter. Philox is a ten-round Feistel cipher: under a fixed
// 64-bit key it maps each 128-bit counter to 128 bits, one to one, and the words of counters 0, 1, 2, ...
// pass every test of BigCrush. One round on the counter (c0, c1, c2, c3) with the round key (k0, k1):
//
//   c' = (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0)),   k' = (k0 + W0, k1 + W1)
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11; philox4x32-10.
//
// How the counter is used here: the upper half (c2, c3) names the stream. In the lower half (c0, c1), draws count blocks
// upward from 0 and never reach 2^51, and derived streams take their names from counters with the top bit
// set (`deriveStream`), so that no word is ever used for two purposes.

import type { UniformKernel } from './uniform-kernel.ts';

export const M0 = 0xd2511f53;
export const M1 = 0xcd9e8d57;
export const W0 = 0x9e3779b9;
export const W1 = 0xbb67ae85;

/** Words made at a time. It only trades speed: the words themselves do not depend on it. */
const CHUNK = 64;

/** Two 32-bit words, low word first. */
export type Word64 = readonly [low: number, high: number];

/**
 * The upper 32 bits (as int32) of the 64-bit product of two 32-bit words.
 * Schoolbook on 16-bit halves: a float64 product would lose the low bits that carry.
 */
export function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const cross = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carry = (Math.imul(aLow, bHigh) + (cross & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (cross >>> 16) + (carry >>> 16)) | 0;
}

/** Writes the four words of counter (c0..c3) under the key (k0, k1) to `out[at..at+3]`. Words are int32 or uint32. */
export function philox4x32(
  out: Uint32Array,
  at: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(M0, c0);
    const high0 = mulHigh(c0, M0);
    const low1 = Math.imul(M1, c2);
    const high1 = mulHigh(c2, M1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/**
 * The words of one stream in counter order. Where it stands is one number, the count of words taken: exact to 2^53, which
 * at 10^8 words a second is three years away.
 */
export class WordStream {
  readonly key: Word64;
  readonly stream: Word64;
  readonly #words = new Uint32Array(CHUNK);
  #chunk = -1;
  #lane = CHUNK;

  /** `position`: an integer in [0, 2^53). */
  constructor(key: Word64, stream: Word64, position = 0) {
    this.key = key;
    this.stream = stream;
    if (position > 0) {
      this.#fill(Math.floor(position / CHUNK));
      this.#lane = position % CHUNK;
    }
  }

  /** How many words have been taken since the stream began. */
  get position(): number {
    return this.#chunk * CHUNK + this.#lane;
  }

  /** The next word, an integer in [0, 2^32). */
  next(): number {
    if (this.#lane === CHUNK) {
      this.#fill(this.#chunk + 1);
      this.#lane = 0;
    }
    return this.#words[this.#lane++];
  }

  /** How many words are left of those that have been made. */
  get left(): number {
    return CHUNK - this.#lane;
  }

  /**
   * Writes low + width u, u of 24 random bits each, to `out` from `at` on by vectors, which begin where a chunk does.
   * @returns how many numbers were written and words taken; 0 if the loops must go on from here, as where one number reaches `end`.
   */
  uniforms(
    kernelFor: (n: number) => UniformKernel | undefined,
    out: Float32Array,
    at: number,
    low: number,
    width: number,
    end: number,
  ): number {
    const wanted = out.length - at;
    const kernel = this.#lane === CHUNK && wanted >= CHUNK ? kernelFor(wanted) : undefined;
    if (kernel === undefined) return 0;
    const n = Math.min(wanted - (wanted % CHUNK), kernel.room);
    const block = (this.#chunk + 1) * (CHUNK / 4);
    const counter = [block % 2 ** 32, Math.floor(block / 2 ** 32), ...this.stream];
    const done = counter[0]! + n / 4 <= 2 ** 32 && kernel.draw(out, at, n, counter, this.key, low, width, end);
    if (!done) return 0;
    this.#chunk += n / CHUNK;
    return n;
  }

  /** 53 random bits as a multiple of 2^-53 in [0, 1). Takes two words. */
  unit53(): number {
    const high = this.next() >>> 5;
    return (high * 2 ** 26 + (this.next() >>> 6)) * 2 ** -53;
  }

  /** 52 random bits as an odd multiple of 2^-53: never 0 or 1, and symmetric about 1/2. Takes two words. */
  open52(): number {
    const high = this.next() >>> 6;
    return (2 * (high * 2 ** 26 + (this.next() >>> 6)) + 1) * 2 ** -53;
  }

  /**
   * An integer in [0, span), each equally likely; span in [1, 2^32]. hi(x span) would favour some results whenever span
   * does not divide 2^32; the words whose low product is below 2^32 mod span are the surplus, and are redrawn.
   * Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
   */
  below(span: number): number {
    let word = this.next();
    if (span === 2 ** 32) return word;
    let low = Math.imul(word, span) >>> 0;
    if (low < span) {
      const surplus = (2 ** 32 - span) % span;
      while (low < surplus) {
        word = this.next();
        low = Math.imul(word, span) >>> 0;
      }
    }
    return mulHigh(word, span) >>> 0;
  }

  #fill(chunk: number): void {
    const first = chunk * (CHUNK / 4);
    const [k0, k1] = this.key;
    const [c2, c3] = this.stream;
    for (let block = 0; block < CHUNK / 4; block++) {
      const counter = first + block;
      philox4x32(this.#words, 4 * block, counter >>> 0, Math.floor(counter / 2 ** 32), c2, c3, k0, k1);
    }
    this.#chunk = chunk;
  }
}

/** Marks the counters that name derived streams, one range for each way of deriving. */
export const DERIVE = { fold: 0x80000000, split: 0xc0000000 } as const;

/**
 * The stream that `index` (integer in [0, 2^53)) names under the stream (key, stream), at its beginning. The cipher is one to
 * one, so that different indices of one parent always give different (key, stream).
 */
export function deriveStream(key: Word64, stream: Word64, kind: keyof typeof DERIVE, index: number): WordStream {
  const words = new Uint32Array(4);
  philox4x32(words, 0, index >>> 0, DERIVE[kind] + Math.floor(index / 2 ** 32), stream[0], stream[1], key[0], key[1]);
  return new WordStream([words[0], words[1]], [words[2], words[3]]);
}
