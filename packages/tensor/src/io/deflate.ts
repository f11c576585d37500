// Deflate (RFC 1951): packs bytes. Repetitions are found by chains of the places where the same three bytes stood before, within 32 KiB; one is
// put off by a byte where the next place has a longer one. Each block then gets the codes that suit it, or is stored as it is
// where codes would take more.

import { codesOf, DISTANCES, END, LENGTHS, LONGEST, ORDER } from './inflate.ts';

const WINDOW = 2 ** 15;
const SHORTEST = 3;
/** Places looked at for a repetition. One as long as ENOUGH is taken without a look at what begins a byte later. */
const CHAIN = 128;
const ENOUGH = 32;
/** Literals and repetitions in a block. */
const BLOCK = 2 ** 16;
/** A stored block tells its length in 16 bits. */
const MOST_STORED = 0xffff;

class BitWriter {
  #out = new Uint8Array(2 ** 12);
  #at = 0;
  #held = 0;
  #count = 0;

  /** The n low bits, n <= 16. */
  put(value: number, n: number): void {
    this.#held |= value << this.#count;
    this.#count += n;
    while (this.#count >= 8) {
      this.#room(1);
      this.#out[this.#at++] = this.#held;
      this.#held >>>= 8;
      this.#count -= 8;
    }
  }

  /** Whole bytes, from the next that begins. */
  bytes(data: Uint8Array): void {
    if (this.#count > 0) this.put(0, 8 - this.#count);
    this.#room(data.length);
    this.#out.set(data, this.#at);
    this.#at += data.length;
  }

  done(): Uint8Array<ArrayBuffer> {
    this.bytes(new Uint8Array(0));
    return this.#out.slice(0, this.#at);
  }

  #room(n: number): void {
    if (this.#at + n <= this.#out.length) return;
    const larger = new Uint8Array(2 * (this.#at + n));
    larger.set(this.#out);
    this.#out = larger;
  }
}

/** Finds repetitions of what stands before. */
class Matcher {
  readonly #data: Uint8Array;
  readonly #latest = new Int32Array(WINDOW).fill(-1);
  readonly #before = new Int32Array(WINDOW);
  #known = 0;
  distance = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** The length of the longest repetition at `at` that is longer than `least`, and sets `distance`; 0 if there is none. */
  find(at: number, least: number): number {
    const data = this.#data;
    const most = Math.min(LONGEST, data.length - at);
    if (most < SHORTEST) return 0;
    this.#learn(at);
    let best = Math.max(least, SHORTEST - 1);
    let found = 0;
    let from = this.#latest[this.#hash(at)]!;
    for (let tries = CHAIN; tries > 0 && from >= 0 && at - from <= WINDOW && best < most; tries--) {
      if (data[from + best] === data[at + best]) {
        let n = 0;
        while (n < most && data[from + n] === data[at + n]) n++;
        if (n > best) {
          best = n;
          found = n;
          this.distance = at - from;
        }
      }
      const next = this.#before[from % WINDOW]!;
      if (next >= from) break;
      from = next;
    }
    return found;
  }

  /** Enters all places before `at`. */
  #learn(at: number): void {
    for (; this.#known < at; this.#known++) {
      const hash = this.#hash(this.#known);
      this.#before[this.#known % WINDOW] = this.#latest[hash]!;
      this.#latest[hash] = this.#known;
    }
  }

  #hash(at: number): number {
    const data = this.#data;
    return ((data[at]! << 10) ^ (data[at + 1]! << 5) ^ data[at + 2]!) & (WINDOW - 1);
  }
}

/** Deflate data that `inflate`, and any other inflater, gives back as `data`; the same for the same data. */
export function deflate(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new BitWriter();
  const matcher = new Matcher(data);
  // A literal has distance 0.
  const [lengths, distances] = [new Uint16Array(BLOCK), new Uint16Array(BLOCK)];
  let [start, at, count] = [0, 0, 0];
  const finish = () => {
    writeBlock(
      out,
      data.subarray(start, at),
      lengths.subarray(0, count),
      distances.subarray(0, count),
      at === data.length,
    );
    start = at;
    count = 0;
  };
  const emit = (length: number, distance: number) => {
    lengths[count] = length;
    distances[count++] = distance;
    at += distance === 0 ? 1 : length;
    if (count === BLOCK || at === data.length) finish();
  };
  let length = matcher.find(at, 0);
  while (at < data.length) {
    const { distance } = matcher;
    const later = length > 0 && length < ENOUGH ? matcher.find(at + 1, length) : 0;
    if (length === 0 || later > 0) {
      emit(data[at]!, 0);
      length = later > 0 ? later : matcher.find(at, 0);
    } else {
      emit(length, distance);
      length = matcher.find(at, 0);
    }
  }
  if (data.length === 0) finish();
  return out.done();
}

function writeBlock(
  out: BitWriter,
  data: Uint8Array,
  lengths: Uint16Array,
  distances: Uint16Array,
  last: boolean,
): void {
  const literalCounts = new Uint32Array(286);
  const distanceCounts = new Uint32Array(30);
  literalCounts[END] = 1;
  let extra = 0;
  for (let i = 0; i < lengths.length; i++) {
    if (distances[i] === 0) literalCounts[lengths[i]!]!++;
    else {
      const [l, d] = [codeOf(LENGTHS, lengths[i]!), codeOf(DISTANCES, distances[i]!)];
      literalCounts[257 + l]!++;
      distanceCounts[d]!++;
      extra += (LENGTHS.bits[l] ?? 0) + DISTANCES.bits[d]!;
    }
  }
  const literals = codeLengths(literalCounts, 15);
  const offsets = codeLengths(distanceCounts, 15);
  const header = describe(literals, offsets);
  const bits = header.bits + extra + costOf(literalCounts, literals) + costOf(distanceCounts, offsets);
  if (bits > 8 * (data.length + 5 * Math.max(1, Math.ceil(data.length / MOST_STORED)))) {
    writeStored(out, data, last);
    return;
  }
  out.put(last ? 1 : 0, 1);
  out.put(2, 2);
  header.write(out);
  const [literalCodes, offsetCodes] = [codesOf(literals), codesOf(offsets)];
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    const distance = distances[i]!;
    if (distance === 0) {
      out.put(literalCodes[length]!, literals[length]!);
      continue;
    }
    const [l, d] = [codeOf(LENGTHS, length), codeOf(DISTANCES, distance)];
    out.put(literalCodes[257 + l]!, literals[257 + l]!);
    out.put(length - (LENGTHS.base[l] ?? LONGEST), LENGTHS.bits[l] ?? 0);
    out.put(offsetCodes[d]!, offsets[d]!);
    out.put(distance - DISTANCES.base[d]!, DISTANCES.bits[d]!);
  }
  out.put(literalCodes[END]!, literals[END]!);
}

function writeStored(out: BitWriter, data: Uint8Array, last: boolean): void {
  for (let at = 0; at === 0 || at < data.length; at += MOST_STORED) {
    const part = data.subarray(at, at + MOST_STORED);
    out.put(last && at + part.length === data.length ? 1 : 0, 1);
    out.put(0, 2);
    const { length } = part;
    out.bytes(Uint8Array.of(length, length >>> 8, ~length, ~length >>> 8));
    out.bytes(part);
  }
}

/** The code whose range holds the amount; 28, which has no range, for the longest length. */
function codeOf({ base }: typeof LENGTHS, amount: number): number {
  if (base === LENGTHS.base && amount === LONGEST) return base.length;
  let [low, high] = [0, base.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (base[middle]! <= amount) low = middle;
    else high = middle;
  }
  return low;
}

const costOf = (counts: Uint32Array, lengths: Uint8Array): number =>
  counts.reduce((bits, count, s) => bits + count * lengths[s]!, 0);

/**
 * The lengths, none above `limit`, of codes that take the fewest bits for symbols that come so often: package-merge, Larmore and
 * Hirschberg, JACM 37 (1990). At least two symbols get a code, as not every inflater takes a single one.
 */
function codeLengths(counts: Uint32Array, limit: number): Uint8Array {
  const lengths = new Uint8Array(counts.length);
  const symbols = Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]!);
  const used = Math.max(2, symbols.filter((s) => counts[s]! > 0).length);
  const leaves = symbols.slice(0, used).map((s) => ({ weight: counts[s]!, symbols: [s] }));
  leaves.reverse();
  let packages = leaves;
  for (let level = 1; level < limit; level++) {
    const pairs = packages.slice(0, packages.length >> 1).map((_, i) => {
      const [a, b] = [packages[2 * i]!, packages[2 * i + 1]!];
      return { weight: a.weight + b.weight, symbols: [...a.symbols, ...b.symbols] };
    });
    packages = [...leaves, ...pairs].sort((a, b) => a.weight - b.weight);
  }
  for (const { symbols: taken } of packages.slice(0, 2 * used - 2)) for (const s of taken) lengths[s]!++;
  return lengths;
}

/** What tells of the codes before a block: how many bits it takes, and what writes it. */
function describe(literals: Uint8Array, offsets: Uint8Array): { bits: number; write(out: BitWriter): void } {
  const used = (lengths: Uint8Array, least: number) => Math.max(least, lengths.findLastIndex((n) => n > 0) + 1);
  const [l, d] = [used(literals, 257), used(offsets, 1)];
  const runs = runsOf([...literals.subarray(0, l), ...offsets.subarray(0, d)]);
  const counts = new Uint32Array(19);
  for (const { symbol } of runs) counts[symbol]!++;
  const own = codeLengths(counts, 7);
  const given = Math.max(4, ORDER.findLastIndex((s) => own[s]! > 0) + 1);
  const bits = 17 + 3 * given + costOf(counts, own) + runs.reduce((sum, run) => sum + run.bits, 0);
  return {
    bits,
    write(out) {
      out.put(l - 257, 5);
      out.put(d - 1, 5);
      out.put(given - 4, 4);
      for (const s of ORDER.slice(0, given)) out.put(own[s]!, 3);
      const codes = codesOf(own);
      for (const run of runs) {
        out.put(codes[run.symbol]!, own[run.symbol]!);
        out.put(run.more, run.bits);
      }
    },
  };
}

interface Run {
  readonly symbol: number;
  /** What its last bits say, and how many these are. */
  readonly more: number;
  readonly bits: number;
}

/** Code lengths one by one, or (16) the last one 3 to 6 times again, or 0 for 3 to 10 (17) or 11 to 138 (18) times. */
function runsOf(lengths: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < lengths.length; ) {
    const value = lengths[i]!;
    let n = 1;
    while (lengths[i + n] === value && n < 138) n++;
    if (value === 0 && n >= 11) runs.push({ symbol: 18, more: n - 11, bits: 7 });
    else if (value === 0 && n >= 3) {
      n = Math.min(n, 10);
      runs.push({ symbol: 17, more: n - 3, bits: 3 });
    } else if (i > 0 && lengths[i - 1] === value && n >= 3) {
      n = Math.min(n, 6);
      runs.push({ symbol: 16, more: n - 3, bits: 2 });
    } else {
      n = 1;
      runs.push({ symbol: value, more: 0, bits: 0 });
    }
    i += n;
  }
  return runs;
}
