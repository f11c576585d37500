// Episodic memory: a few samples of every task, kept as they were seen. A slot that was never written is never read, so a task
// with fewer samples than slots has just those.

import type { Samples } from '@gemlab/autograd';
import { concat, keep, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import { type FillPolicy, type FillRule, filler } from './fill.ts';

interface TaskMemory {
  readonly rule: FillRule;
  readonly slots: (Samples | undefined)[];
  /** The slots as one batch, until the next write. */
  batch: Samples | null;
}

export class EpisodicMemory {
  /** n: samples kept for each task. */
  readonly patternsPerExperience: number;
  readonly policy: FillPolicy;
  readonly #tasks = new Map<number, TaskMemory>();
  readonly #ruleFor: () => FillRule;

  /** @throws InvalidOptionError unless patternsPerExperience is a positive integer. */
  constructor(patternsPerExperience: number, policy: FillPolicy = 'ring') {
    if (!Number.isInteger(patternsPerExperience) || patternsPerExperience < 1) {
      throw new InvalidOptionError(
        'EpisodicMemory',
        'patternsPerExperience',
        patternsPerExperience,
        'a positive integer',
      );
    }
    this.patternsPerExperience = patternsPerExperience;
    this.policy = policy;
    this.#ruleFor = filler(policy, patternsPerExperience).ruleFor;
  }

  /** The tasks seen so far, in the order of their first sample. */
  get tasks(): number[] {
    return [...this.#tasks.keys()];
  }

  /** Stores the samples of a batch that the policy wants. */
  add(task: number, { inputs, targets }: Samples): void {
    const memory = this.#tasks.get(task) ?? { rule: this.#ruleFor(), slots: [], batch: null };
    this.#tasks.set(task, memory);
    memory.rule(targets.shape[0]!).forEach((slot, i) => {
      if (slot === null) return;
      const one = (x: Tensor) => keep(x.slice([i, i + 1]).copy());
      memory.slots[slot] = { inputs: one(inputs), targets: one(targets) };
      memory.batch = null;
    });
  }

  /** How many samples of a task are stored; 0 for a task never seen. */
  size(task: number): number {
    return this.#written(task).length;
  }

  /** All stored samples of a task as one batch, in slot order. @throws InvalidOptionError if there are none. */
  batch(task: number): Samples {
    const samples = this.#written(task);
    const memory = this.#tasks.get(task);
    if (memory === undefined || samples.length === 0) {
      throw new InvalidOptionError('EpisodicMemory.batch', 'task', task, `one of the stored tasks [${this.tasks}]`);
    }
    memory.batch ??= keep({
      inputs: concat(samples.map((s) => s.inputs)),
      targets: concat(samples.map((s) => s.targets)),
    });
    return memory.batch;
  }

  #written(task: number): Samples[] {
    return (this.#tasks.get(task)?.slots ?? []).filter((s) => s !== undefined);
  }
}
