// Stochastic GEM (Chaudhry et al., ICLR 2019, section 6): in each step one past task is drawn, every one alike, and the step satisfies
// GEM's constraint for that task alone.

import type { Rng } from '@gemlab/tensor';
import type { EpisodicMemory } from '../memory/episodic-memory.ts';
import { type Reference, ReferenceGradientPlugin } from './reference-gradient.ts';
import type { TaskSamples } from './remember.ts';

export interface SGEMOptions {
  /** Keeps tasks apart: new EpisodicMemory(patternsPerExperience). */
  readonly memory: EpisodicMemory<TaskSamples>;
  /** Draws the task. */
  readonly rng: Rng;
}

export class SGEMPlugin extends ReferenceGradientPlugin {
  readonly name = 's-gem';

  /** @throws InvalidOptionError */
  constructor({ memory, rng }: SGEMOptions) {
    super('s-gem', memory, rng);
  }

  protected override reference(past: readonly number[]): Reference {
    const task = past[this.rng.integers(1, 0, past.length)[0]!]!;
    return { tasks: [task], samples: this.memory.batch(task) };
  }
}
