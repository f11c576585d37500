// Every method but GEM, whose plugin has a file of its own. Fine-tuning ("naive") is a strategy without plugins.

export { type AGEMOptions, AGEMPlugin } from './agem.ts';
export { CumulativePlugin } from './cumulative.ts';
export { type DarkSamples, type DEROptions, DERPlugin } from './der.ts';
export { type Consolidation, type EWCOptions, EWCPlugin } from './ewc.ts';
export { type ICaRLOptions, ICaRLPlugin } from './icarl.ts';
export { CloneLastPlugin, independentNets } from './independent.ts';
export { sampleGradients } from './loss-gradient.ts';
export { type LwFOptions, LwFPlugin } from './lwf.ts';
export { type MASOptions, MASPlugin } from './mas.ts';
export { multimodalMLP } from './multimodal.ts';
export type { ReferenceRecord } from './reference-gradient.ts';
export type { TaskSamples } from './remember.ts';
export { type ReplayOptions, ReplayPlugin } from './replay.ts';
export { type SGEMOptions, SGEMPlugin } from './sgem.ts';
export { type SIOptions, SIPlugin } from './si.ts';
