// Averaged GEM (Chaudhry et al., ICLR 2019, Algorithm 1 and eq. 11): in place of one constraint for each past task there is one for all,
// on the gradient of a random batch of everything remembered of them. The loss may rise on a single task, but not on their average.

import type { Rng } from '@gemlab/tensor';
import type { EpisodicMemory } from '../memory/episodic-memory.ts';
import { wantCount } from './options.ts';
import { type Reference, ReferenceGradientPlugin } from './reference-gradient.ts';
import type { TaskSamples } from './remember.ts';

export interface AGEMOptions {
  /** Keeps tasks apart: new EpisodicMemory(patternsPerExperience). */
  readonly memory: EpisodicMemory<TaskSamples>;
  /** How many remembered samples make the reference; fewer while there are fewer. */
  readonly sampleSize: number;
  /** Draws them. */
  readonly rng: Rng;
}

export class AGEMPlugin extends ReferenceGradientPlugin {
  readonly name = 'a-gem';
  readonly sampleSize: number;

  /** @throws InvalidOptionError */
  constructor({ memory, sampleSize, rng }: AGEMOptions) {
    wantCount('AGEMPlugin', 'sampleSize', sampleSize);
    super('a-gem', memory, rng);
    this.sampleSize = sampleSize;
  }

  protected override reference(past: readonly number[]): Reference {
    return { tasks: past, samples: this.memory.sample(this.sampleSize, this.rng, past) };
  }
}
