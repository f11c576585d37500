// optim: what moves parameters along their gradients, and by how much.

export {
  Adadelta,
  type AdadeltaOptions,
  Adagrad,
  type AdagradOptions,
  RMSprop,
  type RMSpropOptions,
} from './adagrad.ts';
export { Adam, Adamax, type AdamaxOptions, type AdamOptions, AdamW } from './adam.ts';
export { type ClipOptions, clipGradNorm, clipGradValue } from './clip.ts';
export {
  type Group,
  GroupOptimizer,
  type GroupOptions,
  type Optimizer,
  type OptimizerOptions,
  type ParametersOrGroups,
} from './optimizer.ts';
export { type PlateauOptions, type PlateauState, ReduceLROnPlateau } from './plateau.ts';
export {
  cosineAnnealingLR,
  cosineAnnealingWarmRestarts,
  exponentialLR,
  LRScheduler,
  linearLR,
  multiStepLR,
  type OneCycleOptions,
  oneCycleLR,
  polynomialLR,
  type Schedule,
  type SchedulerState,
  sequentialLR,
  stepLR,
} from './schedule.ts';
export { SGD, type SGDOptions } from './sgd.ts';
export type { OptimizerState, OptionValue, SavedState, Slots } from './state.ts';
