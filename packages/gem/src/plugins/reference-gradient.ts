// What A-GEM and S-GEM share: one constraint in each step. With g the gradient on the batch and g_ref that on some remembered samples,
//
//     z = g - (<g, g_ref> / <g_ref, g_ref>) g_ref   if <g, g_ref> < 0,   else z = g
//
// so that <z, g_ref> >= 0 (project.ts). Which samples are the reference is the difference between the two.

import type { Samples } from '@gemlab/autograd';
import { type Rng, type Tensor, tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import type { EpisodicMemory } from '../memory/episodic-memory.ts';
import { type AverageProjection, projectAverageGradient } from '../project.ts';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { gradientVector, writeGradients } from './gradient-vector.ts';
import { lossAndGradient } from './loss-gradient.ts';
import { ownRng, wantMemory, wantRng } from './options.ts';
import { adoptPluginState, openState, pluginState, rngData, rngFrom } from './plugin-state.ts';
import { freshSamples, rememberBatch, rememberExperience, type TaskSamples, withTasks } from './remember.ts';

/** What a step with one constraint did. Plain, JSON-serialisable data. */
export interface ReferenceRecord extends Omit<AverageProjection, 'z'> {
  /** Training steps before this one, over all tasks. */
  readonly step: number;
  readonly experience: number;
  readonly loss: number;
  /** The past tasks that the reference was drawn from, and how many samples it had. */
  readonly tasks: readonly number[];
  readonly samples: number;
}

export interface Reference {
  readonly tasks: readonly number[];
  readonly samples: Samples;
}

export abstract class ReferenceGradientPlugin implements StrategyPlugin, Stateful {
  abstract readonly name: string;
  readonly memory: EpisodicMemory<TaskSamples>;
  /** What the last training step did; null before the first, and in steps without past tasks. */
  lastRecord: ReferenceRecord | null = null;
  protected rng: Rng;
  #reference: { readonly gradient: Tensor; readonly tasks: readonly number[]; readonly samples: number } | null = null;

  /** @throws InvalidOptionError unless there is a memory that keeps tasks apart, and a generator. */
  constructor(plugin: string, memory: EpisodicMemory<TaskSamples>, rng: Rng) {
    wantMemory(plugin, memory);
    wantRng(plugin, rng, 'the reference');
    if (memory.by !== 'task') {
      throw new InvalidOptionError(plugin, 'memory.by', memory.by, "'task': constraints are those of past tasks");
    }
    this.memory = memory;
    this.rng = ownRng(rng, plugin);
  }

  /** The samples whose gradient is the reference. There is at least one past task. */
  protected abstract reference(past: readonly number[]): Reference;

  /** Computes g_ref, once for each update. */
  beforeTrainingIteration(strategy: Strategy): void {
    const { memory } = this;
    const past = memory.tasks.filter((task) => task < strategy.clock.experience && memory.size(task) > 0);
    this.lastRecord = null;
    this.#reference = null;
    if (past.length === 0 || !strategy.endsUpdate) return;
    const { tasks, samples } = this.reference(past);
    this.#reference = {
      gradient: lossAndGradient(strategy, samples).gradient,
      tasks,
      samples: samples.targets.shape[0]!,
    };
  }

  /** Projects the gradient of the batch if it would raise the loss on the reference. @throws NonFiniteGradientError */
  afterBackward(strategy: Strategy): void {
    if (this.#reference === null) return;
    const { gradient, tasks, samples } = this.#reference;
    const { clock, optimizer } = strategy;
    const g = gradientVector(optimizer.parameters);
    const { z, ...projection } = projectAverageGradient(g.dataSync(), gradient.dataSync());
    if (projection.projected) {
      const vector = tensor(Float64Array.from(z), { dtype: g.dtype, device: g.device });
      writeGradients(optimizer.parameters, vector, true);
    }
    const loss = strategy.loss!.item() as number;
    this.lastRecord = { step: clock.step, experience: clock.experience, loss, tasks, samples, ...projection };
  }

  afterTrainingIteration(strategy: Strategy): void {
    this.#reference = null;
    rememberBatch(this.memory, strategy, withTasks(strategy, freshSamples(strategy)));
  }

  afterTrainingExp(strategy: Strategy): void {
    rememberExperience(this.memory, strategy);
  }

  stateDict(): State {
    return pluginState(this.name, { rng: rngData(this.rng) }, {}, { memory: this.memory.stateDict() });
  }

  loadStateDict(state: SavedState): void {
    const { data, part } = openState(this.name, state, ['rng', 'memory']);
    const rng = rngFrom(data.rng);
    this.memory.loadStateDict(part('memory'));
    this.rng = rng;
  }

  /** @throws StateMismatchError if it is not the state of such a plugin. */
  adoptState(state: SavedState): void {
    adoptPluginState(this, state);
  }
}
