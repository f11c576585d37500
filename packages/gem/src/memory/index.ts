export {
  type BatchOrigin,
  EpisodicMemory,
  type FillPolicy,
  type MemoryBudget,
  type MemoryOptions,
} from './episodic-memory.ts';
export type { PolicyName } from './fill.ts';
export { type GradientBasedOptions, gradientBased, type SampleGradients } from './gradient-based.ts';
export { type Features, herd, herding } from './herding.ts';
export type { Arrangement, Candidates, Policy } from './policy.ts';
export type { Eviction, Origin, StoredSample } from './slots.ts';
