// nn: modules with parameters, and how their weights start.

export {
  ELU,
  GELU,
  HardSigmoid,
  HardSwish,
  Identity,
  LeakyReLU,
  LogSigmoid,
  LogSoftmax,
  Mish,
  PReLU,
  ReLU6,
  SELU,
  Sigmoid,
  SiLU,
  Softmax,
  Softplus,
  Softsign,
  Tanh,
} from './activations.ts';
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from './batch-norm.ts';
export { Buffer } from './buffer.ts';
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvLayerOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeLayerOptions,
} from './conv.ts';
export { ChannelDropout, Dropout, type DropoutOptions } from './dropout.ts';
export { Embedding, type EmbeddingOptions } from './embedding.ts';
export { Flatten } from './flatten.ts';
export * as init from './init.ts';
export { Linear, type LinearOptions, MLP, ReLU, Sequential } from './layers.ts';
export { Module, type Task } from './module.ts';
export { MultiHead, TaskMask } from './multi-head.ts';
export { GroupNorm, InstanceNorm, LayerNorm, type NormalizationOptions, RMSNorm } from './normalization.ts';
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  GlobalAvgPool,
  GlobalMaxPool,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from './pool.ts';
export { ResidualBlock, ResNet18, type ResNetOptions } from './resnet.ts';
export type { LoadReport } from './state.ts';
