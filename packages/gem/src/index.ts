// @gemlab/gem: Gradient Episodic Memory, from streams of tasks to the projected gradient. See README.md for a tour.

export * from './errors.ts';
export { type ExplainOptions, explainStep } from './explain-step.ts';
export * from './memory/index.ts';
export * from './metrics/index.ts';
export { EarlyStopping, type EarlyStoppingOptions } from './plugins/early-stopping.ts';
export { type EvaluationOptions, EvaluationPlugin, type EvaluationRecord } from './plugins/evaluation.ts';
export { GEMPlugin } from './plugins/gem.ts';
export type { GEMOptions, RecordCadence } from './plugins/gem-options.ts';
export * from './plugins/index.ts';
export { type LearningCurveOptions, LearningCurvePlugin, type LearningCurveRecord } from './plugins/learning-curve.ts';
export { type Measurement, measure } from './plugins/measure.ts';
export type { GroupFunction, GroupsOption, StreamPlace } from './plugins/memory-groups.ts';
export { type BatchNormMode, type Profile, type ProfileName, profiles } from './profiles.ts';
export * from './project.ts';
export * from './qp/index.ts';
export * from './run/index.ts';
export { type Json, type SavedState, type State, type Stateful, StateMismatchError } from './state.ts';
export type { LayerConflict, ProjectionRecord, StepDetails, StepRecord } from './step-record.ts';
export { CALLBACKS, type Callback, type StrategyPlugin } from './strategy/callbacks.ts';
export type { StopSignal } from './strategy/pause.ts';
export {
  type MeasureCadence,
  type RunEvent,
  type RunPoint,
  type RunSoFar,
  type RunStreamOptions,
  runStream,
} from './strategy/run-stream.ts';
export {
  type Clock,
  type EvalResult,
  type Loss,
  type RunOptions,
  Strategy,
  type StrategyOptions,
  type TrainOptions,
} from './strategy/strategy.ts';
export * from './streams/index.ts';
