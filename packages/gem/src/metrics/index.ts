export { countCorrect } from './accuracy.ts';
export {
  AccuracyMatrix,
  type AccuracyMatrixJSON,
  type MetricConvention,
  MetricError,
  MetricInputError,
  type MetricOptions,
} from './accuracy-matrix.ts';
export { learningCurve, learningCurveArea } from './learning-curve.ts';
export { bytesOf, type MemoryUse, processMemory } from './memory-use.ts';
