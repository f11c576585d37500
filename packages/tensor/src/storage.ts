// Storage: the flat buffer behind one or more tensors, and the scopes that hand buffers back early.
//
// A tensor is an ordinary value: drop it and the garbage collector takes its buffer in time. But buffers lie outside
// the JavaScript heap, the collector hardly feels them, and a training loop makes thousands. `scope(fn)` therefore
// returns every buffer made inside it to a pool as soon as fn ends, save those in fn's result and those given to `keep`.
// Forgetting a scope costs memory, never correctness; reading a returned buffer is an error that says so.

import { arrayType, type DType, type TypedArray } from './dtype.ts';
import { ScopeError } from './errors.ts';

/** A buffer on loan from a device, which wants it back. */
export interface Lease {
  readonly buffer: ArrayBufferLike;
  /** Where in the buffer it begins. */
  readonly start: number;
  /** The storage will not be used again. */
  end(): void;
}

/** One flat buffer. Several tensors (views) may share it. */
export class Storage {
  readonly dtype: DType;
  readonly length: number;
  #source: TypedArray | Lease | null;

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
    this.#source = source;
    openScopes.at(-1)?.set(this, pool);
  }

  /** The elements. @throws ScopeError if the scope that owned them has ended. */
  get data(): TypedArray {
    if (this.#source === null) {
      throw new ScopeError(
        'this tensor was made inside a scope that has ended, so its storage has been reused; ' +
          'return it from the scope function or pass it to keep() inside the scope',
      );
    }
    if (ArrayBuffer.isView(this.#source)) return this.#source;
    return new (arrayType(this.dtype))(this.#source.buffer as ArrayBuffer, this.#source.start, this.length);
  }

  get released(): boolean {
    return this.#source === null;
  }

  /** Gives the buffer up. Only a scope that owns the storage may call this. */
  release(): TypedArray | null {
    const source = this.#source;
    this.#source = null;
    if (source === null || ArrayBuffer.isView(source)) return source;
    source.end();
    return null;
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

// The scopes being run right now, innermost last. It is the call stack's shadow (scope() is synchronous and pops what it
// pushed even when fn throws), not configuration: nothing outlives the outermost call.
const openScopes: Map<Storage, BufferPool | null>[] = [];

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
  const owned: (typeof openScopes)[number] = new Map();
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
    const parent = openScopes.at(-1);
    for (const storage of walk(result)) {
      const pool = owned.get(storage);
      if (pool === undefined) continue;
      owned.delete(storage);
      parent?.set(storage, pool);
    }
    for (const [storage, pool] of owned) {
      const data = storage.release();
      if (data) pool?.give(storage.dtype, data);
    }
  }
}

/** Takes a value's storages out of every open scope, so that they live as long as the value does. Returns the value. */
export function keep<T>(value: T): T {
  for (const storage of walk(value)) for (const owned of openScopes) owned.delete(storage);
  return value;
}

function* walk(value: unknown): Generator<Storage> {
  if (typeof value !== 'object' || value === null) return;
  if (storagesOf in value) yield* (value as HoldsStorage)[storagesOf]();
  else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) if (typeof item === 'object') yield* walk(item);
}
