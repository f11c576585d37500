// What this machine can do at most with 128-bit vectors on one core, as WebAssembly has them: kernels of our own that do nothing but the
// arithmetic of a piece of work, or nothing but its memory traffic. A library's time beside these says how much is left to gain.
//
//   GEMM, Gram    as many multiply-adds on registers: x = x c + d for twelve independent x, so that no result is waited for
//   add           c = a | b: two streams read, one written        SGD   a = a | b: one of those read is written
//   sum           x |= a: one stream read

import {
  type Code,
  f32x4,
  i32,
  i32s,
  type Local,
  type ModuleBuilder,
  v128,
  wasmModule,
  whileLoop,
} from '@gemlab/tensor/assembler';
import type { Library, Pieces } from '../library.ts';

/** Independent chains: more than latency (4 cycles each for product and sum) times width (2) leaves idle. */
const CHAINS = 12;
/** Vectors of one round of a traffic kernel. */
const UNROLL = 4;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** x = x c + d, `rounds` times on CHAINS vectors; the results are stored so that they are needed. */
function arithmetic(module: ModuleBuilder, fused: boolean): void {
  module.func({
    export: 'multiplyAdd',
    params: i32s('rounds', 'at'),
    body: ({ rounds, at }, local) => {
      const xs = range(CHAINS).map(() => local('v128'));
      const [c, d] = [local('v128'), local('v128')];
      const next = (x: Local): Code => x.set(fused ? f32x4.relaxedMadd(x, c, d) : f32x4.add(f32x4.mul(x, c), d));
      return [
        c.set(v128.load(at)),
        d.set(v128.load(at, 16)),
        xs.map((x, i) => x.set(v128.load(at, 32 + 16 * i))),
        whileLoop(rounds, [xs.map(next), rounds.set(i32.add(rounds, i32.const(-1)))]),
        xs.map((x, i) => v128.store(at, x, 32 + 16 * i)),
      ];
    },
  });
}

/** `rounds` times UNROLL vectors of the arrays at a, b and c; all three addresses move on together. */
function traffic(module: ModuleBuilder): void {
  const loop = (name: string, body: (a: Local, b: Local, c: Local, xs: readonly Local[]) => Code) =>
    module.func({
      export: name,
      params: i32s('rounds', 'a', 'b', 'c'),
      body: ({ rounds, a, b, c }, local) => {
        const xs = range(UNROLL).map(() => local('v128'));
        return [
          whileLoop(rounds, [
            body(a, b, c, xs),
            [a, b, c].map((p) => p.set(i32.add(p, i32.const(16 * UNROLL)))),
            rounds.set(i32.add(rounds, i32.const(-1))),
          ]),
          xs.map((x, i) => v128.store(c, x, 16 * i)),
        ];
      },
    });
  const both = (a: Local, b: Local, i: number) => v128.or(v128.load(a, 16 * i), v128.load(b, 16 * i));
  loop('readTwoWriteThird', (a, b, c, xs) => xs.map((_, i) => v128.store(c, both(a, b, i), 16 * i)));
  loop('readTwoWriteFirst', (a, b, _, xs) => xs.map((_x, i) => v128.store(a, both(a, b, i), 16 * i)));
  loop('read', (a, _b, _c, xs) => xs.map((x, i) => x.set(v128.or(x, v128.load(a, 16 * i)))));
}

interface Exports {
  multiplyAdd(rounds: number, at: number): void;
  readTwoWriteThird(rounds: number, a: number, b: number, c: number): void;
  readTwoWriteFirst(rounds: number, a: number, b: number, c: number): void;
  read(rounds: number, a: number, b: number, c: number): void;
}

/** @param options 'fused' for multiply-add with one rounding. @throws Error where the engine cannot. */
export function load(options: readonly string[]): Library {
  const fused = options.includes('fused');
  const module = wasmModule();
  arithmetic(module, fused);
  traffic(module);
  const bytes = module.bytes();
  if (!WebAssembly.validate(bytes)) throw new Error(`this engine has no ${fused ? 'relaxed ' : ''}SIMD`);

  const start = (memoryBytes: number) => {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(memoryBytes / 65_536) });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return { memory, wasm: exports as unknown as Exports };
  };
  const compute = (flops: number) => {
    const { memory, wasm } = start(65_536);
    new Float32Array(memory.buffer).fill(0.5);
    const rounds = Math.ceil(flops / (2 * 4 * CHAINS));
    return { run: () => wasm.multiplyAdd(rounds, 0), check: () => [] };
  };
  const move = (n: number, which: Exclude<keyof Exports, 'multiplyAdd'>) => {
    const rounds = Math.ceil(n / (4 * UNROLL));
    const array = 16 * UNROLL * rounds + 64;
    const { memory, wasm } = start(3 * array + 64 * UNROLL);
    new Float32Array(memory.buffer).fill(0.5);
    return { run: () => wasm[which](rounds, 0, array, 2 * array), check: () => [] };
  };
  const arithmeticPieces: Pieces = {
    gemm: (_, { m, n, k }) => compute(2 * m! * n! * k!),
  };
  const trafficPieces: Pieces = {
    add: (_, { n }) => move(n!, 'readTwoWriteThird'),
    sgd: (_, { n }) => move(n!, 'readTwoWriteFirst'),
    sum: (_, { n }) => move(n!, 'read'),
  };
  return {
    about: { computes: fused ? '128-bit multiply-adds, fused' : '128-bit multiply and add; memory traffic alone' },
    pieces: fused ? arithmeticPieces : { ...arithmeticPieces, ...trafficPieces },
  };
}
