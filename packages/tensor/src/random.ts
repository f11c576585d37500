// Randomness is an argument. An `Rng` is a key, which never changes, and a position in that key's endless
// sequence of words (philox.ts); there is no global seed and no hidden state. The same seed gives the same
// bits on every JavaScript engine (gaussian.ts says how the normal distribution manages that).
//
// Three rules hold for every method:
//   - A draw takes a count and returns a typed array; one number is `rng.uniform(1)[0]`. (`shuffle` returns an array.) Tensors of
//     draws are made by the functions of draw.ts: rand, randn, randint, ...
//   - Elements are drawn in order, each from the words after the one before: drawing n at once equals drawing in pieces.
//     (A permutation is one draw, and so is a choice without replacement. Words per element: uniform float32 1, float64 2, normal,
//     exponential and bernoulli 2, integers 1; a redraw, where a method says it may redraw, takes as many again.)
//   - `foldIn` and `split` make independent streams. What parent and children draw, and in which order, changes no stream.

import { GemlabError } from './errors.ts';
import { truncatedNormal as drawTruncated, exactLog, normalQuantile } from './gaussian.ts';
import { deriveStream, type Word64, WordStream } from './philox.ts';
import { uniformKernel } from './uniform-kernel.ts';
import { weightedWithoutReplacement, weightedWithReplacement } from './weighted.ts';

/** An argument of an `Rng` method that breaks its rule; `fields` has the values found. */
export class RandomArgumentError extends GemlabError {
  static override readonly name: string = 'RandomArgumentError';
}

/** A saved generator state that is damaged or of another algorithm. */
export class RandomStateError extends GemlabError {
  static override readonly name: string = 'RandomStateError';
}

/** All there is to know of an `Rng`: plain data, the same after JSON. */
export interface RngState {
  readonly algorithm: 'philox4x32-10';
  /** The 64-bit key, low word first. */
  readonly key: Word64;
  /** The name of the stream under that key: the upper half of the counter. */
  readonly stream: Word64;
  /** Words taken so far, in [0, 2^53). */
  readonly position: number;
  /** Children that `split` has made so far, in [0, 2^53). */
  readonly children: number;
}

export type RandomFloat = 'float32' | 'float64';

/** The array that holds a float dtype. */
export type FloatArray<D extends RandomFloat> = D extends 'float32' ? Float32Array : Float64Array;

function check(rule: boolean, message: string, fields: Record<string, unknown>): asserts rule {
  if (!rule) throw new RandomArgumentError(message, fields);
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isWord64(value: unknown): value is Word64 {
  return Array.isArray(value) && value.length === 2 && value.every((word) => isIndex(word) && word < 2 ** 32);
}

/** An array for n draws. Nothing has been drawn yet if there is no memory for it. */
function room<A>(method: string, type: new (n: number) => A, n: number): A {
  try {
    return new type(n);
  } catch {
    throw new RandomArgumentError(`${method}: no memory for ${n} draws`, { n });
  }
}

function floats<D extends RandomFloat>(method: string, n: number, dtype: D): FloatArray<D> {
  check(isIndex(n), `${method}: the count must be a non-negative integer, found ${n}`, { n });
  check(
    dtype === 'float32' || dtype === 'float64',
    `${method}: dtype must be 'float32' or 'float64', found '${dtype}'; for integers use rng.integers`,
    { dtype },
  );
  return room<FloatArray<RandomFloat>>(method, dtype === 'float32' ? Float32Array : Float64Array, n) as FloatArray<D>;
}

/** How many of the weights are not 0. */
function checkWeights(n: number, weights: ArrayLike<number>): number {
  check(weights.length === n, `Rng.choice: wants ${n} weights, one for each integer, found ${weights.length}`, {
    n,
    weights,
  });
  const values = Array.from(weights);
  const wrong = values.find((w) => !(w >= 0 && w < Infinity));
  check(wrong === undefined, `Rng.choice: weights must be finite and not negative, found ${wrong}`, { weights });
  const total = values.reduce((sum, w) => sum + w, 0);
  check(total < Infinity, `Rng.choice: the sum of the weights must be finite, found ${total}`, { weights });
  return values.filter((w) => w > 0).length;
}

/** `value` as the dtype holds it. */
function rounded(value: number, dtype: RandomFloat): number {
  return dtype === 'float32' ? Math.fround(value) : value;
}

export class Rng {
  #words: WordStream;
  #children = 0;

  /** `seed`: an integer in [0, 2^64); a number must be a safe integer. `new Rng(7)` and `new Rng(7n)` are the same generator. */
  constructor(seed: number | bigint) {
    const valid = typeof seed === 'bigint' ? seed >= 0n && seed < 2n ** 64n : isIndex(seed);
    check(valid, `Rng: the seed must be an integer in [0, 2^64), a number up to 2^53 - 1; found ${String(seed)}`, {
      seed,
    });
    const key = BigInt(seed);
    this.#words = new WordStream([Number(key & 0xffffffffn), Number(key >> 32n)], [0, 0]);
  }

  /** n raw words, integers in [0, 2^32). */
  uint32s(n: number): Uint32Array {
    check(isIndex(n), `Rng.uint32s: the count must be a non-negative integer, found ${n}`, { n });
    const out = room('Rng.uint32s', Uint32Array, n);
    for (let i = 0; i < n; i++) out[i] = this.#words.next();
    return out;
  }

  /**
   * n values uniform on [low, high): low + (high - low) u, where u has 24 random bits in float32 and 53 in float64. The bounds
   * are first rounded to the dtype; a value that rounds up to `high` is redrawn.
   */
  uniform<D extends RandomFloat = 'float32'>(n: number, low = 0, high = 1, dtype = 'float32' as D): FloatArray<D> {
    const out = floats('Rng.uniform', n, dtype);
    const from = rounded(low, dtype);
    const to = rounded(high, dtype);
    const width = to - from;
    check(width > 0 && width < Infinity, `Rng.uniform: needs finite low < high in ${dtype}, found [${low}, ${high})`, {
      low,
      high,
      dtype,
    });
    const words = this.#words;
    const draw = (start: number, stop: number): number => {
      for (let i = start; i < stop; i++) {
        do {
          out[i] = from + width * (dtype === 'float32' ? (words.next() >>> 8) * 2 ** -24 : words.unit53());
        } while (out[i] >= to);
      }
      return stop;
    };
    let at = 0;
    if (out instanceof Float32Array) {
      at = draw(0, Math.min(n, words.left));
      for (let more = 1; more > 0; at += more) more = words.uniforms(uniformKernel, out, at, from, width, to);
    }
    draw(at, n);
    return out;
  }

  /** n values of N(mean, std^2), std >= 0, by inversion of 52 random bits (|z| < 8.3). float32 values are the float64 ones, rounded. */
  normal<D extends RandomFloat = 'float32'>(n: number, mean = 0, std = 1, dtype = 'float32' as D): FloatArray<D> {
    const out = floats('Rng.normal', n, dtype);
    check(
      Number.isFinite(mean) && Number.isFinite(std) && std >= 0,
      `Rng.normal: needs a finite mean and a finite std >= 0, found mean = ${mean}, std = ${std}`,
      { mean, std },
    );
    for (let i = 0; i < n; i++) out[i] = mean + std * normalQuantile(this.#words.open52());
    return out;
  }

  /**
   * n values of N(mean, std^2) conditioned on [a, b], std > 0. The bounds are values, not multiples of std; either may be
   * infinite. By default two std to each side. Exact however far in the tail. Redraws; both bounds hold after rounding to the dtype.
   */
  truncatedNormal<D extends RandomFloat = 'float32'>(
    n: number,
    mean = 0,
    std = 1,
    a = mean - 2 * std,
    b = mean + 2 * std,
    dtype = 'float32' as D,
  ): FloatArray<D> {
    const out = floats('Rng.truncatedNormal', n, dtype);
    check(
      Number.isFinite(mean) && Number.isFinite(std) && std > 0,
      `Rng.truncatedNormal: needs a finite mean and a finite std > 0, found mean = ${mean}, std = ${std}`,
      { mean, std },
    );
    const from = rounded(a, dtype);
    const to = rounded(b, dtype);
    const low = (from - mean) / std;
    const high = (to - mean) / std;
    check(
      from < to && low < Infinity && high > -Infinity,
      `Rng.truncatedNormal: needs a < b in ${dtype}, not infinitely many std from the mean; found [${a}, ${b}], mean = ${mean}, std = ${std}`,
      { a, b, mean, std, dtype },
    );
    const uniform = () => this.#words.open52();
    // mean + std z can pass a bound by a rounding error.
    for (let i = 0; i < n; i++) out[i] = Math.min(to, Math.max(from, mean + std * drawTruncated(low, high, uniform)));
    return out;
  }

  /** n waiting times of the given rate, -ln(u) / rate: density rate e^(-rate x), mean 1 / rate. From 52 random bits, so below 37 / rate. */
  exponential<D extends RandomFloat = 'float32'>(n: number, rate = 1, dtype = 'float32' as D): FloatArray<D> {
    const out = floats('Rng.exponential', n, dtype);
    check(rate > 0 && rate < Infinity, `Rng.exponential: the rate must be positive and finite, found ${rate}`, {
      rate,
    });
    for (let i = 0; i < n; i++) out[i] = -exactLog(this.#words.open52()) / rate;
    return out;
  }

  /** n integers of [low, high), each exactly equally likely (rarely redraws); -2^31 <= low < high <= 2^31. */
  integers(n: number, low: number, high: number): Int32Array {
    check(isIndex(n), `Rng.integers: the count must be a non-negative integer, found ${n}`, { n });
    check(
      Number.isInteger(low) && Number.isInteger(high) && -(2 ** 31) <= low && low < high && high <= 2 ** 31,
      `Rng.integers: needs integers -2^31 <= low < high <= 2^31 (high is excluded), found low = ${low}, high = ${high}`,
      { low, high },
    );
    const out = room('Rng.integers', Int32Array, n);
    for (let i = 0; i < n; i++) out[i] = low + this.#words.below(high - low);
    return out;
  }

  /** n bytes, 1 with probability p (to 2^-53) and else 0: how a bool tensor is stored. */
  bernoulli(n: number, p: number): Uint8Array {
    check(isIndex(n), `Rng.bernoulli: the count must be a non-negative integer, found ${n}`, { n });
    check(p >= 0 && p <= 1, `Rng.bernoulli: the probability must be in [0, 1], found ${p}`, { p });
    const out = room('Rng.bernoulli', Uint8Array, n);
    for (let i = 0; i < n; i++) out[i] = this.#words.unit53() < p ? 1 : 0;
    return out;
  }

  /** The integers 0..n-1 in random order, all n! orders equally likely (Fisher and Yates); n <= 2^31. */
  permutation(n: number): Int32Array {
    check(isIndex(n) && n <= 2 ** 31, `Rng.permutation: the length must be an integer in [0, 2^31], found ${n}`, { n });
    const out = room('Rng.permutation', Int32Array, n);
    for (let i = 0; i < n; i++) out[i] = i;
    for (let i = 0; i < n; i++) {
      const j = i + this.#words.below(n - i);
      const taken = out[j];
      out[j] = out[i];
      out[i] = taken;
    }
    return out;
  }

  /**
   * k of the integers 0..n-1 in random order; n <= 2^31. Without replacement, k <= n and the result is the first k of `permutation(n)`,
   * in time and memory that grow with k alone. With replacement it is `integers(k, 0, n)`. With weights, n of them, each choice takes
   * integer i with probability weights[i] / (the sum of the weights left); to 2^-53.
   */
  choice(n: number, k: number, replace = false, weights?: ArrayLike<number>): Int32Array {
    check(isIndex(n) && n <= 2 ** 31, `Rng.choice: the population must be an integer in [0, 2^31], found ${n}`, { n });
    check(isIndex(k), `Rng.choice: the count must be a non-negative integer, found ${k}`, { k });
    const choosable = weights === undefined ? n : checkWeights(n, weights);
    const barred = choosable === n ? '' : `, ${n - choosable} of them with weight 0,`;
    check(
      replace ? choosable > 0 || k === 0 : k <= choosable,
      replace
        ? `Rng.choice: cannot choose ${k} from ${n === 0 ? 'an empty population' : 'weights that are all 0'}`
        : `Rng.choice: cannot choose ${k} of ${n}${barred} without replacement; pass replace = true, or k <= ${choosable}`,
      { n, k, replace },
    );
    if (weights !== undefined && !replace) return weightedWithoutReplacement(this.#words, weights, k);
    const out = room('Rng.choice', Int32Array, k);
    if (weights !== undefined) return weightedWithReplacement(this.#words, weights, out);
    if (replace) {
      for (let i = 0; i < k; i++) out[i] = this.#words.below(n);
      return out;
    }
    // `permutation` on an array that is never made: only the places that differ from 0, 1, 2, ... are held.
    const moved = new Map<number, number>();
    for (let i = 0; i < k; i++) {
      const j = i + this.#words.below(n - i);
      out[i] = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
    }
    return out;
  }

  /** A new array with the items in random order: item `permutation(n)[i]` comes i-th. The argument is left as it is. */
  shuffle<T>(items: ArrayLike<T>): T[] {
    return Array.from(this.permutation(items.length), (from) => items[from]);
  }

  /**
   * The child that `data` (integer in [0, 2^53)) names: a function of this generator's key and stream only, so the same
   * child each time, whatever has been drawn. For streams with a name: an epoch, a task, a layer.
   */
  foldIn(data: number): Rng {
    check(isIndex(data), `Rng.foldIn: the name must be an integer in [0, 2^53), found ${data}`, { data });
    return Rng.#over(deriveStream(this.#words.key, this.#words.stream, 'fold', data), 0);
  }

  /** k new children, k < 2^32, none given out by an earlier `split` or by any `foldIn`. Calls count upward: split(3) gives those of split(1) and split(2). */
  split(k: number): Rng[] {
    check(
      isIndex(k) && k < 2 ** 32 && isIndex(this.#children + k),
      `Rng.split: the number of streams must be a non-negative integer below 2^32, found ${k}`,
      { k },
    );
    const first = this.#children;
    this.#children += k;
    const { key, stream } = this.#words;
    return Array.from({ length: k }, (_, i) => Rng.#over(deriveStream(key, stream, 'split', first + i), 0));
  }

  /** A copy that goes on from here by itself. */
  clone(): Rng {
    return Rng.fromState(this.state);
  }

  get state(): RngState {
    const { key, stream, position } = this.#words;
    return { algorithm: 'philox4x32-10', key: [...key], stream: [...stream], position, children: this.#children };
  }

  /** The state in one line. A generator made from a seed has that as its key, and stream 0. */
  toString(): string {
    const hex = ([low, high]: Word64) => `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`;
    const { algorithm, key, stream, position, children } = this.state;
    return `Rng(${algorithm}, key=${hex(key)}, stream=${hex(stream)}, position=${position}, children=${children})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  /** The generator whose `state` this was, for instance read back from JSON. Throws RandomStateError when it is not one. */
  static fromState(state: unknown): Rng {
    const { algorithm, key, stream, position, children } = (state ?? {}) as Partial<Record<keyof RngState, unknown>>;
    if (algorithm === 'philox4x32-10' && isWord64(key) && isWord64(stream) && isIndex(position) && isIndex(children)) {
      return Rng.#over(new WordStream([...key], [...stream], position), children);
    }
    throw new RandomStateError(
      'Rng.fromState: not a generator state; needs { algorithm: "philox4x32-10", key: [u32, u32], stream: [u32, u32], ' +
        'position: integer >= 0, children: integer >= 0 }, as `rng.state` gives it',
      { state },
    );
  }

  /**
   * Goes to a `state` that this generator was in, or will be: to draw the same again.
   * @throws RandomStateError if it is no state, or one of another key or stream.
   */
  restore(state: RngState): void {
    const other = Rng.fromState(state);
    const name = ({ key, stream }: RngState) => `${key} ${stream}`;
    if (name(other.state) !== name(this.state)) {
      throw new RandomStateError(
        'Rng.restore: the state is of another generator: its key or stream differs; Rng.fromState makes a generator of it',
        { state },
      );
    }
    this.#words = other.#words;
    this.#children = other.#children;
  }

  static #over(words: WordStream, children: number): Rng {
    const rng = new Rng(0);
    rng.#words = words;
    rng.#children = children;
    return rng;
  }
}
