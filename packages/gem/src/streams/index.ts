export {
  type BatchOptions,
  Dataset,
  type DatasetOptions,
  type InputRows,
  type Samples,
  type Transform,
} from '@gemlab/autograd';
export { StreamError } from './errors.ts';
export { type OnlineExperience, type OnlineStreamOptions, onlineStream } from './online.ts';
export { type PermutedExperience, type PermutedStreamOptions, permutedStream, pixelPermutation } from './permuted.ts';
export { type RotatedExperience, type RotatedStreamOptions, rotatedStream } from './rotated.ts';
export { type ImageShape, type Interpolation, rotation } from './rotation.ts';
export { type SplitExperience, type SplitStreamOptions, splitStream } from './split.ts';
export { type Experience, type Stream, streamOf, type TaskParts } from './stream.ts';
export { jointExperience, shuffledStream, unionOf } from './union.ts';
