// Independent predictors (Lopez-Paz & Ranzato 2017, section 5.2): a network for each task, with 1/T of the single network's hidden units.
// Nothing is forgotten and nothing is shared, save that each may start as a copy of the one before. The stream must tell task labels.

import { nn } from '@gemlab/autograd';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { want } from '../want.ts';
import { wantCount } from './options.ts';
import { areLabels, openState, pluginState } from './plugin-state.ts';

/** A model that hands each sample to the network of its task label, 0 to tasks - 1. */
export function independentNets(tasks: number, build: (task: number) => nn.Module): nn.MultiHead {
  wantCount('independentNets', 'tasks', tasks);
  return new nn.MultiHead(Array.from({ length: tasks }, (_, task) => build(task)));
}

/** Starts each network as a copy of the one trained before it: parameters and buffers. They must be built alike. */
export class CloneLastPlugin implements StrategyPlugin, Stateful {
  readonly name = 'clone-last';
  readonly nets: nn.MultiHead;
  /** Task labels trained on, in order. */
  #trained: readonly number[] = [];

  /** @throws InvalidOptionError unless `nets` is what independentNets makes. */
  constructor(nets: nn.MultiHead) {
    want(nets instanceof nn.MultiHead, 'CloneLastPlugin', 'nets', nets, 'an nn.MultiHead: a network for each task');
    this.nets = nets;
  }

  /** @throws InvalidOptionError without a network for the task; StateError (of autograd) if the two networks are not alike. */
  beforeTrainingExp({ experience }: Strategy): void {
    const { taskLabel } = experience!;
    const { heads } = this.nets;
    const own = heads[taskLabel];
    const expected = `a network for task label ${taskLabel}, too`;
    want(own !== undefined, 'CloneLastPlugin', 'nets', `those of [${Object.keys(heads)}]`, expected);
    const last = this.#trained.at(-1);
    if (last === undefined || this.#trained.includes(taskLabel)) return;
    own.loadStateDict(heads[last]!.stateDict());
  }

  afterTrainingExp({ experience }: Strategy): void {
    this.#trained = [...this.#trained, experience!.taskLabel];
  }

  stateDict(): State {
    return pluginState(this.name, { trained: this.#trained });
  }

  loadStateDict(state: SavedState): void {
    this.#trained = openState(this.name, state).read('trained', areLabels, 'a list of task labels');
  }
}
