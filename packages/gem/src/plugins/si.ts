// Synaptic intelligence (Zenke, Poole & Ganguli, ICML 2017). While a task is learned, each parameter adds up what its moves did to the loss,
//
//     omega_i = - sum over steps  g_i * (change of theta_i)            g: the gradient of the task's own loss       (eq. 3)
//
// so that the sum over all parameters is, for small steps, how far the loss fell. After the task this becomes an importance,
//
//     Omega_i += max(0, omega_i) / ((distance theta_i went during the task)^2 + xi)                                 (eq. 5)
//
// and later tasks are learned with the loss  L + c sum_i Omega_i (theta_i - theta~_i)^2,  theta~: the last task's end   (eq. 4).
// A parameter whose moves raised the loss (omega < 0) counts as unimportant; a negative Omega would pay for moving it.

import { concat, keep, type Tensor, zeros } from '@gemlab/tensor';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { gradientVector } from './gradient-vector.ts';
import { extended, parameterVector, quadraticPenalty } from './importance.ts';
import { wantNumber, wantPositive } from './options.ts';
import { openState, pluginState } from './plugin-state.ts';

export interface SIOptions {
  /** c >= 0: how much old tasks count. */
  readonly c: number;
  /** xi > 0: keeps the importance of parameters that hardly moved finite. Default 0.1, the paper's for MNIST. */
  readonly xi?: number;
}

export class SIPlugin implements StrategyPlugin, Stateful {
  readonly name = 'si';
  readonly c: number;
  readonly xi: number;
  /** Omega [p]; null before the first task has ended. */
  importance: Tensor | null = null;
  /** theta~ [p]; null before the first task has ended. */
  anchor: Tensor | null = null;
  /** omega [p] of the task under way. */
  path: Tensor | null = null;
  /** Where the task under way began, [p]. */
  #start: Tensor | null = null;
  /** The step under way: the parameters before it, and the gradient of the task's own loss. */
  #step: { readonly before: Tensor; readonly gradient: Tensor } | null = null;

  /** @throws InvalidOptionError */
  constructor({ c, xi = 0.1 }: SIOptions) {
    wantNumber('SIPlugin', 'c', c);
    wantPositive('SIPlugin', 'xi', xi);
    this.c = c;
    this.xi = xi;
  }

  beforeTrainingExp({ optimizer }: Strategy): void {
    this.#start = keep(parameterVector(optimizer.parameters));
    const { shape, dtype, device } = this.#start;
    this.path = keep(zeros(shape, { dtype, device }));
  }

  /** Adds the penalty to the loss. */
  beforeBackward(strategy: Strategy): void {
    if (this.importance === null || this.anchor === null) return;
    const penalty = quadraticPenalty(strategy.optimizer.parameters, this.importance, this.anchor);
    strategy.loss = strategy.loss!.add(penalty.mul(this.c));
  }

  /** Takes the penalty's share out of the gradient again: the path is that of the task's own loss. */
  afterBackward({ optimizer: { parameters } }: Strategy): void {
    const before = parameterVector(parameters);
    const total = gradientVector(parameters);
    if (before.size > this.#start!.size) this.#widen(before);
    if (this.importance === null || this.anchor === null) {
      this.#step = { before, gradient: total };
      return;
    }
    const pull = this.importance.mul(before.slice([0, this.anchor.size]).sub(this.anchor)).mul(2 * this.c);
    this.#step = { before, gradient: total.sub(extended(pull, total.size)) };
  }

  /** The task under way has parameters that it began without: they start where they are now. */
  #widen(now: Tensor): void {
    this.#start = keep(concat([this.#start!, now.slice([this.#start!.size, null])]));
    this.path = keep(extended(this.path!, now.size));
  }

  afterUpdate({ optimizer }: Strategy): void {
    const { before, gradient } = this.#step!;
    const change = parameterVector(optimizer.parameters).sub(before);
    this.path = keep(this.path!.sub(gradient.mul(change)));
    this.#step = null;
  }

  /** Turns the path into importance. */
  afterTrainingExp({ optimizer }: Strategy): void {
    this.anchor = keep(parameterVector(optimizer.parameters));
    const distance = this.anchor.sub(this.#start!);
    const gained = this.path!.relu().div(distance.square().add(this.xi));
    this.importance = keep(this.importance ? extended(this.importance, gained.size).add(gained) : gained);
  }

  stateDict(): State {
    const { importance, anchor, path } = this;
    return pluginState(this.name, {}, { importance, anchor, path, start: this.#start });
  }

  loadStateDict(state: SavedState): void {
    const { maybe } = openState(this.name, state);
    this.importance = maybe('importance');
    this.anchor = maybe('anchor');
    this.path = maybe('path');
    this.#start = maybe('start');
    this.#step = null;
  }
}
