export { countCorrect } from './accuracy.ts';
export {
  AccuracyMatrix,
  type AccuracyMatrixJSON,
  type MetricConvention,
  MetricError,
  MetricInputError,
  type MetricOptions,
} from './accuracy-matrix.ts';
