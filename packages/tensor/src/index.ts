// @gemlab/tensor: n-dimensional arrays in pure TypeScript. See README.md for a tour.

export type { Backend, Kernel, Kernels, Operand } from './backend.ts';
export { type CompressOptions, compressRows } from './compress.ts';
export { arange, eye, fromBuffer, full, linspace, ones, type TensorOptions, tensor, zeros } from './create.ts';
export { chooseDevice, type Device, type DeviceChoice, devices, info, setNumThreads } from './device.ts';
export { bernoulli, choice, exponential, rand, randint, randn, randperm, truncatedNormal } from './draw.ts';
export { type DType, isFloat, promote, type TypedArray } from './dtype.ts';
export * as errors from './errors.ts';
export {
  type Bytes,
  type FileFormat,
  FormatError,
  type NamedTensors,
  type ReadOptions,
} from './io/format-error.ts';
export { readNpy, writeNpy } from './io/npy.ts';
export { type ReadNpzOptions, readNpz, writeNpz } from './io/npz.ts';
export { readSafetensors, type Safetensors, writeSafetensors } from './io/safetensors.ts';
export { type ArrayOf, Carrier, type OperandOf } from './ops/carrier.ts';
export type { ConvOptions, ConvTransposeOptions } from './ops/conv.ts';
export { einsum } from './ops/einsum.ts';
export { where } from './ops/elementwise.ts';
export type { ScatterReduction } from './ops/indexing.ts';
export { meshgrid, stack } from './ops/joining.ts';
export { NormalizeOps as ArrayOps, type NormOptions } from './ops/normalize.ts';
export type { AdaptiveSize, AvgPoolOptions, PoolOptions } from './ops/pool.ts';
export type { PadMode } from './ops/rearrange.ts';
export { type Axes, concat, type ReduceOptions } from './ops/reduce.ts';
export type { TriangularOptions } from './ops/solve.ts';
export type { SortOptions } from './ops/sorting.ts';
export type { Padding, PerAxis, WindowOptions } from './ops/spatial.ts';
export type { SliceSpec } from './ops/views.ts';
export { PRIMITIVES, type Primitive, type PrimitiveParams } from './primitives.ts';
export { PrintOptionError, type PrintOptions } from './print.ts';
export { RandomArgumentError, RandomStateError, Rng, type RngState } from './random.ts';
export type { Shape } from './shape.ts';
export { type HoldsStorage, keep, privately, type Storage, scope, storagesOf } from './storage.ts';
export { type Nested, Tensor } from './tensor.ts';
