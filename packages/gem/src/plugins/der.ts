// Dark experience replay, DER and DER++ (Buzzega et al., NeurIPS 2020, eq. 5-6). The memory keeps with each sample the outputs z that the
// network had for it when it was stored, and later networks are to have them still:
//
//     L + alpha  E_(x', z') |z' - h(x')|^2  +  beta  E_(x'', y'') loss(y'', f(x''))
//
// with a batch of its own from the memory for each term; beta = 0 is DER. As in the authors' code the square is the mean over the outputs,
// and the memory is a reservoir over all samples. Where alpha = beta = 0 nothing is computed, and training is plain fine-tuning.

import { losses } from '@gemlab/autograd';
import type { Rng, Tensor } from '@gemlab/tensor';
import { EpisodicMemory } from '../memory/episodic-memory.ts';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { ownRng, wantCount, wantNumber, wantRng } from './options.ts';
import { adoptPluginState, openState, pluginState, rngData, rngFrom } from './plugin-state.ts';
import { freshSamples, rememberBatch, type TaskSamples, withTasks } from './remember.ts';

/** Samples with the outputs they had, [n, classes]. */
export interface DarkSamples extends TaskSamples {
  readonly outputs: Tensor;
}

export interface DEROptions {
  /** How many samples are remembered, of all that come by. */
  readonly total: number;
  /** How many of them are shown in each step, for each term. */
  readonly batchSize: number;
  /** alpha >= 0: how much the remembered outputs count. */
  readonly alpha: number;
  /** beta >= 0: how much the labels of remembered samples count. */
  readonly beta: number;
  readonly rng: Rng;
}

export class DERPlugin implements StrategyPlugin, Stateful {
  readonly name = 'der';
  readonly memory: EpisodicMemory<DarkSamples>;
  readonly batchSize: number;
  readonly alpha: number;
  readonly beta: number;
  #rng: Rng;

  /** @throws InvalidOptionError */
  constructor({ total, batchSize, alpha, beta, rng }: DEROptions) {
    wantCount('DERPlugin', 'total', total);
    wantCount('DERPlugin', 'batchSize', batchSize);
    wantNumber('DERPlugin', 'alpha', alpha);
    wantNumber('DERPlugin', 'beta', beta);
    wantRng('DERPlugin', rng, 'remembered samples');
    this.batchSize = batchSize;
    this.alpha = alpha;
    this.beta = beta;
    this.#rng = ownRng(rng, this.name);
    this.memory = new EpisodicMemory<DarkSamples>({ total }, 'reservoir', { by: 'all', rng: this.#rng });
  }

  /** Adds the two terms to the loss. */
  beforeBackward(strategy: Strategy): void {
    if (this.memory.size() === 0) return;
    const { alpha, beta, batchSize } = this;
    if (alpha > 0) {
      const past = this.memory.sample(batchSize, this.#rng);
      strategy.loss = strategy.loss!.add(losses.mse(strategy.forward(past), past.outputs).mul(alpha));
    }
    if (beta > 0) {
      const past = this.memory.sample(batchSize, this.#rng);
      strategy.loss = strategy.loss!.add(strategy.criterion(strategy.forward(past), past.targets).mul(beta));
    }
  }

  afterTrainingIteration(strategy: Strategy): void {
    const outputs = strategy.outputs!.value.slice([0, strategy.indices!.size]);
    rememberBatch(this.memory, strategy, { ...withTasks(strategy, freshSamples(strategy)), outputs });
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
