// Memory aware synapses (Aljundi et al., ECCV 2018). What matters is what the outputs F(x) are sensitive to, whatever the labels say:
//
//     Omega_i += mean over samples x of  | d |F(x)|^2 / d theta_i |                   after each task             (section 4.1)
//     L + lambda sum_i Omega_i (theta_i - theta*_i)^2                                 while learning the next     (eq. 3)
//
// theta*: the parameters at the end of the last task. The absolute value is taken sample by sample.

import { keep, type Rng, type Tensor } from '@gemlab/tensor';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Loss, Strategy } from '../strategy/strategy.ts';
import { extended, meanOverSamples, parameterVector, quadraticPenalty, wantSampleChoice } from './importance.ts';
import { sampleGradients } from './loss-gradient.ts';
import { ownRng, wantNumber } from './options.ts';
import { openState, pluginState, rngData, rngFrom } from './plugin-state.ts';
import { withTasks } from './remember.ts';

export interface MASOptions {
  /** lambda >= 0: how much old tasks count. The paper's is 1. */
  readonly lambda: number;
  /** On how many samples of each task the importance is measured, drawn with `rng`; on all by default. */
  readonly samples?: number;
  readonly rng?: Rng;
}

const squaredLength: Loss = (outputs) => outputs.square().sum();

export class MASPlugin implements StrategyPlugin, Stateful {
  readonly name = 'mas';
  readonly lambda: number;
  /** Omega [p]; null before the first task has ended. */
  omega: Tensor | null = null;
  /** theta* [p]; null before the first task has ended. */
  anchor: Tensor | null = null;
  readonly #samples: number | undefined;
  #rng: Rng | undefined;

  /** @throws InvalidOptionError */
  constructor({ lambda, samples, rng }: MASOptions) {
    wantNumber('MASPlugin', 'lambda', lambda);
    wantSampleChoice('MASPlugin', { samples, rng });
    this.lambda = lambda;
    this.#samples = samples;
    this.#rng = rng && ownRng(rng, this.name);
  }

  /** Adds the penalty to the loss. */
  beforeBackward(strategy: Strategy): void {
    if (this.omega === null || this.anchor === null) return;
    const penalty = quadraticPenalty(strategy.optimizer.parameters, this.omega, this.anchor);
    strategy.loss = strategy.loss!.add(penalty.mul(this.lambda));
  }

  /** Measures the importance on the task just learned, and anchors the parameters. */
  afterTrainingExp(strategy: Strategy): void {
    const { model, optimizer, dataset } = strategy;
    const gradients = sampleGradients(model, squaredLength, optimizer.parameters);
    const fresh = meanOverSamples(dataset!, { samples: this.#samples, rng: this.#rng }, (batch) =>
      gradients(withTasks(strategy, batch)).abs(),
    );
    this.omega = this.omega ? keep(extended(this.omega, fresh.size).add(fresh)) : fresh;
    this.anchor = keep(parameterVector(optimizer.parameters));
  }

  stateDict(): State {
    const rng = this.#rng ? rngData(this.#rng) : null;
    return pluginState(this.name, { rng }, { omega: this.omega, anchor: this.anchor });
  }

  loadStateDict(state: SavedState): void {
    const { data, maybe } = openState(this.name, state, ['rng']);
    // A state saved without a generator leaves the plugin its own.
    if (data.rng !== null) this.#rng = rngFrom(data.rng);
    this.omega = maybe('omega');
    this.anchor = maybe('anchor');
  }
}
