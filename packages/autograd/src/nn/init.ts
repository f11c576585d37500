// Initial weights. A weight w [out, in, ...window] has fan_in = in * window inputs to each output and fan_out = out *
// window outputs from each input. What passes through the layer keeps its variance if
//
//     var w = gain^2 * 2 / (fan_in + fan_out)     Glorot & Bengio 2010 ("Xavier"): forward and backward at once
//     var w = gain^2 / fan_in  or  / fan_out      He et al. 2015 ("Kaiming"): forward, or backward
//
// where gain makes up for what the nonlinearity takes away. A uniform on +-b has variance b^2 / 3. Values without such
// a scale are made by full, rand and randn of @gemlab/tensor.

import { concat, type DType, errors, type Rng, rand, randn, scope, type Tensor, tensor } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';

export interface InitOptions {
  /** Default 'float32'. */
  readonly dtype?: Extract<DType, 'float32' | 'float64'>;
}

export interface GainOptions extends InitOptions {
  /** Factor on the standard deviation; see `gain`. */
  readonly gain?: number;
}

export interface KaimingOptions extends GainOptions {
  /**
   * Which fan the variance is divided by: 'fanIn' (default) keeps the forward pass level, 'fanOut' the backward pass.
   */
  readonly mode?: 'fanIn' | 'fanOut';
}

export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';

/**
 * The gain ahead of a nonlinearity, PyTorch's calculate_gain: sqrt(2) for 'relu', sqrt(2 / (1 + slope^2)) for
 * 'leakyRelu', 5/3 for 'tanh', 3/4 for 'selu', else 1.
 */
export function gain(nonlinearity: Nonlinearity, slope = 0.01): number {
  switch (nonlinearity) {
    case 'relu':
      return Math.SQRT2;
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + slope ** 2));
    case 'tanh':
      return 5 / 3;
    case 'selu':
      return 3 / 4;
    case 'linear':
    case 'sigmoid':
      return 1;
  }
}

/** @throws ModuleError below two axes. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  wantMatrix(shape);
  const window = shape.slice(2).reduce((a, b) => a * b, 1);
  return { fanIn: shape[1]! * window, fanOut: shape[0]! * window };
}

function wantMatrix(shape: readonly number[]): void {
  if (shape.length >= 2) return;
  throw new ModuleError(`init: a weight has at least two axes [out, in], found ${errors.shapeText(shape)}`, { shape });
}

function uniform(shape: readonly number[], rng: Rng, std: number, dtype: InitOptions['dtype'] = 'float32'): Tensor {
  const bound = Math.sqrt(3) * std;
  return rand(shape, rng, { low: -bound, high: bound, dtype });
}

const xavierStd = (shape: readonly number[], { gain = 1 }: GainOptions): number => {
  const { fanIn, fanOut } = fans(shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
};

const kaimingStd = (shape: readonly number[], { gain = Math.SQRT2, mode = 'fanIn' }: KaimingOptions): number =>
  gain / Math.sqrt(fans(shape)[mode]);

/** Uniform on +-gain sqrt(6 / (fan_in + fan_out)); the gain is 1 by default. @throws ModuleError below two axes. */
export function xavierUniform(shape: readonly number[], rng: Rng, options: GainOptions = {}): Tensor {
  return uniform(shape, rng, xavierStd(shape, options), options.dtype);
}

/** Normal with variance gain^2 2 / (fan_in + fan_out); the gain is 1 by default. @throws ModuleError below two axes. */
export function xavierNormal(shape: readonly number[], rng: Rng, options: GainOptions = {}): Tensor {
  return randn(shape, rng, { std: xavierStd(shape, options), dtype: options.dtype ?? 'float32' });
}

/** Uniform on +-gain sqrt(3 / fan); the gain is ReLU's sqrt(2) by default. @throws ModuleError below two axes. */
export function kaimingUniform(shape: readonly number[], rng: Rng, options: KaimingOptions = {}): Tensor {
  return uniform(shape, rng, kaimingStd(shape, options), options.dtype);
}

/** Normal with variance gain^2 / fan; the gain is ReLU's sqrt(2) by default. @throws ModuleError below two axes. */
export function kaimingNormal(shape: readonly number[], rng: Rng, options: KaimingOptions = {}): Tensor {
  return randn(shape, rng, { std: kaimingStd(shape, options), dtype: options.dtype ?? 'float32' });
}

export interface TruncatedNormalOptions extends InitOptions {
  readonly mean?: number;
  readonly std?: number;
  /** Values, not multiples of std; by default two std to each side of the mean. */
  readonly low?: number;
  readonly high?: number;
}

/** Normal conditioned on [low, high]. @throws RandomArgumentError (of @gemlab/tensor) unless std > 0 and low < high. */
export function truncatedNormal(shape: readonly number[], rng: Rng, options: TruncatedNormalOptions = {}): Tensor {
  const { mean = 0, std = 1, low = mean - 2 * std, high = mean + 2 * std, dtype = 'float32' } = options;
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(rng.truncatedNormal(size, mean, std, low, high, dtype), { shape });
}

/**
 * gain times a random orthogonal matrix, every one equally likely (Saxe et al. 2014; Mezzadri 2007): of w as [out, in *
 * window] the rows are orthonormal, or the columns where there are fewer of them. The gain is 1 by default.
 * @throws ModuleError below two axes.
 */
export function orthogonal(shape: readonly number[], rng: Rng, options: GainOptions = {}): Tensor {
  wantMatrix(shape);
  const { gain = 1, dtype = 'float32' } = options;
  const rows = shape[0]!;
  const columns = shape.slice(1).reduce((a, b) => a * b, 1);
  return scope(() => {
    const normal = randn([Math.min(rows, columns), Math.max(rows, columns)], rng, { dtype: 'float64' });
    // A second pass repairs what rounding leaves of a nearly singular draw.
    const basis = orthonormal(orthonormal(normal));
    const matrix = rows <= columns ? basis : basis.transpose();
    return matrix.mul(gain).cast(dtype).reshape(shape).copy();
  });
}

/** The rows made orthonormal by Gram and Schmidt's method, half of them at a time. */
function orthonormal(rows: Tensor): Tensor {
  if (rows.shape[0]! <= 1) return rows.div(rows.square().sum().sqrt());
  const half = rows.shape[0]! >> 1;
  const first = orthonormal(rows.slice([0, half]));
  const rest = rows.slice([half]);
  return concat([first, orthonormal(rest.sub(rest.matmul(first.transpose()).matmul(first)))]);
}
