// Compressed rows in the heap, and the products of tensors that have them: which views of such a storage are rows of it, or the transpose
// of some. Matrices get them because someone asks (compressRows), or by themselves where relu made them: half of the elements may be 0, or more,
// so the first product that would gain by it looks.

import type { Operand } from '../../backend.ts';
import type { Spec } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import type { Compressed, Packed, Storage } from '../../storage.ts';
import { positions } from '../../view.ts';
import type { Heap } from './heap.ts';
import { compilePack } from './pack-kernel.ts';
import { createSparse, type PackedRows, type Packing, packRows, packTranspose, type Room } from './sparse.ts';
import { teamOf } from './threads.ts';

/** The fewest rows whose transpose is worth one: of fewer, its rows have about as many beginnings and ends as elements. */
const SMALLEST_GROUP = 16;

/** What relu made is looked at unasked if it has so many elements, for a product with so many columns for each thread: one thread looks. */
const LEAST_ELEMENTS = 2 ** 14;
const LEAST_COLUMNS = 48;

/** If a larger share of them is not 0, one product gains no more than it takes to compress them. */
const RECTIFIED_DENSITY = 0.45;

export interface SparseProducts {
  /**
   * Computes a b, plus a bias as in Vectors.matmul, into `result`, or gives false if that is for the dense form: another view, or numbers that
   * are not finite.
   */
  matmul(a: Operand, b: Operand, bias: number, out: Spec, result: Storage): boolean;
  /** Notes the rows of a dense matrix in the heap, if enough of its elements are 0. */
  compressRows(storage: Storage, rows: number, width: number, maxDensity: number): void;
  /** Tells that relu made, or is about to make, this. */
  rectified(result: Storage, out: Spec): void;
}

export function createSparseProducts(heap: Heap, relaxed: boolean): SparseProducts {
  const engine = createSparse({ relaxed, workspace: heap });
  let compiled: Packing | null | undefined;
  /** Compiled when first asked for. */
  const packing = (): Packing | null => {
    if (compiled === undefined) {
      const kernel = compilePack(heap.memory);
      compiled = kernel ? { memory: heap.memory, kernel } : null;
    }
    return compiled;
  };
  /** What `pack` makes in room that lives as long as the storage it is noted in; null if it makes nothing. */
  const noted = (pack: (room: Room) => PackedRows | null): Packed | null => {
    let storage: Storage | null = null;
    const found = pack((length) => {
      storage = heap.storage('float32', length);
      storage?.outlive('any');
      return storage !== null && storage.address >= 0 ? (storage.data as Float32Array) : null;
    });
    if (found === null) return null;
    const { data: _, ...of } = found;
    return { ...of, storage: storage! };
  };
  const floats = (storage: Storage) => heap.elementsOf(storage) as Float32Array;
  const packed = ({ storage, ...of }: Packed): PackedRows => ({ ...of, data: floats(storage) });
  /**
   * The transpose of k rows, made for the first product with it: they are often multiplied in groups, and always in the same. Those of other
   * groups that share rows with this one give way, so all together are no more than the rows.
   */
  const transposeOf = (compressed: Compressed, first: number, k: number): Packed | null => {
    const { transposed } = compressed;
    const known = transposed.get(first);
    if (known?.width === k) return known;
    for (const [start, { width, storage }] of transposed) {
      if (start + width <= first || first + k <= start) continue;
      storage.release();
      transposed.delete(start);
    }
    const made = noted((room) => packTranspose(() => packed(compressed), first, k, room, packing()));
    if (made !== null) transposed.set(first, made);
    return made;
  };

  const compressRows: SparseProducts['compressRows'] = (storage, rows, width, maxDensity) => {
    const dense = () => floats(storage);
    const found = noted((room) => packRows(dense, rows, width, maxDensity, room, packing()));
    if (found !== null) storage.compressed = { ...found, transposed: new Map() };
  };
  /** Of matrices that relu made and nobody looked at: their widths. */
  const unseen = new WeakMap<Storage, number>();
  /** Compresses the matrix for a product of its rows with so many columns, if relu made it and that pays. */
  const look = ({ storage, shape, strides }: Operand, columns: number): Compressed | null => {
    if (storage.length < LEAST_ELEMENTS || columns < LEAST_COLUMNS * (teamOf(heap.memory)?.size ?? 1)) return null;
    const width = unseen.get(storage);
    if (width === undefined || sizeOf(shape) < storage.length || strides.at(-1) !== 1) return null;
    unseen.delete(storage);
    compressRows(storage, storage.length / width, width, RECTIFIED_DENSITY);
    return storage.compressed;
  };

  return {
    matmul(a, b, bias, out, result) {
      if (out.dtype !== 'float32' || result.address < 0) return false;
      const compressed = a.storage.compressed ?? look(a, out.shape.at(-1)!);
      if (compressed === null) return false;
      const { width } = compressed;
      const [m, n, k] = [out.shape.at(-2)!, out.shape.at(-1)!, a.shape.at(-1)!];
      const [row, col] = [a.strides.at(-2)!, a.strides.at(-1)!];
      const areRows = k === width && row === width && col === 1;
      const areColumns = m === width && row === 1 && col === width && k >= SMALLEST_GROUP;
      if (!(areRows || areColumns)) return false;
      const stacks = (x: Operand) => positions({ shape: x.shape.slice(0, -2), strides: x.strides, offset: x.offset });
      const startsB = stacks(b);
      let offset = 0;
      for (const startA of stacks(a)) {
        const startB = startsB.next().value as number;
        if (startA % width !== 0) return false;
        const first = startA / width;
        const elements = areRows ? compressed : transposeOf(compressed, first, k);
        if (elements === null) return false;
        const right = {
          data: floats(b.storage),
          offset: startB,
          row: b.strides.at(-2)!,
          col: b.strides.at(-1)!,
        };
        const target = { data: floats(result), offset, bias };
        const done = engine.rowsTimes(packed(elements), areRows ? first : 0, m, n, right, target);
        if (!done) return false;
        offset += m * n;
      }
      return true;
    },

    compressRows,
    rectified(result, { shape, dtype }) {
      if (result.length < LEAST_ELEMENTS || result.address < 0 || shape.length !== 2 || dtype !== 'float32') return;
      unseen.set(result, shape[1]!);
    },
  };
}
