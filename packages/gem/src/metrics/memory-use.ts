// How much memory learning takes: the bytes of the numbers that a strategy holds from one step to the next, by holder. A method's share is
// what it must remember: GEM's and replay's samples, EWC's Fisher information and anchors. What a step needs only while it lasts
// (activations, gradients) and what the runtime needs itself is in the process's memory, where the runtime tells it.

import type { Tensor } from '@gemlab/tensor';

/** Bytes. Plain data. */
export interface MemoryUse {
  /** Parameters and buffers. */
  readonly model: number;
  /** Momenta and their like. */
  readonly optimizer: number;
  /** What each plugin remembers, by its name: the tensors of its state. Those of one name are added up. */
  readonly plugins: Readonly<Record<string, number>>;
  readonly total: number;
}

/** The bytes of the elements of tensors, each tensor by itself. */
export const bytesOf = (tensors: Iterable<Tensor>): number =>
  [...tensors].reduce((sum, { size, dtype }) => sum + size * BYTES[dtype], 0);

const BYTES: { readonly [D in Tensor['dtype']]: number } = { float64: 8, float32: 4, int32: 4, bool: 1 };

// What hosts say of the process: Node, and browsers built on Chromium.
interface Host {
  readonly process?: { memoryUsage?(): { readonly rss: number } };
  readonly performance?: { readonly memory?: { readonly usedJSHeapSize: number } };
}

/** Bytes of the whole process (Node: its resident set), or of the page's heap (Chromium); null where the runtime does not tell. */
export function processMemory(host: object = globalThis): number | null {
  const { process, performance } = host as Host;
  return process?.memoryUsage?.().rss ?? performance?.memory?.usedJSHeapSize ?? null;
}
