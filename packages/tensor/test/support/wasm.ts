// Matrices inside one WebAssembly memory, at addresses that are aligned to nothing but their elements, between guard cells; and what
// tests of threads need.

import { expect, vi } from 'vitest';
import {
  advance,
  type Code,
  f32,
  i32,
  type Local,
  repeat,
  type ValueType,
  v128,
  wasmModule,
} from '../../src/backends/cpu/assembler.ts';
import { createWorkspace, instantiate, type WasmMemory } from '../../src/backends/cpu/module.ts';
import type { Team } from '../../src/backends/cpu/threads.ts';

const GUARD = 5;
const MARK = 57;

type FloatArray = Float32Array | Float64Array | Uint8Array | Int32Array;

/** Hands out addresses in a memory of its own; `check` tells whether everything around them is as it was. */
export const createArena = (bytes: number) => {
  const workspace = createWorkspace()!;
  workspace.reserve(bytes);
  const { memory } = workspace;
  let free = 0;
  const guards: FloatArray[] = [];
  const put = <T extends FloatArray>(data: T, shift = 0): T => {
    const make = data.constructor as new (buffer: ArrayBufferLike, start: number, length: number) => T;
    const size = data.BYTES_PER_ELEMENT;
    const start = 16 * Math.ceil(free / 16) + size * shift;
    const all = new make(memory.buffer, start, data.length + 2 * GUARD);
    if (all.byteOffset + all.byteLength > bytes) throw new Error('the arena is too small for this test');
    all.fill(MARK);
    const placed = all.subarray(GUARD, GUARD + data.length) as T;
    placed.set(data as never);
    guards.push(all.subarray(0, GUARD) as T, all.subarray(GUARD + data.length) as T);
    free = all.byteOffset + all.byteLength;
    return placed;
  };
  return {
    memory,
    put,
    /** Throws unless every guard cell is untouched; then forgets all that was put. */
    check: (): void => {
      for (const guard of guards) expect(guard.every((v) => v === MARK)).toBe(true);
      guards.length = 0;
      free = 0;
    },
  };
};

/** Uniform numbers in [-1, 1) times powers of two, from a seed (mulberry32), with NaN, infinities, zeros and subnormals among them. */
export const numbers = (seed: number, special: 'special' | 'finite' = 'finite'): (() => number) => {
  const odd = [Number.NaN, Infinity, -Infinity, -0, 0, 1e-40, -1e-45, 3e38];
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    const bits = (t ^ (t >>> 14)) >>> 0;
    if (special === 'special' && bits % 11 === 0) return odd[(bits >>> 8) % odd.length];
    return (bits / 2 ** 31 - 1) * 2 ** ((bits % 7) - 3);
  };
};

/** The bits of an array, to compare large ones by; of NaN they are nobody's promise. */
export const bitsOf = (array: FloatArray): Buffer =>
  Buffer.from(array.map((v) => (Number.isNaN(v) ? Number.NaN : v)).buffer);

/** Has the asking thread of a team begin late, so that it does not do the parts of the others too. Gives the team's `run`, watched. */
export const hesitate = (team: Team, milliseconds: number) => {
  const run = team.run;
  const clock = new Int32Array(new SharedArrayBuffer(4));
  return vi.spyOn(team, 'run').mockImplementation((part) =>
    run((call, thread) => {
      if (thread === 0) Atomics.wait(clock, 0, 0, milliseconds);
      part(call, thread);
    }),
  );
};

/** A kernel that is easily watched: n elements from `out` on are that value. */
export const compileFill = (memory: WasmMemory): ((n: number, value: number, out: number) => void) => {
  const module = wasmModule();
  module.func({
    export: 'fill',
    params: { n: 'i32', value: 'f32', out: 'i32' },
    body: ({ n, value, out }) => repeat(n, 1, [f32.store(out, value), advance(out, i32.const(4))]),
  });
  return instantiate<{ fill(n: number, value: number, out: number): void }>(module, memory)!.fill;
};

interface Vectors {
  readonly start: Code;
  of(x: Code): Code;
}

/** A function of two lanes of float64 at once, run by itself. */
export const compileMap = (
  make: (local: (type: ValueType) => Local) => Vectors,
): ((a: number, b: number) => number[]) => {
  const { memory } = createArena(32);
  const module = wasmModule();
  module.func({
    export: 'run',
    params: {},
    body: (_, local) => {
      const { start, of } = make(local);
      return [start, v128.store(i32.const(16), of(v128.load(i32.const(0))))];
    },
  });
  const { run } = instantiate<{ run(): void }>(module, memory)!;
  const lanes = new Float64Array(memory.buffer, 0, 4);
  return (a, b) => {
    lanes.set([a, b]);
    run();
    return [...lanes.subarray(2)];
  };
};
