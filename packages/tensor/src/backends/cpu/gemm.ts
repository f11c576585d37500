/**
 * Matrix product on ordinary typed arrays: operands are copied into the memory of the WebAssembly kernels (gemm-kernel.ts), or used
 * where they are if they already live there, and C is copied back.
 *
 * Rows that lie side by side are copied as one block, a transposed operand is copied as it lies and read with its strides, and any
 * other view is gathered element by element. A goes through in runs of rows that stay in cache between copy and use. Products so
 * small that the copies would cost more than they save take the plain loops, which give the same bits, save where the kernels fuse.
 */
import { DeviceError } from '../../errors.ts';
import { compileGemm, type GemmKernel } from './gemm-kernel.ts';
import { type Gemm, gemmLoops } from './gemm-loops.ts';
import { createWorkspace, type WasmMemory, type Workspace } from './module.ts';
import { setTeam, teamOf } from './threads.ts';

export { type Gemm, type Gemm64, gemmLoops, gemmLoops64 } from './gemm-loops.ts';

export interface GemmOptions {
  /** Fused multiply-add where engine and machine have it: faster, but the last bits depend on the machine. Default false. */
  readonly relaxed?: boolean;
  /** Where to work. Operands whose buffer is this memory's are not copied. Default: a memory of its own. */
  readonly workspace?: Workspace;
}

/** A `Gemm` and what it runs on. */
export interface GemmEngine extends Gemm {
  /** What computes the products; asking compiles it. Tiny products take the loops, unless it fuses. */
  readonly kernel: GemmKernel['name'] | 'loops';
  /** That itself, for operands and results that lie in the memory of the workspace; undefined for loops. */
  readonly compiled: GemmKernel | undefined;
  /** How many threads share large work in the memory of the workspace. */
  readonly threads: number;
  /** Puts `size` threads to work in the memory of the workspace. @throws DeviceError where there are none: it says why. */
  setThreads(size: number): Promise<void>;
}

/** Elements of A copied at a time: 256 KiB. */
const CHUNK = 65536;

/** Below this many elements a line is copied faster by a loop than by `set`. */
const SHORT_LINE = 32;

/** Copies a strided matrix as dense rows. */
const copyRows = (
  target: Float32Array,
  at: number,
  source: Float32Array,
  offset: number,
  rows: number,
  columns: number,
  rowStride: number,
  colStride: number,
): void => {
  if (colStride === 1 && rowStride === columns) {
    target.set(source.subarray(offset, offset + rows * columns), at);
  } else if (colStride === 1 && columns >= SHORT_LINE) {
    for (let r = 0; r < rows; r++) {
      const start = offset + r * rowStride;
      target.set(source.subarray(start, start + columns), at + r * columns);
    }
  } else {
    for (let r = 0; r < rows; r++) {
      let from = offset + r * rowStride;
      const end = at + (r + 1) * columns;
      for (let to = end - columns; to < end; to++, from += colStride) target[to] = source[from];
    }
  }
};

/** Where an operand is when the kernels read it, and its strides there in bytes. */
interface Placement {
  readonly as: 'it is' | 'rows' | 'columns';
  readonly row: number;
  readonly col: number;
}

const place = (
  memory: WasmMemory,
  x: Float32Array,
  rows: number,
  columns: number,
  rowStride: number,
  colStride: number,
): Placement => {
  if (x.buffer === memory.buffer) return { as: 'it is', row: 4 * rowStride, col: 4 * colStride };
  if (rowStride === 1 && colStride !== 1) return { as: 'columns', row: 4, col: 4 * rows };
  return { as: 'rows', row: 4 * columns, col: 4 };
};

/** Multiples of the rows of a tile, save a tall one, so that no run but the last ends in a part of one. */
const rowsPerRun = (m: number, k: number): number => Math.min(m, 30 * Math.max(1, Math.floor(CHUNK / 30 / k)));

/** Of fewer multiplications the plain loops are done before the copies are. */
const TINY = 256;

const aligned = (bytes: number): number => 64 * Math.ceil(bytes / 64);

/**
 * A matrix product with its own state: modules compiled at the first call, scratch memory that grows to the largest product.
 * Where WebAssembly vectors are missing it is `gemmLoops`.
 */
export const createGemm = ({ relaxed = false, workspace }: GemmOptions = {}): GemmEngine => {
  const start = () => {
    const space = workspace ?? createWorkspace();
    if (space === undefined) return undefined;
    const kernel = (relaxed ? compileGemm(space.memory, true) : undefined) ?? compileGemm(space.memory, false);
    const tiny = kernel?.name === 'wasm-relaxed-simd' ? 0 : TINY;
    return kernel && { kernel, tiny, space, floats: new Float32Array(space.memory.buffer) };
  };
  let engine: ReturnType<typeof start> | null = null;
  /** What has a memory of its own, for when the workspace has no room. */
  let spare: Gemm | undefined;

  const gemm: Gemm = (m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset) => {
    if (m === 0 || n === 0) return;
    if (engine === null) engine = start();
    if (engine === undefined || m * n * k < engine.tiny) {
      gemmLoops(m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset);
      return;
    }
    const { kernel, space } = engine;
    const { memory } = space;
    const aPlace = place(memory, a, m, k, aRow, aCol);
    const bPlace = place(memory, b, k, n, bRow, bCol);
    const cIsHere = c.buffer === memory.buffer;
    const run = aPlace.as === 'rows' ? rowsPerRun(m, k) : m;
    const kernelBytes = aligned(kernel.scratchBytes(m, n, k, bPlace.col));
    const aBytes = aPlace.as === 'it is' ? 0 : aligned(4 * run * k);
    const bBytes = bPlace.as === 'it is' ? 0 : aligned(4 * k * n);
    const cBytes = cIsHere ? 0 : 4 * run * n;
    // Growing the memory detaches the arrays over it, but moves nothing: addresses are taken before.
    const aHere = a.byteOffset + 4 * aOffset;
    const bHere = b.byteOffset + 4 * bOffset;
    const cHere = c.byteOffset + 4 * cOffset;
    const scratch = space.reserve(kernelBytes + aBytes + bBytes + cBytes);
    if (scratch === undefined) {
      spare ??= workspace === undefined ? gemmLoops : createGemm({ relaxed });
      spare(m, n, k, a, aOffset, aRow, aCol, b, bOffset, bRow, bCol, c, cOffset);
      return;
    }
    if (engine.floats.buffer !== memory.buffer) engine.floats = new Float32Array(memory.buffer);
    const { floats } = engine;

    const aCopy = scratch + kernelBytes;
    const bCopy = aCopy + aBytes;
    const cCopy = bCopy + bBytes;
    if (bPlace.as === 'rows') copyRows(floats, bCopy / 4, b, bOffset, k, n, bRow, bCol);
    if (bPlace.as === 'columns') copyRows(floats, bCopy / 4, b, bOffset, n, k, bCol, bRow);
    if (aPlace.as === 'columns') copyRows(floats, aCopy / 4, a, aOffset, k, m, aCol, aRow);
    const ap = aPlace.as === 'it is' ? aHere : aCopy;
    const bp = bPlace.as === 'it is' ? bHere : bCopy;
    const columns = kernel.columns(m, n, k, bp, bPlace.row, bPlace.col, scratch);
    for (let i = 0; i < m; i += run) {
      const rows = Math.min(run, m - i);
      if (aPlace.as === 'rows') copyRows(floats, aCopy / 4, a, aOffset + i * aRow, rows, k, aRow, aCol);
      const cp = cIsHere ? cHere + 4 * i * n : cCopy;
      kernel.multiply(rows, n, k, ap, aPlace.row, aPlace.col, columns, cp, scratch);
      if (!cIsHere) c.set(floats.subarray(cCopy / 4, cCopy / 4 + rows * n), cOffset + i * n);
    }
  };

  const started = () => {
    if (engine === null) engine = start();
    return engine;
  };
  const threads = () => {
    const at = started();
    return (at && teamOf(at.space.memory)?.size) ?? 1;
  };
  const setThreads = async (size: number): Promise<void> => {
    const at = started();
    if (at !== undefined) await setTeam(at.space.memory, size);
    else if (size > 1) {
      throw new DeviceError('threads: they run WebAssembly vectors, which are missing here', { size });
    }
  };
  return Object.defineProperties(gemm, {
    kernel: { get: () => started()?.kernel.name ?? 'loops' },
    compiled: { get: () => started()?.kernel },
    threads: { get: threads },
    setThreads: { value: setThreads },
  }) as GemmEngine;
};
