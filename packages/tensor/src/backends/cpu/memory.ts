// Where the tensors of the cpu's devices live: in the heap if they were made inside of a scope, which gives their blocks back, or are large;
// else, and where there is no WebAssembly or no room, in ordinary typed arrays.

import { arrayType, bytesOf, type DType, type TypedArray } from '../../dtype.ts';
import { BufferPool, inScope, Storage } from '../../storage.ts';
import { createHeap, type Heap, LARGE } from './heap.ts';

/** In bytes. What is uploaded beyond this size would fill the heap: it stays where it is. */
const LARGEST_UPLOAD = 16 * 2 ** 20;

export class CpuMemory {
  readonly #pool = new BufferPool();
  #heap: Heap | null | undefined;

  /** Made when first asked for; null where there is no WebAssembly. */
  get heap(): Heap | null {
    if (this.#heap === undefined) this.#heap = createHeap();
    return this.#heap;
  }

  /** A storage of `length` elements whose contents are undefined: the caller writes every one of them. */
  take(dtype: DType, length: number): Storage {
    const scoped = inScope();
    if (scoped || length * bytesOf(dtype) >= LARGE) {
      const storage = this.heap?.storage(dtype, length);
      if (storage) {
        if (!scoped) storage.outlive();
        if (storage.address >= 0) return storage;
      }
    }
    return scoped ? this.#pool.take(dtype, length) : new Storage(dtype, new (arrayType(dtype))(length));
  }

  /** A storage of one number of its dtype. In a scope no array is made for it. */
  scalar(value: number, dtype: DType): Storage {
    if (!inScope()) return new Storage(dtype, arrayType(dtype).of(value));
    const storage = this.take(dtype, 1);
    if (storage.address >= 0) this.heap!.elements(dtype)[storage.address / bytesOf(dtype)] = value;
    else storage.data[0] = value;
    return storage;
  }

  /** A storage of these elements. The caller no longer touches the array. */
  upload(data: TypedArray, dtype: DType): Storage {
    // What is smaller is copied when a kernel wants it.
    if (data.byteLength < LARGE || data.byteLength > LARGEST_UPLOAD) return new Storage(dtype, data);
    const storage = this.take(dtype, data.length);
    storage.data.set(data);
    return storage;
  }
}
