export { EpisodicMemory } from './episodic-memory.ts';
export type { FillPolicy } from './fill.ts';
