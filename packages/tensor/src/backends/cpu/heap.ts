// Memory for tensors: one WebAssembly memory, so that kernels read operands and write results where they are.
//
// A block begins at a multiple of 64 bytes and has at least 16 readable bytes behind what was asked for, as vectors are read whole.
// Sizes go in a few steps to each doubling, and a block that is given back waits in the list of its size: a loop that asks for the same
// sizes again gets the same blocks, which are in cache. Only before the memory would grow, or more of it would be touched and that has not
// happened for a while, are waiting blocks that lie side by side joined, and others cut from them: so sizes that are asked for no more (a
// batch that grew) leave no holes for good.
//
// What lies here outside of any scope, waiting for the garbage collector, is limited: the collector does not feel it, and inside of a synchronous
// loop does not tell of what it found. To tell the collector is dear, so it is told once of each block, not of each storage that has it:
// a storage holds its block, so that a block lost for everyone, lists included, was lost by a storage that nobody gave back.

import { arrayType, bytesOf, type DType, type TypedArray } from '../../dtype.ts';
import { type Lease, Storage } from '../../storage.ts';
import { createWorkspace, type WasmMemory, type Workspace } from './module.ts';

const PAGE = 65536;
const SLACK = 16;
/** The smallest block: there are four sizes from it to its double, all multiples of 64. */
const SMALLEST = 256;
/** From blocks of 2^FINE bytes on there are eight: rounded up to the next of four, large ones would take a ninth more than they need. */
const FINE = 16;
/** In bytes. Outside of scopes only what is at least so large lies here. */
export const LARGE = 4096;
/** The most that is grown at once beyond what is asked for. */
const STRIDE = 16 * 2 ** 20;
/** So many takes after blocks were joined (several steps of training) they may be again, though there is memory nobody has touched. */
const PERIOD = 4096;

/** The number of the smallest size that holds so many bytes. */
const classOf = (bytes: number): number => {
  const last = Math.max(SMALLEST, bytes + SLACK) - 1;
  const exponent = 31 - Math.clz32(last);
  return 8 * exponent + (((last >>> (exponent - 3)) & 7) | (exponent < FINE ? 1 : 0));
};
const sizeOfClass = (index: number): number => ((index & 7) + 9) * 2 ** ((index >> 3) - 3);

type Elements = { readonly [D in DType]: TypedArray };
const viewsOf = (buffer: ArrayBufferLike): Elements => ({
  float64: new Float64Array(buffer as ArrayBuffer),
  float32: new Float32Array(buffer as ArrayBuffer),
  int32: new Int32Array(buffer as ArrayBuffer),
  bool: new Uint8Array(buffer as ArrayBuffer),
});

/** Memory that nobody uses. */
interface Span {
  address: number;
  size: number;
}

class Block implements Lease {
  readonly #heap: Heap;
  readonly address: number;
  readonly index: number;
  readonly size: number;
  #outlives = false;
  /** The collector knows of it. */
  isWatched = false;

  constructor(heap: Heap, address: number, index: number) {
    this.#heap = heap;
    this.address = address;
    this.index = index;
    this.size = sizeOfClass(index);
  }

  get buffer(): ArrayBufferLike {
    return this.#heap.memory.buffer;
  }

  end(): void {
    if (this.#outlives) this.#heap.waitNoMore(this);
    this.#outlives = false;
    this.#heap.give(this);
  }

  outlive(worth: 'any' | 'large'): boolean {
    if (!this.#outlives) this.#outlives = this.#heap.awaitCollection(this, worth === 'any' ? 0 : LARGE);
    return this.#outlives;
  }
}

export interface HeapOptions {
  /** The most bytes in all; beyond it tensors are ordinary arrays. Default 1 GiB. */
  readonly limit?: number;
  /** The most of them outside of scopes. Default 256 MiB. */
  readonly outside?: number;
}

export class Heap implements Workspace {
  readonly memory: WasmMemory;
  readonly #limit: number;
  readonly #outside: number;
  readonly #free: Block[][] = [];
  /** Of each watched block that is lost: what stands in for it. */
  readonly #collected = new FinalizationRegistry<Block>((heir) => {
    this.waitNoMore(heir);
    this.give(heir);
  });
  /** Joined blocks, by address. */
  #spans: Span[] = [];
  /** Where nobody has been yet. */
  #top = 0;
  #waiting = 0;
  #takes = 0;
  /** How many takes there had been when blocks were last joined. */
  #joinedAt = 0;
  #scratch: Block | null = null;
  #elements: Elements | null = null;
  #seen: ArrayBufferLike | null = null;

  constructor(memory: WasmMemory, { limit = 2 ** 30, outside = 256 * 2 ** 20 }: HeapOptions = {}) {
    this.memory = memory;
    this.#limit = limit;
    this.#outside = outside;
  }

  /** Bytes that have ever been in use, and those that wait for the garbage collector. */
  get bytes(): { readonly reached: number; readonly waiting: number } {
    return { reached: this.#top, waiting: this.#waiting };
  }

  /** The whole memory, as it is now, as elements of one type. */
  elements(dtype: DType): TypedArray {
    const { buffer } = this.memory;
    if (this.#elements === null || buffer !== this.#seen) {
      this.#elements = viewsOf(buffer);
      this.#seen = buffer;
    }
    return this.#elements[dtype];
  }

  /**
   * The elements of a storage as an array over the present buffer, if they lie here: by that, what works in this memory knows it. A storage's own
   * array may be over the buffer of before the memory grew, which threads that share it have kept alive.
   */
  elementsOf({ dtype, length, address, data }: Storage): TypedArray {
    return address < 0 ? data : new (arrayType(dtype))(this.memory.buffer as ArrayBuffer, address, length);
  }

  /** A storage of `length` elements whose contents are undefined, or null if there is no room. */
  storage(dtype: DType, length: number): Storage | null {
    const block = this.take(length * bytesOf(dtype));
    return block && new Storage(dtype, block, length);
  }

  /** A block for as long as someone holds it and has not ended it, or null if there is no room. */
  take(bytes: number): Block | null {
    if (bytes > this.#limit) return null;
    this.#takes++;
    const index = classOf(bytes);
    const block = this.#free[index]?.pop();
    return block ?? this.#cut(index) ?? this.#reach(index) ?? this.#larger(index);
  }

  give(block: Block): void {
    const list = this.#free[block.index];
    if (list === undefined) this.#free[block.index] = [block];
    else list.push(block);
  }

  /** A block comes back when it is collected, at the latest; false if too many wait. */
  awaitCollection(block: Block, least: number): boolean {
    const { size } = block;
    if (size < least || this.#waiting + size > this.#outside) return false;
    this.#waiting += size;
    if (!block.isWatched) {
      this.#collected.register(block, new Block(this, block.address, block.index), block);
      block.isWatched = true;
    }
    return true;
  }

  waitNoMore(block: Block): void {
    this.#waiting -= block.size;
  }

  /** See Workspace. */
  reserve(bytes: number): number | undefined {
    if (this.#scratch === null || this.#scratch.size < bytes + SLACK) {
      this.#scratch?.end();
      this.#scratch = this.take(bytes);
    }
    return this.#scratch?.address;
  }

  /** A block of untouched memory, or of what can be joined. */
  #reach(index: number): Block | null {
    const size = sizeOfClass(index);
    const have = this.memory.buffer.byteLength;
    if (this.#top + size > Math.min(have, this.#limit) || this.#takes - this.#joinedAt > PERIOD) {
      this.#join();
      const cut = this.#cut(index);
      if (cut !== null) return cut;
    }
    const end = this.#top + size;
    if (end > this.#limit) return null;
    if (end > have) {
      const wanted = Math.min(this.#limit, end + Math.min(STRIDE, have));
      try {
        this.memory.grow(Math.ceil((wanted - have) / PAGE));
      } catch {
        return null;
      }
    }
    const block = new Block(this, this.#top, index);
    this.#top = end;
    return block;
  }

  /** A block from the smallest span that has room for it: the larger ones stay whole. */
  #cut(index: number): Block | null {
    const size = sizeOfClass(index);
    let at = -1;
    for (const [i, span] of this.#spans.entries()) {
      if (span.size >= size && (at < 0 || span.size < this.#spans[at]!.size)) at = i;
    }
    if (at < 0) return null;
    const span = this.#spans[at]!;
    const block = new Block(this, span.address, index);
    span.address += size;
    span.size -= size;
    if (span.size === 0) this.#spans.splice(at, 1);
    return block;
  }

  /** Makes spans of all blocks that wait. What lies last goes back to where nobody has been. */
  #join(): void {
    this.#joinedAt = this.#takes;
    const waiting = this.#free.flat();
    // Their memory will be others': the collector is not to give it back.
    for (const block of waiting) if (block.isWatched) this.#collected.unregister(block);
    const blocks = waiting.map(({ address, size }): Span => ({ address, size }));
    this.#free.length = 0;
    const spans: Span[] = [];
    for (const span of [...this.#spans, ...blocks].sort((a, b) => a.address - b.address)) {
      const last = spans.at(-1);
      if (last !== undefined && last.address + last.size === span.address) last.size += span.size;
      else spans.push(span);
    }
    const last = spans.at(-1);
    if (last !== undefined && last.address + last.size === this.#top) {
      this.#top = last.address;
      spans.pop();
    }
    this.#spans = spans;
  }

  /** A block that waits and is larger than need be, but not four times. */
  #larger(index: number): Block | null {
    for (let i = index + 1; i < index + 16; i++) {
      const block = this.#free[i]?.pop();
      if (block) return block;
    }
    return null;
  }
}

/** A heap in a memory of its own, or null where there is no WebAssembly. */
export function createHeap(options: HeapOptions = {}): Heap | null {
  const workspace = createWorkspace();
  return workspace === undefined ? null : new Heap(workspace.memory, options);
}
