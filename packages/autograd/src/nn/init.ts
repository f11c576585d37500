// Initial weights. With fan_in inputs and fan_out outputs, a layer keeps the variance of what passes through it if its weights
// have variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010), or gain^2 / fan_in ahead of a ReLU (He et al. 2015).

import { type DType, type Rng, rand, type Tensor } from '@gemlab/tensor';
import { ModuleError } from '../errors.ts';

type FloatType = Extract<DType, 'float32' | 'float64'>;

/** [fan_out, fan_in] of a weight [out, in, ...window]. @throws ModuleError below two axes. */
function fans(shape: readonly number[]): [fanOut: number, fanIn: number] {
  if (shape.length < 2) {
    throw new ModuleError(`init: a weight has at least two axes [out, in], found [${shape.join(',')}]`, { shape });
  }
  const window = shape.slice(2).reduce((a, b) => a * b, 1);
  return [shape[0]! * window, shape[1]! * window];
}

/** Uniform on +-sqrt(6 / (fan_in + fan_out)): the paper's initialisation. */
export function xavierUniform(shape: readonly number[], rng: Rng, dtype: FloatType = 'float32'): Tensor {
  const [fanOut, fanIn] = fans(shape);
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return rand(shape, rng, { low: -bound, high: bound, dtype });
}

/** Uniform on +-gain * sqrt(3 / fan_in); the default gain is ReLU's sqrt(2). */
export function kaimingUniform(
  shape: readonly number[],
  rng: Rng,
  dtype: FloatType = 'float32',
  gain: number = Math.SQRT2,
): Tensor {
  const bound = gain * Math.sqrt(3 / fans(shape)[1]);
  return rand(shape, rng, { low: -bound, high: bound, dtype });
}
