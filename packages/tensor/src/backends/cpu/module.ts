/**
 * The few parts of the WebAssembly JavaScript interface that the kernels use, typed here because the packages compile without DOM
 * types, and the scratch memory that a kernel works in. Where WebAssembly, one of its features or the permission to compile
 * (a Content-Security-Policy) is missing, `instantiate` gives undefined and the caller takes its plain loops.
 *
 * Source: https://www.w3.org/TR/wasm-js-api-2/
 */

import { type ModuleBuilder, SHARED_PAGES } from './assembler.ts';

const PAGE = 65536;

export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  /** Adds pages of 64 KiB. The old `buffer` is detached, and every array over it with it, unless threads share the memory. */
  grow(pages: number): number;
}

interface WebAssemblyInterface {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, object>> };
  readonly Memory: new (descriptor: { initial: number; maximum?: number; shared?: boolean }) => WasmMemory;
}

const webAssembly = (globalThis as unknown as { WebAssembly?: WebAssemblyInterface }).WebAssembly;

/** Whether this engine knows every instruction of a module. */
export const isValid = (bytes: Uint8Array<ArrayBuffer>): boolean => webAssembly?.validate(bytes) ?? false;

/** Whether threads can work in this memory. */
export const isShared = ({ buffer }: WasmMemory): boolean =>
  typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer;

/** Compiles a module at once, or undefined where this engine cannot run it. */
const compileModule = (bytes: Uint8Array<ArrayBuffer>): object | undefined => {
  if (webAssembly === undefined) return undefined;
  try {
    return new webAssembly.Module(bytes);
  } catch {
    // An instruction is missing, or the host refuses to compile.
    return undefined;
  }
};

/** What another thread needs to have the functions of a module as well: the code, and these functions in the order of its exports. */
export interface Source {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly functions: readonly unknown[];
}

// Beside each function over a memory that threads can share, where it comes from.
const sources = new WeakMap<object, Source>();

export const sourceOf = (kernel: object): Source | undefined => sources.get(kernel);

/** Compiles a module over `memory` and gives its exports, or undefined where this engine cannot run it. */
export const instantiate = <Exports extends object>(module: ModuleBuilder, memory: WasmMemory): Exports | undefined => {
  const bytes = module.bytes(isShared(memory));
  const compiled = compileModule(bytes);
  if (webAssembly === undefined || compiled === undefined) return undefined;
  const { exports } = new webAssembly.Instance(compiled, { env: { memory } });
  if (isShared(memory)) {
    const functions = Object.values(exports);
    for (const kernel of functions) sources.set(kernel, { bytes, functions });
  }
  return exports as Exports;
};

/**
 * Memory for intermediate values: its own (`createWorkspace`) or a part of one in which tensors live as well, each of them with
 * 16 readable bytes behind it, since vectors are read whole.
 */
export interface Workspace {
  readonly memory: WasmMemory;
  /**
   * The address of `bytes` bytes, 64-byte aligned, with 16 readable bytes behind them; theirs until the next call. May grow the memory.
   * Undefined if there is no room.
   */
  reserve(bytes: number): number | undefined;
}

/** One that threads can share where the host allows it: in a browser, on pages that are isolated from others. */
const createMemory = ({ Memory }: WebAssemblyInterface): WasmMemory => {
  try {
    const memory = new Memory({ initial: 1, maximum: SHARED_PAGES, shared: true });
    if (isShared(memory)) return memory;
  } catch {
    // No shared memory in this engine, or no address space for it.
  }
  return new Memory({ initial: 1 });
};

/** A workspace with a memory of its own that grows to the largest request, or undefined where there is no WebAssembly. */
export const createWorkspace = (): Workspace | undefined => {
  if (webAssembly === undefined) return undefined;
  const memory = createMemory(webAssembly);
  return {
    memory,
    reserve(bytes) {
      const missing = bytes + 16 - memory.buffer.byteLength;
      if (missing <= 0) return 0;
      try {
        memory.grow(Math.ceil(missing / PAGE));
        return 0;
      } catch {
        return undefined;
      }
    },
  };
};
