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
  QPTraceStep,
  QPVector,
} from './problem.ts';
export { solveQP } from './solve.ts';
