// Storage: the flat buffer behind one or more tensors, and the scopes that hand buffers back early.
//
// A tensor is an ordinary value: drop it and the garbage collector takes its buffer in time. But buffers lie outside
// the JavaScript heap, the collector hardly feels them, and a training loop makes thousands. `scope(fn)` therefore
// returns every buffer made inside it as soon as fn ends, save those in fn's result and those given to `keep`: they are
// used again at once, while they are in cache. Forgetting a scope costs memory, never correctness; reading a returned
// buffer is an error that says so.

import { arrayType, type DType, type TypedArray } from './dtype.ts';
import { ScopeError } from './errors.ts';

/** A buffer on loan from a device, which wants it back. */
export interface Lease {
  /** The memory it lies in, as it is now: memory that grows gets another buffer. */
  readonly buffer: ArrayBufferLike;
  /** Where in that memory it begins, in bytes; -1 if only the device can read it. */
  readonly address: number;
  /** The storage will not be used again. */
  end(): void;
  /**
   * No scope ends it any more: it goes when the garbage collector takes the storage, which alone holds it.
   * @returns false if it cannot wait so long, or is not worth it; the storage then copies its elements out.
   */
  outlive(worth: 'any' | 'large'): boolean;
}

/** The nonzero elements of the rows of a matrix [rows, width], laid out as the device likes. */
export interface Packed {
  readonly rows: number;
  readonly width: number;
  /** How many elements are not 0. */
  readonly count: number;
  readonly storage: Storage;
}

/** Those of a matrix, and by the first of them those of the transposes of groups of its rows that have been asked for. */
export interface Compressed extends Packed {
  readonly transposed: Map<number, Packed>;
}

/** One flat buffer. Several tensors (views) may share it. */
export class Storage {
  readonly dtype: DType;
  readonly length: number;
  /** Where the elements lie in the memory that kernels share, in bytes; -1 if they are elsewhere. */
  address: number;
  /** True while no one but a parameter and tapes can hold a tensor on this storage (see `privately`). */
  isPrivate = false;
  /** The same elements once more as rows without their zeros, for products: of compressRows, or of relu. It goes when this goes. */
  compressed: Compressed | null = null;
  /** The scope that will release it, or null. */
  owner: Storage[] | null;
  #array: TypedArray | null;
  #lease: Lease | null = null;
  readonly #pool: BufferPool | null;
  /** Of the scopes in which a private storage was used: the outermost that may be open still, and how many were open with it. */
  #usedIn: Storage[] | null = null;
  #usedAt = 0;

  /**
   * Holds a host array, or `length` elements of a leased buffer. Belongs to the innermost open scope, which gives an array to `pool`
   * when it ends (or to the garbage collector), and ends a lease.
   */
  constructor(
    dtype: DType,
    source: TypedArray | Lease,
    length = (source as TypedArray).length,
    pool: BufferPool | null = null,
  ) {
    this.dtype = dtype;
    this.length = length;
    this.#pool = pool;
    if (ArrayBuffer.isView(source)) {
      this.#array = source;
      this.address = -1;
    } else {
      this.#array = null;
      this.#lease = source;
      this.address = source.address;
    }
    const { length: depth } = openScopes;
    this.owner = depth === 0 ? null : openScopes[depth - 1]!;
    if (this.owner !== null) this.owner.push(this);
  }

  /** The elements. @throws ScopeError if the scope that owned them has ended. */
  get data(): TypedArray {
    const array = this.#array;
    if (array !== null && array.length === this.length) return array;
    const lease = this.#lease;
    if (lease === null) throw this.#lost();
    // The first look, or the memory has grown and taken the old view's buffer away.
    this.#array = new (arrayType(this.dtype))(lease.buffer as ArrayBuffer, lease.address, this.length);
    return this.#array;
  }

  get released(): boolean {
    return this.#array === null && this.#lease === null;
  }

  /** @throws ScopeError if the scope that owned the elements has ended. */
  wantAlive(): void {
    if (this.released) throw this.#lost();
  }

  /** Gives the buffer up. Only a scope that owns the storage may call this. */
  release(): void {
    if (this.#lease !== null) this.#lease.end();
    else if (this.#array !== null) this.#pool?.give(this.dtype, this.#array);
    this.#array = null;
    this.#lease = null;
    this.address = -1;
    this.owner = null;
    if (this.compressed === null) return;
    const { storage, transposed } = this.compressed;
    this.compressed = null;
    storage.release();
    for (const part of transposed.values()) part.storage.release();
  }

  /** Takes the storage out of its scope: it lives as long as someone holds it. */
  outlive(worth: 'any' | 'large' = 'large'): void {
    this.owner = null;
    if (this.#lease === null || this.#lease.outlive(worth)) return;
    const array = this.data.slice();
    this.#lease.end();
    this.#lease = null;
    this.address = -1;
    this.#array = array;
  }

  /** Someone may hold a tensor on this storage from now on, for as long as he likes. */
  share(): void {
    this.isPrivate = false;
  }

  /** An op has read this private storage, and what it gave may be held until the scopes that are open now end. */
  use(depth: number = openScopes.length): void {
    if (depth === 0) {
      this.isPrivate = false;
      return;
    }
    const [usedIn, usedAt] = [this.#usedIn, this.#usedAt];
    if (usedIn !== null && usedAt <= depth && openScopes[usedAt - 1] === usedIn) return;
    this.#usedIn = openScopes[depth - 1]!;
    this.#usedAt = depth;
  }

  /** From a new beginning: nobody has used it. @returns false if it lies in no memory that is worth it. */
  makePrivate(): void {
    this.outlive('any');
    this.isPrivate = this.address >= 0;
  }

  /**
   * Its parameter has another value now. If nobody can hold this one it goes back with the scope in which it was last used, or at once if
   * that has ended; else it stays until the garbage collector finds it.
   */
  retire(): void {
    if (!this.isPrivate) return;
    this.isPrivate = false;
    const usedIn = this.#usedIn;
    if (usedIn === null || openScopes[this.#usedAt - 1] !== usedIn) this.release();
    else {
      this.owner = usedIn;
      usedIn.push(this);
    }
  }

  #lost(): ScopeError {
    return new ScopeError(
      'this tensor was made inside a scope that has ended, so its storage has been reused; ' +
        'return it from the scope function or pass it to keep() inside the scope',
    );
  }
}

/** Buffers of one type and length. */
interface Shelf {
  readonly buffers: TypedArray[];
  /** The fewest that lay here at any time in this period: so many have not been needed. */
  idle: number;
}

/** Takes between two looks at what has not been needed: several steps of training. */
const PERIOD = 16_384;

/**
 * Buffers waiting for reuse, by type and exact length: a training loop asks for the same few sizes again and again. The sizes change as
 * tasks come and memories fill, so what has lain unused over a whole period of takes goes to the garbage collector.
 */
export class BufferPool {
  readonly #shelves: { readonly [D in DType]: Map<number, Shelf> } = {
    float64: new Map(),
    float32: new Map(),
    int32: new Map(),
    bool: new Map(),
  };
  readonly #limit: number;
  #bytes = 0;
  #takes = 0;

  /** @param limitBytes the most bytes kept for reuse; beyond it buffers go to the garbage collector. */
  constructor(limitBytes = 256 * 2 ** 20) {
    this.#limit = limitBytes;
  }

  /** The bytes of the buffers that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A storage of `length` elements whose contents are undefined: the caller writes every one of them. */
  take(dtype: DType, length: number): Storage {
    if (++this.#takes % PERIOD === 0) this.#clearOut();
    const shelf = this.#shelves[dtype].get(length);
    const data = shelf?.buffers.pop();
    if (shelf === undefined || data === undefined) {
      return new Storage(dtype, new (arrayType(dtype))(length), length, this);
    }
    shelf.idle = Math.min(shelf.idle, shelf.buffers.length);
    this.#bytes -= data.byteLength;
    return new Storage(dtype, data, length, this);
  }

  give(dtype: DType, data: TypedArray): void {
    if (data.length === 0 || this.#bytes + data.byteLength > this.#limit) return;
    const shelf = this.#shelves[dtype].get(data.length);
    if (shelf) shelf.buffers.push(data);
    else this.#shelves[dtype].set(data.length, { buffers: [data], idle: 0 });
    this.#bytes += data.byteLength;
  }

  #clearOut(): void {
    for (const shelves of Object.values(this.#shelves)) {
      for (const [length, shelf] of shelves) {
        for (const data of shelf.buffers.splice(0, shelf.idle)) this.#bytes -= data.byteLength;
        shelf.idle = shelf.buffers.length;
        if (shelf.buffers.length === 0) shelves.delete(length);
      }
    }
  }
}

// The scopes being run right now, innermost last: what each has to release. It is the call stack's shadow (scope() is
// synchronous and pops what it pushed even when fn throws), not configuration: nothing outlives the outermost call.
const openScopes: Storage[][] = [];

/** True inside of a scope: what is made now will be given back soon. */
export const inScope = (): boolean => openScopes.length > 0;

/** Anything that can name the storages it stands on, so that a scope returning it keeps them. */
export const storagesOf = Symbol('storagesOf');
export interface HoldsStorage {
  [storagesOf](): Iterable<Storage>;
}

/**
 * Runs `fn` and hands back at once every buffer made while it ran, except those that its result (a tensor, a variable, or
 * arrays and plain objects of them) stands on, and those given to `keep`. Scopes nest: what an inner scope
 * returns belongs to the outer one.
 * @throws ScopeError if fn returns a promise: a scope ends when fn returns, so an async fn would lose its tensors.
 */
export function scope<T>(fn: () => T): T {
  return within(fn, (storage, owned) => {
    const depth = openScopes.length;
    if (storage.owner !== owned) {
      // The tape of the result may look at it for as long as the result lives.
      if (storage.isPrivate) storage.use(depth);
    } else if (depth === 0) storage.outlive();
    else {
      storage.owner = openScopes[depth - 1]!;
      storage.owner.push(storage);
    }
  });
}

/**
 * For the engine: runs `fn` in a scope and keeps its result, whose storages made here are private: the caller hands their tensors to
 * no one but ops, calls `share` before it does, `use` for each op that reads them, and `retire` when it replaces them. A loop that
 * makes and retires values thus goes round on the same few buffers. Outside of any scope nothing is private.
 */
export function privately<T>(fn: () => T): T {
  return within(fn, (storage, owned) => {
    if (storage.owner === owned && openScopes.length > 0) storage.makePrivate();
    else if (storage.owner !== null) storage.outlive();
  });
}

/** Runs `fn` in a scope; `rescue` is called for each storage of its result when that scope is closed. */
function within<T>(fn: () => T, rescue: (storage: Storage, owned: Storage[]) => void): T {
  const owned: Storage[] = [];
  openScopes.push(owned);
  let result: T | undefined;
  try {
    result = fn();
    if (result instanceof Promise) {
      // Its own failure, once it reads what it has lost, would only repeat the error thrown here.
      result.catch(() => undefined);
      throw new ScopeError('scope: the function returned a promise; a scope is synchronous, so await outside of it');
    }
    return result;
  } finally {
    openScopes.pop();
    try {
      if (typeof result === 'object' && result !== null) eachStorage(result, (storage) => rescue(storage, owned));
    } finally {
      // A getter of the result may have thrown.
      for (const storage of owned) if (storage.owner === owned) storage.release();
      // A private storage may remember the scope.
      owned.length = 0;
    }
  }
}

/** Takes a value's storages out of every open scope, so that they live as long as the value does. Returns the value. */
export function keep<T>(value: T): T {
  eachStorage(value, (storage) => {
    storage.share();
    if (storage.owner !== null) storage.outlive();
  });
  return value;
}

/**
 * Arrays and plain objects are looked into, and may lead back to themselves: what lies deep in others is looked into once. (Most results are
 * not so deep, and a set for each would cost more than the rest.)
 */
function eachStorage(
  value: unknown,
  visit: (storage: Storage) => void,
  depth = 0,
  seen: Set<object> | null = null,
): void {
  if (typeof value !== 'object' || value === null) return;
  if (storagesOf in value) for (const storage of (value as HoldsStorage)[storagesOf]()) visit(storage);
  else if ((Array.isArray(value) || isPlain(value)) && !seen?.has(value)) {
    const below = depth < 2 ? null : (seen ?? new Set());
    below?.add(value);
    for (const item of Array.isArray(value) ? value : Object.values(value)) eachStorage(item, visit, depth + 1, below);
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
