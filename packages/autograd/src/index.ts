// @gemlab/autograd: derivatives of any order for @gemlab/tensor. See README.md for a tour.

export { detectAnomaly } from './anomaly.ts';
export { type BackwardOptions, gradientsOf } from './backward.ts';
export { checkpoint } from './checkpoint.ts';
export { type CustomGradient, customGradient } from './custom-gradient.ts';
export {
  type BatchOptions,
  Dataset,
  type DatasetOptions,
  type InputRows,
  type Samples,
  type Transform,
} from './data/dataset.ts';
export * as transforms from './data/transforms.ts';
export {
  AnomalyError,
  BackwardError,
  DatasetError,
  GradcheckError,
  GradientError,
  ModuleError,
  OptimizerError,
  StateError,
} from './errors.ts';
export { groupGradients, type LayerFactors, type LinearUse, layerFactors, linearUses } from './factors.ts';
export { functionalCall } from './functional-call.ts';
export { type GradcheckOptions, gradcheck } from './gradcheck.ts';
export { type Graph, type GraphNode, type GraphOptions, graphOf } from './graph.ts';
export * as losses from './losses/index.ts';
export { enableGrad, noGrad } from './mode.ts';
export * as nn from './nn/index.ts';
export * as optim from './optim/index.ts';
export { perSampleGradients } from './per-sample.ts';
export { samplesMeet } from './samples.ts';
export type { CustomStep, PullBack, PullBackContext, StepKind, StepParams, TapeNode } from './tape.ts';
export { variablesBehind } from './tape.ts';
export {
  type Argnums,
  type ByArguments,
  type Each,
  grad,
  hessian,
  hvp,
  jacobian,
  jvp,
  valueAndGrad,
  vjp,
} from './transforms.ts';
export type { MapItems, MapLeaves } from './tree.ts';
export { type GradientHook, Variable, variable } from './variable.ts';
