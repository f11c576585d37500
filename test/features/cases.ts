// One call of every public op: what FEATURES.md is measured on. A new op is one line here, under the name that users call it by:
//
//     name: on([x, y], (x, y) => x.name(y)),           a method or function of tensors; it runs on Tensors and on Variables alike
//     name: made((options) => name([2, 3], options)),  a function that makes a tensor of no other
//
// The inputs are float64, save indices (int32) and masks (bool), and lie off the kinks by more than gradcheck's stencil of 0.01. They are
// cast to every dtype, to see which of them the op takes. A result that is no single tensor is read by the case: `.values`, `[0]`.

import * as gemlab from '@gemlab/tensor';
import { type ArrayOps, Rng, type Tensor, type TensorOptions, tensor } from '@gemlab/tensor';

export interface Case {
  readonly inputs: readonly Tensor[];
  readonly run: <T extends ArrayOps<T>>(...inputs: T[]) => T;
}
export type Maker = (options: TensorOptions) => Tensor;

const on = (inputs: readonly Tensor[], run: Case['run']): Case => ({ inputs, run });
const made = (make: Maker): Maker => make;

const floats = (data: number[] | number[][] | number[][][]) => tensor(data, { dtype: 'float64' });
const ints = (data: number[] | number[][]) => tensor(data, { dtype: 'int32' });

const x = floats([
  [0.3, -1.2, 2.1],
  [-0.7, 1.6, 0.9],
]);
const y = floats([
  [1.1, 0.8, -1.4],
  [-2.3, 0.5, 1.7],
]);
/** In (-1, 1), in (0, 3), and above 1. */
const small = floats([
  [0.3, -0.6, 0.1],
  [-0.2, 0.7, 0.45],
]);
const positive = floats([
  [0.3, 1.2, 2.1],
  [0.7, 1.6, 0.9],
]);
const above1 = positive.add(1);
const mask = tensor([
  [true, false, true],
  [false, false, true],
]);
const index = ints([[2, 0, 0]]);
const tuples = ints([
  [1, -1],
  [0, 0],
]);
/** Has an inverse as integers and as truths too. */
const regular = floats([
  [2.1, 0.4],
  [0, -1.3],
]);

/** All different, by more than the stencil: at most 61 of them. */
const scattered = (shape: readonly number[], salt = 37) => {
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Array.from({ length: n }, (_, i) => ((i * salt + n) % 61) / 10 - 3.05),
    { dtype: 'float64', shape },
  );
};
const [line, image, volume] = [
  [2, 2, 5],
  [2, 2, 3, 4],
  [1, 2, 3, 2, 3],
].map((shape) => scattered(shape)) as [Tensor, Tensor, Tensor];
const [filter1, filter2, filter3] = [
  [2, 2, 2],
  [2, 2, 2, 2],
  [2, 2, 2, 1, 2],
].map((shape) => scattered(shape, 23)) as [Tensor, Tensor, Tensor];
const channels = tensor([0.8, -1.3], { dtype: 'float64' });
const ramp = tensor([1, 2, 4, 3, -1], { dtype: 'float64' });

export const methods: { readonly [name: string]: Case } = {
  cast: on([x], (x) => x.cast('float64')),

  reshape: on([x], (x) => x.reshape([3, 2])),
  flatten: on([x], (x) => x.flatten()),
  permute: on([x], (x) => x.permute([1, 0])),
  transpose: on([x], (x) => x.transpose()),
  moveAxis: on([x], (x) => x.moveAxis(0, 1)),
  squeeze: on([floats([[0.3, 0.2]])], (x) => x.squeeze()),
  unsqueeze: on([x], (x) => x.unsqueeze(1)),
  expand: on([x], (x) => x.expand([2, 2, 3])),
  slice: on([x], (x) => x.slice(1, [null, null, -2])),
  flip: on([x], (x) => x.flip()),
  split: on([x], (x) => x.split([1, 2], 1)[1]!),
  chunk: on([x], (x) => x.chunk(2, 1)[1]!),
  unbind: on([x], (x) => x.unbind()[1]!),

  add: on([x, y], (x, y) => x.add(y)),
  sub: on([x, y], (x, y) => x.sub(y)),
  mul: on([x, y], (x, y) => x.mul(y)),
  div: on([x, y], (x, y) => x.div(y)),
  pow: on([positive, y], (x, y) => x.pow(y)),
  mod: on([x, y], (x, y) => x.mod(y)),
  maximum: on([x, y], (x, y) => x.maximum(y)),
  minimum: on([x, y], (x, y) => x.minimum(y)),
  atan2: on([x, y], (x, y) => x.atan2(y)),
  hypot: on([x, y], (x, y) => x.hypot(y)),
  neg: on([x], (x) => x.neg()),
  abs: on([x], (x) => x.abs()),
  sign: on([x], (x) => x.sign()),
  floor: on([x], (x) => x.floor()),
  ceil: on([x], (x) => x.ceil()),
  round: on([x], (x) => x.round()),
  trunc: on([x], (x) => x.trunc()),
  relu: on([x], (x) => x.relu()),
  exp: on([x], (x) => x.exp()),
  expm1: on([x], (x) => x.expm1()),
  exp2: on([x], (x) => x.exp2()),
  log: on([positive], (x) => x.log()),
  log1p: on([positive], (x) => x.log1p()),
  log2: on([positive], (x) => x.log2()),
  log10: on([positive], (x) => x.log10()),
  sqrt: on([positive], (x) => x.sqrt()),
  sin: on([x], (x) => x.sin()),
  cos: on([x], (x) => x.cos()),
  tan: on([small], (x) => x.tan()),
  asin: on([small], (x) => x.asin()),
  acos: on([small], (x) => x.acos()),
  atan: on([x], (x) => x.atan()),
  sinh: on([x], (x) => x.sinh()),
  cosh: on([x], (x) => x.cosh()),
  tanh: on([x], (x) => x.tanh()),
  asinh: on([x], (x) => x.asinh()),
  acosh: on([above1], (x) => x.acosh()),
  atanh: on([small], (x) => x.atanh()),
  sigmoid: on([x], (x) => x.sigmoid()),
  erf: on([x], (x) => x.erf()),
  erfc: on([x], (x) => x.erfc()),
  square: on([x], (x) => x.square()),
  reciprocal: on([y], (x) => x.reciprocal()),
  rsqrt: on([positive], (x) => x.rsqrt()),
  clamp: on([x], (x) => x.clamp(-1, 1)),
  eq: on([x, y], (x, y) => x.eq(y)),
  ne: on([x, y], (x, y) => x.ne(y)),
  lt: on([x, y], (x, y) => x.lt(y)),
  le: on([x, y], (x, y) => x.le(y)),
  gt: on([x, y], (x, y) => x.gt(y)),
  ge: on([x, y], (x, y) => x.ge(y)),
  logicalNot: on([x], (x) => x.logicalNot()),
  logicalAnd: on([x, y], (x, y) => x.logicalAnd(y)),
  logicalOr: on([x, y], (x, y) => x.logicalOr(y)),
  logicalXor: on([x, y], (x, y) => x.logicalXor(y)),
  isNan: on([x], (x) => x.isNan()),
  isInf: on([x], (x) => x.isInf()),
  isFinite: on([x], (x) => x.isFinite()),

  leakyRelu: on([x], (x) => x.leakyRelu()),
  relu6: on([x], (x) => x.relu6()),
  elu: on([x], (x) => x.elu()),
  celu: on([x], (x) => x.celu({ alpha: 2 })),
  selu: on([x], (x) => x.selu()),
  gelu: on([x], (x) => x.gelu().add(x.gelu({ approximate: 'tanh' }))),
  silu: on([x], (x) => x.silu()),
  mish: on([x], (x) => x.mish()),
  softplus: on([x], (x) => x.softplus()),
  logSigmoid: on([x], (x) => x.logSigmoid()),
  softsign: on([x], (x) => x.softsign()),
  hardSigmoid: on([x], (x) => x.hardSigmoid()),
  hardSwish: on([x], (x) => x.hardSwish()),

  sum: on([x], (x) => x.sum(0)),
  max: on([x], (x) => x.max(1)),
  min: on([x], (x) => x.min(1)),
  mean: on([x], (x) => x.mean(0)),
  prod: on([x], (x) => x.prod(1)),
  var: on([x], (x) => x.var(1)),
  std: on([x], (x) => x.std(1)),
  norm: on([x], (x) => x.norm(2, 1).add(x.norm(1, 1)).add(x.norm(3, 1)).add(x.norm(Infinity, 1))),
  any: on([x], (x) => x.any(1)),
  all: on([x], (x) => x.all(1)),
  argmax: on([x], (x) => x.argmax(1)),
  argmin: on([x], (x) => x.argmin(1)),
  cumsum: on([x], (x) => x.cumsum(1)),
  cumprod: on([x], (x) => x.cumprod(1)),
  logSumExp: on([x], (x) => x.logSumExp(1)),
  softmax: on([x], (x) => x.softmax()),
  logSoftmax: on([x], (x) => x.logSoftmax()),

  argsort: on([x], (x) => x.argsort()),
  sort: on([x], (x) => x.sort()),
  topk: on([x], (x) => x.topk(2).values),
  quantile: on([x], (x) => x.quantile([0.2, 0.7], 1)),
  median: on([x], (x) => x.median()),

  matmul: on([x, y], (x, y) => x.matmul(y.transpose())),
  linear: on([x, y, y.slice(null, 0)], (x, w, b) => x.linear(w, b)),
  dot: on([x, y], (x, y) => x.dot(y.transpose())),
  outer: on([x, y], (x, y) => x.flatten().outer(y.slice(0))),
  diagonal: on([x], (x) => x.diagonal(1)),
  trace: on([x], (x) => x.trace()),
  diag: on([x], (x) => x.slice(0).diag()),
  triu: on([x], (x) => x.triu()),
  tril: on([x], (x) => x.tril()),

  cholesky: on([regular], (x) => x.matmul(x.transpose()).cholesky()),
  solve: on([regular, x], (a, b) => a.solve(b)),
  inv: on([regular], (x) => x.inv()),
  det: on([regular], (x) => x.det()),
  triangularSolve: on([regular, x], (a, b) => a.triangularSolve(b, { upper: true })),

  roll: on([x], (x) => x.roll(1, 1)),
  tile: on([x], (x) => x.tile(2)),
  repeatInterleave: on([x], (x) => x.repeatInterleave([0, 2, 1], 1)),

  nonzero: on([x], (x) => x.nonzero()),
  maskedSelect: on([x, mask], (x, mask) => x.maskedSelect(mask)),
  maskedFill: on([x, mask], (x, mask) => x.maskedFill(mask, 3)),
  maskedScatter: on([x, mask, y], (x, mask, y) => x.maskedScatter(mask, y)),

  gather: on([x, index], (x, index) => x.gather(1, index)),
  scatter: on([x, index, y.slice([0, 1])], (x, index, y) => x.scatter(1, index, y)),
  scatterAdd: on([x, index, y.slice([0, 1])], (x, index, y) => x.scatterAdd(1, index, y)),
  scatterReduce: on([x, index, y.slice([0, 1])], (x, index, y) => x.scatterReduce(1, index, y, 'prod')),
  take: on([x, tuples], (x, index) => x.take(index)),
  gatherND: on([x, tuples], (x, index) => x.gatherND(index)),
  scatterND: on([x, tuples, y.slice(0, [0, 2])], (x, index, y) => x.scatterND(index, y)),
  indexSelect: on([x, ints([2, 0, 2])], (x, index) => x.indexSelect(1, index)),
  pad: on([x], (x) =>
    x.pad(
      [
        [1, 0],
        [0, 2],
      ],
      3,
    ),
  ),
  oneHot: on([ints([2, 0])], (x) => x.oneHot(3)),

  slidingWindows: on([x], (x) => x.slidingWindows(2, 1)),
  unfold: on([line], (x) => x.unfold(2, { stride: 2 })),
  fold: on([line.slice(null, null, [1])], (x) => x.fold([5], 2)),

  conv1d: on([line, filter1, channels], (x, w, bias) => x.conv1d(w, { bias })),
  conv2d: on([image, filter2, channels], (x, w, bias) => x.conv2d(w, { bias, padding: 1, stride: 2 })),
  conv3d: on([volume, filter3, channels], (x, w, bias) => x.conv3d(w, { bias })),
  convTranspose1d: on([line, filter1, channels], (x, w, bias) => x.convTranspose1d(w, { bias })),
  convTranspose2d: on([image, filter2, channels], (x, w, bias) => x.convTranspose2d(w, { bias, padding: 1 })),
  convTranspose3d: on([volume, filter3, channels], (x, w, bias) => x.convTranspose3d(w, { bias })),

  maxPool1d: on([line], (x) => x.maxPool1d(2)),
  maxPool2d: on([image], (x) => x.maxPool2d(2, { stride: 1, padding: 1 })),
  maxPool3d: on([volume], (x) => x.maxPool3d(2)),
  maxPool1dWithIndices: on([line], (x) => x.maxPool1dWithIndices(2).values),
  maxPool2dWithIndices: on([image], (x) => x.maxPool2dWithIndices(2).values),
  maxPool3dWithIndices: on([volume], (x) => x.maxPool3dWithIndices(2).values),
  avgPool1d: on([line], (x) => x.avgPool1d(2)),
  avgPool2d: on([image], (x) => x.avgPool2d(2, { padding: 1, countIncludePad: false })),
  avgPool3d: on([volume], (x) => x.avgPool3d(2)),
  lpPool1d: on([line], (x) => x.lpPool1d(2, 2)),
  lpPool2d: on([image], (x) => x.lpPool2d(3, 2)),
  lpPool3d: on([volume], (x) => x.lpPool3d(2, 2)),
  adaptiveMaxPool1d: on([line], (x) => x.adaptiveMaxPool1d(2)),
  adaptiveMaxPool2d: on([image], (x) => x.adaptiveMaxPool2d(2)),
  adaptiveMaxPool3d: on([volume], (x) => x.adaptiveMaxPool3d(2)),
  adaptiveAvgPool1d: on([line], (x) => x.adaptiveAvgPool1d(2)),
  adaptiveAvgPool2d: on([image], (x) => x.adaptiveAvgPool2d(2)),
  adaptiveAvgPool3d: on([volume], (x) => x.adaptiveAvgPool3d(2)),
  globalMaxPool: on([image], (x) => x.globalMaxPool()),
  globalAvgPool: on([image], (x) => x.globalAvgPool()),
  globalLpPool: on([image], (x) => x.globalLpPool()),

  standardize: on([line], (x) => x.standardize(2).square().square()),
  batchStatistics: on([image], (x) => x.batchStatistics().mean.add(x.batchStatistics().variance)),
  batchNorm: on([image, channels, channels.abs()], (x, mean, variance) => x.batchNorm(mean, variance)),
  instanceNorm: on([image, channels], (x, weight) => x.instanceNorm({ weight })),
  groupNorm: on([image, channels], (x, weight) => x.groupNorm(2, { weight })),
  layerNorm: on([line, ramp], (x, weight) => x.layerNorm(5, { weight })),
  rmsNorm: on([line, ramp], (x, weight) => x.rmsNorm(5, { weight })),
  localResponseNorm: on([image], (x) => x.localResponseNorm(2, { alpha: 2 })),
};

export const functions: { readonly [name: string]: Case | Maker } = {
  where: on([mask, x, y], (mask, x, y) => gemlab.where(mask, x, y)),
  concat: on([x, y], (x, y) => gemlab.concat([x, y, x], 1)),
  stack: on([x, y], (x, y) => gemlab.stack([x, y], 1)),
  meshgrid: on([x, y], (x, y) => gemlab.meshgrid([x.slice(0), y.slice(1)])[1]!),
  einsum: on([x, y], (x, y) => gemlab.einsum('ij,kj->ki', x, y)),

  tensor: made((options) =>
    tensor(
      [
        [1, 2],
        [3, 4],
      ],
      options,
    ),
  ),
  zeros: made((options) => gemlab.zeros([2, 3], options)),
  ones: made((options) => gemlab.ones([2, 3], options)),
  full: made((options) => gemlab.full([2, 3], 1.5, options)),
  arange: made((options) => gemlab.arange(0, 3, 0.5, options)),
  linspace: made((options) => gemlab.linspace(0, 1, 5, options)),
  eye: made((options) => gemlab.eye(2, 3, options)),
  rand: made((options) => gemlab.rand([2, 3], new Rng(0), options)),
  randn: made((options) => gemlab.randn([2, 3], new Rng(0), options)),
  truncatedNormal: made((options) => gemlab.truncatedNormal([2, 3], new Rng(0), options)),
  exponential: made((options) => gemlab.exponential([2, 3], new Rng(0), options)),
  randint: made((options) => gemlab.randint([2, 3], new Rng(0), { high: 9, ...options })),
  bernoulli: made((options) => gemlab.bernoulli([2, 3], new Rng(0), options)),
  randperm: made((options) => gemlab.randperm(5, new Rng(0), options)),
  choice: made((options) => gemlab.choice(9, 3, new Rng(0), options)),
};

/** Public methods that are no ops: they read a tensor out, move it, or are how ops are made. */
export const otherMethods = [
  'apply',
  'lift',
  'detach',
  'hostValues',
  'constant',
  'copy',
  'to',
  'data',
  'dataSync',
  'item',
  'toArray',
  'toString',
];

/** Exported functions that are no ops: files, memory, and what describes the engine. */
export const otherFunctions = [
  'chooseDevice',
  'info',
  'isFloat',
  'promote',
  'keep',
  'privately',
  'compressRows',
  'fromBuffer',
  'setNumThreads',
  'scope',
  'readNpy',
  'writeNpy',
  'readNpz',
  'writeNpz',
  'readSafetensors',
  'writeSafetensors',
];
