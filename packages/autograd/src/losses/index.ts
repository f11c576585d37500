// losses: outputs and targets to one number, or one for each sample.

export { type BinaryLossOptions, bce, bceWithLogits } from './binary.ts';
export { type ClassLossOptions, type CrossEntropyOptions, crossEntropy, nll } from './cross-entropy.ts';
export { type KLDivOptions, klDiv } from './divergence.ts';
export { cosineEmbedding, hingeEmbedding, type MarginOptions, marginRanking } from './margin.ts';
export type { LossOptions, Reduction } from './reduction.ts';
export { huber, l1, mse, smoothL1 } from './regression.ts';
