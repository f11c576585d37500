// Tensors of random draws: each function is a method of Rng (random.ts), which says how the numbers come about, with its result as a
// tensor. They advance the generator; the same generator at the same position gives the same tensor, on every device.
// A call that fails leaves it where it was.

import { type TensorOptions, tensor } from './create.ts';
import { describe } from './describe.ts';
import { backendOf } from './device.ts';
import { DataError, DTypeError } from './errors.ts';
import { type FloatArray, type RandomFloat, Rng } from './random.ts';
import { checkShape, type Shape, sizeOf } from './shape.ts';
import { Tensor } from './tensor.ts';
import { contiguousView } from './view.ts';

/** Independent draws from the uniform distribution on [low, high). @throws DTypeError unless the dtype is a float. */
export function rand(
  shape: Shape,
  rng: Rng,
  { low = 0, high = 1, ...options }: TensorOptions & { readonly low?: number; readonly high?: number } = {},
): Tensor {
  return drawing('rand', rng, () => {
    checkShape('rand', shape);
    const dtype = floatOption('rand', options);
    return floats(rng.uniform(sizeOf(shape), low, high, dtype), shape, dtype, options);
  });
}

/** Independent draws from the normal distribution. @throws DTypeError unless the dtype is a float. */
export function randn(
  shape: Shape,
  rng: Rng,
  { mean = 0, std = 1, ...options }: TensorOptions & { readonly mean?: number; readonly std?: number } = {},
): Tensor {
  return drawing('randn', rng, () => {
    checkShape('randn', shape);
    const dtype = floatOption('randn', options);
    return floats(rng.normal(sizeOf(shape), mean, std, dtype), shape, dtype, options);
  });
}

/**
 * Independent draws from the normal distribution cut off below `low` and above `high`, by default two std from the mean.
 * @throws DTypeError unless the dtype is a float; RandomArgumentError.
 */
export function truncatedNormal(
  shape: Shape,
  rng: Rng,
  options: TensorOptions & {
    readonly mean?: number;
    readonly std?: number;
    readonly low?: number;
    readonly high?: number;
  } = {},
): Tensor {
  return drawing('truncatedNormal', rng, () => {
    checkShape('truncatedNormal', shape);
    const { mean, std, low, high, ...rest } = options;
    const dtype = floatOption('truncatedNormal', rest);
    return floats(rng.truncatedNormal(sizeOf(shape), mean, std, low, high, dtype), shape, dtype, rest);
  });
}

/** Independent draws from the exponential distribution of mean 1 / rate. @throws DTypeError unless the dtype is a float. */
export function exponential(
  shape: Shape,
  rng: Rng,
  { rate = 1, ...options }: TensorOptions & { readonly rate?: number } = {},
): Tensor {
  return drawing('exponential', rng, () => {
    checkShape('exponential', shape);
    const dtype = floatOption('exponential', options);
    return floats(rng.exponential(sizeOf(shape), rate, dtype), shape, dtype, options);
  });
}

/** Independent integers of [low, high), each equally likely; int32 by default. @throws RandomArgumentError unless low < high. */
export function randint(
  shape: Shape,
  rng: Rng,
  { low = 0, high, ...options }: TensorOptions & { readonly low?: number; readonly high: number },
): Tensor {
  return drawing('randint', rng, () => {
    checkShape('randint', shape);
    return tensor(rng.integers(sizeOf(shape), low, high), { ...options, shape });
  });
}

/** Independent truths, true with probability p; bool by default. @throws RandomArgumentError unless 0 <= p <= 1. */
export function bernoulli(
  shape: Shape,
  rng: Rng,
  { p = 0.5, dtype = 'bool', ...options }: TensorOptions & { readonly p?: number } = {},
): Tensor {
  return drawing('bernoulli', rng, () => {
    checkShape('bernoulli', shape);
    return tensor(rng.bernoulli(sizeOf(shape), p), { ...options, dtype, shape });
  });
}

/** The integers 0..n-1 in random order, each order equally likely; int32 by default. @throws RandomArgumentError */
export function randperm(n: number, rng: Rng, options: TensorOptions = {}): Tensor {
  return drawing('randperm', rng, () => tensor(rng.permutation(n), options));
}

/**
 * `count` of the integers 0..n-1, all different unless `replace` is set, equally likely or by `weights` (n numbers that need not
 * add up to 1); int32 by default. To choose rows of x: `x.take(choice(x.shape[0], count, rng), 0)`.
 * @throws RandomArgumentError if there are too few, or the weights are no weights.
 */
export function choice(
  n: number,
  count: number,
  rng: Rng,
  {
    replace = false,
    weights,
    ...options
  }: TensorOptions & { readonly replace?: boolean; readonly weights?: ArrayLike<number> } = {},
): Tensor {
  return drawing('choice', rng, () => tensor(rng.choice(n, count, replace, weights), options));
}

/** The tensor that `make` makes of draws. Where that fails, nothing has been drawn. */
function drawing(op: string, rng: Rng, make: () => Tensor): Tensor {
  if (!(rng instanceof Rng)) {
    throw new DataError(`${op}: draws from an Rng, found ${describe(rng)}; did you mean new Rng(seed)?`, { rng });
  }
  const { state } = rng;
  try {
    return make();
  } catch (error) {
    rng.restore(state);
    throw error;
  }
}

function floatOption(op: string, { dtype = 'float32' }: TensorOptions): 'float32' | 'float64' {
  if (dtype === 'float32' || dtype === 'float64') return dtype;
  throw new DTypeError(`${op}: draws are floats; found dtype '${dtype}'`, { dtype });
}

/** Draws as a tensor, by one copy less than `tensor` makes: nobody else has their array. */
function floats<D extends RandomFloat>(
  draws: FloatArray<D>,
  shape: Shape,
  dtype: D,
  { device }: TensorOptions,
): Tensor {
  const backend = backendOf(device ?? 'cpu');
  return new Tensor(backend, backend.upload(draws, dtype), contiguousView([...shape]));
}
