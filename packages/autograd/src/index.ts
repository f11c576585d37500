// @gemlab/autograd: derivatives of any order for @gemlab/tensor. See README.md for a tour.

export { type BackwardOptions, gradientsOf } from './backward.ts';
export { type BatchOptions, Dataset, type DatasetOptions, type Samples, type Transform } from './data/dataset.ts';
export * as transforms from './data/transforms.ts';
export { DatasetError, GradcheckError, GradientError, ModuleError, OptimizerError, StateError } from './errors.ts';
export { type GradcheckOptions, gradcheck } from './gradcheck.ts';
export * as losses from './losses/index.ts';
export { noGrad } from './mode.ts';
export * as nn from './nn/index.ts';
export * as optim from './optim/index.ts';
export { type TapeNode, Variable, variable } from './variable.ts';
