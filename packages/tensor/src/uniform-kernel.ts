/**
 * Uniform numbers by vectors: the cipher of philox.ts on four counters at a time, lane by lane, and of each word
 *
 *   out = low + width (word >>> 8) 2^-24        in float64, rounded to float32
 *
 * The words are the same integers and the roundings those of the loop in random.ts, so the numbers have its bits. A network's first
 * weights are 100,000 of these: to compile this takes a tenth of the time in which an engine gets the loop up to speed.
 */
import {
  advance,
  type Code,
  f32x4,
  f64,
  f64x2,
  i32,
  i32s,
  i32x4,
  i64x2,
  repeat,
  v128,
  wasmModule,
} from './backends/cpu/assembler.ts';
import { createWorkspace, instantiate } from './backends/cpu/module.ts';
import { M0, M1, W0, W1 } from './philox.ts';

/** Numbers made in one call: they fit the first page of a memory. */
const ROOM = 8192;
const WORTH_COMPILING = 4096;

type Words = readonly number[];

export interface UniformKernel {
  /** The most numbers that one call makes. */
  readonly room: number;
  /**
   * Writes n numbers, a multiple of 16, to out[at...]; the first four are of this counter, whose low word does not wrap.
   * @returns false if one of them is `end` or beyond; then nothing is written.
   */
  draw(
    out: Float32Array,
    at: number,
    n: number,
    counter: Words,
    key: Words,
    low: number,
    width: number,
    end: number,
  ): boolean;
}

interface Exports {
  draw(
    n: number,
    out: number,
    c0: number,
    c1: number,
    c2: number,
    c3: number,
    k0: number,
    k1: number,
    low: number,
    width: number,
    end: number,
  ): number;
}

const [EVEN, ODD] = [
  [0, 2, 4, 6],
  [1, 3, 5, 7],
] as const;

const uniforms = () => {
  const module = wasmModule();
  module.func({
    export: 'draw',
    params: { ...i32s('n', 'out', 'c0', 'c1', 'c2', 'c3', 'k0', 'k1'), low: 'f64', width: 'f64', end: 'f32' },
    result: 'i32',
    body: (p, local) => {
      const vectors = (count: number) => Array.from({ length: count }, () => local('v128'));
      const [counter, x0, x1, x2, x3, key0, key1] = vectors(7);
      const [a, b, c, numbers, low, width, end, reached] = vectors(8);
      const rounds = local('i32');
      const splat = (value: number) => i32x4.splat(i32.const(value | 0));
      // Products of 64 bits, of which the odd words are the high ones.
      const times = (x: Code, factor: number): Code => [
        a.set(i64x2.mulLowU32x4(x, splat(factor))),
        b.set(i64x2.mulHighU32x4(x, splat(factor))),
      ];
      const round = [
        times(x0, M0),
        c.set(v128.xor(v128.xor(f32x4.shuffle(a, b, ODD), x3), key1)),
        x3.set(f32x4.shuffle(a, b, EVEN)),
        times(x2, M1),
        x0.set(v128.xor(v128.xor(f32x4.shuffle(a, b, ODD), x1), key0)),
        x1.set(f32x4.shuffle(a, b, EVEN)),
        x2.set(c),
        key0.set(i32x4.add(key0, splat(W0))),
        key1.set(i32x4.add(key1, splat(W1))),
      ];
      const scaled = (words: Code): Code => {
        const unit = f64x2.mul(f64x2.fromLowI32x4(words), f64x2.splat(f64.const(2 ** -24)));
        return f32x4.fromF64x2(f64x2.add(low, f64x2.mul(width, unit)));
      };
      const store = (words: Code, i: number): Code => [
        c.set(i32x4.shrU(words, i32.const(8))),
        numbers.set(f32x4.shuffle(scaled(c), scaled(f32x4.shuffle(c, c, [2, 3, 2, 3])), [0, 1, 4, 5])),
        reached.set(v128.or(reached, f32x4.ge(numbers, end))),
        v128.store(p.out, numbers, 16 * i),
      ];
      // Each lane holds a counter's words: they are stored one counter after another.
      const pairs = (lanes: readonly [number, number, number, number]): Code => [
        a.set(f32x4.shuffle(x0, x1, lanes)),
        b.set(f32x4.shuffle(x2, x3, lanes)),
      ];
      return [
        low.set(f64x2.splat(p.low)),
        width.set(f64x2.splat(p.width)),
        end.set(f32x4.splat(p.end)),
        counter.set(i32x4.splat(p.c0)),
        [1, 2, 3].map((lane) => counter.set(i32x4.withLane(counter, lane, i32.add(p.c0, i32.const(lane))))),
        repeat(p.n, 16, [
          x0.set(counter),
          x1.set(i32x4.splat(p.c1)),
          x2.set(i32x4.splat(p.c2)),
          x3.set(i32x4.splat(p.c3)),
          key0.set(i32x4.splat(p.k0)),
          key1.set(i32x4.splat(p.k1)),
          rounds.set(i32.const(10)),
          repeat(rounds, 1, round),
          pairs([0, 4, 1, 5]),
          store(f32x4.shuffle(a, b, [0, 1, 4, 5]), 0),
          store(f32x4.shuffle(a, b, [2, 3, 6, 7]), 1),
          pairs([2, 6, 3, 7]),
          store(f32x4.shuffle(a, b, [0, 1, 4, 5]), 2),
          store(f32x4.shuffle(a, b, [2, 3, 6, 7]), 3),
          counter.set(i32x4.add(counter, splat(4))),
          advance(p.out, i32.const(64)),
        ]),
        v128.anyTrue(reached),
      ];
    },
  });
  return module;
};

const compile = (): UniformKernel | undefined => {
  const memory = createWorkspace()?.memory;
  const wasm = memory && instantiate<Exports>(uniforms(), memory);
  if (memory === undefined || wasm === undefined) return undefined;
  const numbers = new Float32Array(memory.buffer, 0, ROOM);
  return {
    room: ROOM,
    draw(out, at, n, [c0, c1, c2, c3], [k0, k1], low, width, end) {
      if (wasm.draw(n, 0, c0!, c1!, c2!, c3!, k0!, k1!, low, width, end) !== 0) return false;
      out.set(numbers.subarray(0, n), at);
      return true;
    },
  };
};

let compiled: UniformKernel | null | undefined = null;

/** For n numbers to draw; undefined where the engine has no such vectors, or where the loop is done before they are compiled. */
export const uniformKernel = (n: number): UniformKernel | undefined => {
  if (compiled === null && n >= WORTH_COMPILING) compiled = compile();
  return compiled ?? undefined;
};
