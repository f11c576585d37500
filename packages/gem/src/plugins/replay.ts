// Experience replay (Chaudhry et al., "On tiny episodic memories in continual learning", 2019, Algorithm 1): every batch is trained on
// together with a batch from the memory,
//
//     g = gradient of the mean loss over  B  and  B_M ~ memory         then  theta <- theta - lr g,  memory <- update(memory, B)
//
// Which samples the memory holds is its policy's matter: the paper compares a reservoir over all samples, rings and herding by class.

import type { Samples } from '@gemlab/autograd';
import type { Rng } from '@gemlab/tensor';
import type { EpisodicMemory } from '../memory/episodic-memory.ts';
import { batchOf } from '../memory/slots.ts';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { ownRng, wantCount, wantMemory, wantRng } from './options.ts';
import { adoptPluginState, openState, pluginState, rngData, rngFrom } from './plugin-state.ts';
import { freshSamples, rememberBatch, rememberExperience, type TaskSamples, withTasks } from './remember.ts';

export interface ReplayOptions {
  /** The paper's best: new EpisodicMemory({ total }, 'reservoir', { by: 'all', rng }). */
  readonly memory: EpisodicMemory<TaskSamples>;
  /** How many remembered samples are added to a batch; fewer while the memory holds fewer. */
  readonly batchSize: number;
  /** Draws them. */
  readonly rng: Rng;
}

export class ReplayPlugin implements StrategyPlugin, Stateful {
  readonly name = 'replay';
  readonly memory: EpisodicMemory<TaskSamples>;
  readonly batchSize: number;
  #rng: Rng;
  /** What the dataset gave, before plugins behind this one make something else of the batch. */
  #fresh: Samples | null = null;

  /** @throws InvalidOptionError */
  constructor({ memory, batchSize, rng }: ReplayOptions) {
    wantMemory('ReplayPlugin', memory);
    wantCount('ReplayPlugin', 'batchSize', batchSize);
    wantRng('ReplayPlugin', rng, 'remembered samples');
    this.memory = memory;
    this.batchSize = batchSize;
    this.#rng = ownRng(rng, this.name);
  }

  /** Adds remembered samples to the batch. */
  beforeForward(strategy: Strategy): void {
    this.#fresh = freshSamples(strategy);
    if (this.memory.size() === 0) return;
    const remembered = this.memory.sample(this.batchSize, this.#rng);
    strategy.batch = batchOf([withTasks(strategy, strategy.batch!), remembered]);
  }

  afterTrainingIteration(strategy: Strategy): void {
    rememberBatch(this.memory, strategy, withTasks(strategy, this.#fresh!));
    this.#fresh = null;
  }

  afterTrainingExp(strategy: Strategy): void {
    rememberExperience(this.memory, strategy);
  }

  stateDict(): State {
    return pluginState(this.name, { rng: rngData(this.#rng) }, {}, { memory: this.memory.stateDict() });
  }

  loadStateDict(state: SavedState): void {
    const { data, part } = openState(this.name, state, ['rng', 'memory']);
    const rng = rngFrom(data.rng);
    this.memory.loadStateDict(part('memory'));
    this.#rng = rng;
  }

  /** @throws StateMismatchError if it is not the state of such a plugin. */
  adoptState(state: SavedState): void {
    adoptPluginState(this, state);
  }
}
