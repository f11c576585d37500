/** The quadratic program solver. */

export { kktResiduals } from './kkt.ts';
export type {
  ConstraintKind,
  ConstraintRef,
  KKTResiduals,
  QPCertificate,
  QPMatrix,
  QPMultipliers,
  QPOptions,
  QPProblem,
  QPSolution,
  QPStatus,
  QPTraceRound,
  QPTraceStep,
  QPVector,
  QPWarmStart,
} from './problem.ts';
export { constraintKinds } from './problem.ts';
export { type QPReplay, type QPReplayOptions, replayTrace } from './replay.ts';
export { solveQP } from './solve.ts';
