// Compressed rows in the heap, and the products of tensors that have them: which views of such a storage are rows of it, or the transpose
// of some.

import type { Operand } from '../../backend.ts';
import type { Spec } from '../../primitives.ts';
import type { Compressed, Packed, Storage } from '../../storage.ts';
import { positions } from '../../view.ts';
import type { Heap } from './heap.ts';
import { compilePack } from './pack-kernel.ts';
import { createSparse, type PackedRows, type Packing, packRows, packTranspose, type Room } from './sparse.ts';

/** The fewest rows whose transpose is worth one: of fewer, its rows have about as many beginnings and ends as elements. */
const SMALLEST_GROUP = 16;

export interface SparseProducts {
  /**
   * Computes a b, plus a bias as in Vectors.matmul, into `result`, or gives false if that is for the dense form: another view, or numbers that
   * are not finite.
   */
  matmul(a: Operand, b: Operand, bias: number, out: Spec, result: Storage): boolean;
  /** Notes the rows of a dense matrix in the heap, if enough of its elements are 0. */
  compressRows(storage: Storage, rows: number, width: number, maxDensity: number): void;
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

  return {
    matmul(a, b, bias, out, result) {
      if (out.dtype !== 'float32' || result.address < 0) return false;
      const compressed = a.storage.compressed!;
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

    compressRows(storage, rows, width, maxDensity) {
      const dense = () => floats(storage);
      const found = noted((room) => packRows(dense, rows, width, maxDensity, room, packing()));
      if (found !== null) storage.compressed = { ...found, transposed: new Map() };
    },
  };
}
