// Inflate (RFC 1951): the bytes that deflate packed. A stream is a list of blocks, each of them stored as it is or made of codes: literals, and
// pairs of a length and a distance, which repeat what has been written. A code is read by one look into a table of all that may
// come next, so bits are fetched ahead of it.

/** For each of the codes 257... of lengths, and 0... of distances: the least that it stands for, and how many bits follow that add to it. */
export const LENGTHS = ranges(3, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]);
export const DISTANCES = ranges(
  1,
  [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13],
);
/** In which the lengths of the codes for code lengths come. */
export const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
export const END = 256;
/** The longest repetition has a code of its own, 285. */
export const LONGEST = 258;

function ranges(
  first: number,
  bits: readonly number[],
): { readonly base: readonly number[]; readonly bits: readonly number[] } {
  let next = first;
  const base = bits.map((n) => {
    next += 2 ** n;
    return next - 2 ** n;
  });
  return { base, bits };
}

/**
 * The codes of these lengths (0: none), from the shortest on and among equals in order; RFC 1951, 3.2.2. They are written from their first bit
 * on into words that are read from the low bit on, so each is turned round.
 * @throws Error if there are more codes than fit.
 */
export function codesOf(lengths: ArrayLike<number>): Uint16Array {
  const counts = new Uint16Array(17);
  for (let s = 0; s < lengths.length; s++) counts[lengths[s]! + 1]!++;
  counts[1] = 0;
  const next = new Uint32Array(17);
  for (let n = 1; n <= 16; n++) next[n] = (next[n - 1]! + counts[n]!) * 2;
  const codes = new Uint16Array(lengths.length);
  for (let s = 0; s < lengths.length; s++) {
    const n = lengths[s]!;
    if (n === 0) continue;
    let code = next[n]!++;
    if (code >= 2 ** n) throw new Error('more codes than fit');
    for (let i = 0; i < n; i++, code >>>= 1) codes[s] = (codes[s]! << 1) | (code & 1);
  }
  return codes;
}

/** By the next `bits` bits: what they begin with, as 16 times a symbol plus the length of its code; 0 if no code begins so. */
interface Table {
  readonly bits: number;
  readonly entries: Uint16Array;
}

function tableOf(lengths: ArrayLike<number>): Table {
  const codes = codesOf(lengths);
  let bits = 1;
  for (let s = 0; s < lengths.length; s++) bits = Math.max(bits, lengths[s]!);
  const entries = new Uint16Array(2 ** bits);
  for (let s = 0; s < lengths.length; s++) {
    const n = lengths[s]!;
    if (n > 0) for (let i = codes[s]!; i < entries.length; i += 1 << n) entries[i] = 16 * s + n;
  }
  return { bits, entries };
}

/** The code lengths of blocks that bring none of their own. */
export const FIXED = {
  literals: () => Uint8Array.from({ length: 288 }, (_, s) => (s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8)),
  distances: () => new Uint8Array(30).fill(5),
};

const cutShort = () => new Error('it is cut short');

class Bits {
  readonly #from: Uint8Array;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(from: Uint8Array) {
    this.#from = from;
  }

  /** The next n bits as a number, n <= 16. */
  take(n: number): number {
    this.#fetch(n);
    if (this.#count < n) throw cutShort();
    return this.#drop(n);
  }

  symbol({ bits, entries }: Table): number {
    this.#fetch(bits);
    const entry = entries[this.#held & ((1 << bits) - 1)]!;
    const n = entry & 15;
    if (n === 0) throw new Error('a code that stands for nothing');
    if (n > this.#count) throw cutShort();
    this.#drop(n);
    return entry >>> 4;
  }

  /** Whole bytes, from the next that begins. */
  bytes(n: number): Uint8Array {
    const start = this.#at - (this.#count >>> 3);
    if (start + n > this.#from.length) throw cutShort();
    this.#at = start + n;
    this.#held = 0;
    this.#count = 0;
    return this.#from.subarray(start, start + n);
  }

  #fetch(n: number): void {
    while (this.#count < n && this.#at < this.#from.length) {
      this.#held |= this.#from[this.#at++]! << this.#count;
      this.#count += 8;
    }
  }

  #drop(n: number): number {
    const value = this.#held & ((1 << n) - 1);
    this.#held >>>= n;
    this.#count -= n;
    return value;
  }
}

/**
 * Unpacks into `out`. @returns how many bytes there are; or one more than `out` holds, if there are more than that.
 * @throws Error if this is no deflate data.
 */
export function inflate(packed: Uint8Array, out: Uint8Array): number {
  const bits = new Bits(packed);
  let to = 0;
  for (let last = false; !last; ) {
    last = bits.take(1) === 1;
    const type = bits.take(2);
    if (type === 3) throw new Error('invalid block type');
    to = type === 0 ? copyStored(bits, out, to) : unpackCodes(bits, out, to, type === 1);
    if (to > out.length) return to;
  }
  return to;
}

function copyStored(bits: Bits, out: Uint8Array, to: number): number {
  const [low, high, lowAgain, highAgain] = bits.bytes(4) as unknown as [number, number, number, number];
  const length = low + 256 * high;
  if (length + lowAgain + 256 * highAgain !== 0xffff) throw new Error('a stored block is of two lengths');
  const bytes = bits.bytes(length);
  if (to + length > out.length) return out.length + 1;
  out.set(bytes, to);
  return to + length;
}

function unpackCodes(bits: Bits, out: Uint8Array, start: number, isFixed: boolean): number {
  const [literals, distances] = isFixed ? [tableOf(FIXED.literals()), tableOf(FIXED.distances())] : readTables(bits);
  let to = start;
  for (;;) {
    const symbol = bits.symbol(literals);
    if (symbol < END) {
      if (to === out.length) return to + 1;
      out[to++] = symbol;
      continue;
    }
    if (symbol === END) return to;
    const length = symbol === 285 ? LONGEST : amount(bits, LENGTHS, symbol - 257);
    const distance = amount(bits, DISTANCES, bits.symbol(distances));
    if (distance > to) throw new Error('a distance beyond the start');
    if (to + length > out.length) return out.length + 1;
    if (distance >= length) out.copyWithin(to, to - distance, to - distance + length);
    else for (let i = 0; i < length; i++) out[to + i] = out[to + i - distance]!;
    to += length;
  }
}

function amount(bits: Bits, { base, bits: more }: typeof LENGTHS, code: number): number {
  if (code >= base.length) throw new Error('a code that stands for nothing');
  return base[code]! + bits.take(more[code]!);
}

/** The tables of a block that brings its own: their code lengths, in a code whose lengths come first. */
function readTables(bits: Bits): [literals: Table, distances: Table] {
  const literals = 257 + bits.take(5);
  const all = literals + 1 + bits.take(5);
  const given = 4 + bits.take(4);
  const own = new Uint8Array(19);
  for (let i = 0; i < given; i++) own[ORDER[i]!] = bits.take(3);
  const table = tableOf(own);
  const lengths = new Uint8Array(all);
  for (let i = 0; i < all; ) {
    const symbol = bits.symbol(table);
    if (symbol < 16) {
      lengths[i++] = symbol;
      continue;
    }
    if (symbol === 16 && i === 0) throw new Error('it repeats a code length before the first');
    const times = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7);
    if (i + times > all) throw new Error('more code lengths than codes');
    lengths.fill(symbol === 16 ? lengths[i - 1]! : 0, i, i + times);
    i += times;
  }
  return [tableOf(lengths.subarray(0, literals)), tableOf(lengths.subarray(literals))];
}
