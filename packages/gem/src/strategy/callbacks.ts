// The moments of training and evaluation at which a plugin may act, in Avalanche's order:
//
//   train: beforeTraining
//            for each experience: beforeTrainDatasetAdaptation, afterTrainDatasetAdaptation, beforeTrainingExp
//              for each epoch: beforeTrainingEpoch
//                for each batch: beforeTrainingIteration, (gradients set to zero), beforeForward, afterForward,
//                                beforeBackward, afterBackward, beforeUpdate, afterUpdate, afterTrainingIteration
//                afterTrainingEpoch
//              afterTrainingExp
//          afterTraining
//
//   Where several batches make one update (accumulationSteps), gradients are set to zero before the first of them, and beforeUpdate
//   and afterUpdate are called for the last.
//
//   eval:  beforeEval
//            for each experience: beforeEvalDatasetAdaptation, afterEvalDatasetAdaptation, beforeEvalExp
//              for each batch: beforeEvalIteration, beforeEvalForward, afterEvalForward, afterEvalIteration
//              afterEvalExp
//          afterEval

import type { SavedState, Stateful } from '../state.ts';
import type { Strategy } from './strategy.ts';

export const CALLBACKS = [
  'beforeTraining',
  'beforeTrainDatasetAdaptation',
  'afterTrainDatasetAdaptation',
  'beforeTrainingExp',
  'beforeTrainingEpoch',
  'beforeTrainingIteration',
  'beforeForward',
  'afterForward',
  'beforeBackward',
  'afterBackward',
  'beforeUpdate',
  'afterUpdate',
  'afterTrainingIteration',
  'afterTrainingEpoch',
  'afterTrainingExp',
  'afterTraining',
  'beforeEval',
  'beforeEvalDatasetAdaptation',
  'afterEvalDatasetAdaptation',
  'beforeEvalExp',
  'beforeEvalIteration',
  'beforeEvalForward',
  'afterEvalForward',
  'afterEvalIteration',
  'afterEvalExp',
  'afterEval',
] as const;

export type Callback = (typeof CALLBACKS)[number];

/**
 * Something that takes part in training. Each callback gets the strategy, whose public fields tell where training is, and
 * runs to its end before the next: callbacks are synchronous. A plugin that remembers something from one callback to another, and
 * whose training is to be saved and resumed, is `Stateful`.
 */
export type StrategyPlugin = { readonly name: string } & Partial<Stateful> & {
    /** Takes over what it can of the state of a plugin of its name that was made with other options. Without it, a state must fit. */
    adoptState?(state: SavedState): void;
  } & { readonly [C in Callback]?: (strategy: Strategy) => void };
