// Elastic weight consolidation (Kirkpatrick et al., PNAS 2017, eq. 3; online: Schwarz et al., ICML 2018, section 3.2). After a task the
// parameters theta*_k are remembered, and how sharply its likelihood falls off around them: the diagonal of the Fisher information,
//
//     F_k = mean over samples x of  E_y [ (d log p(y | x) / d theta)^2 ]
//
//     separate    L + lambda/2 sum_k sum_i F_k,i (theta_i - theta*_k,i)^2       one anchor for each task
//     online      L + lambda/2 sum_i F_i (theta_i - theta*_i)^2,                the last anchor; F becomes decay F + F_k
//
// The square is that of each sample's gradient, not of the mean. y is the label given (the empirical Fisher: the square of the gradient of
// the loss), or has the model's own distribution, softmax(outputs): the expectation is then the sum over all classes.

import { losses, type Samples } from '@gemlab/autograd';
import { full, keep, type Rng, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import { isCount, type SavedState, type State, type Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { inEvalMode } from './eval-mode.ts';
import { extended, meanOverSamples, parameterVector, quadraticPenalty, wantSampleChoice } from './importance.ts';
import { sampleGradients } from './loss-gradient.ts';
import { ownRng, wantNumber } from './options.ts';
import { openState, pluginState, rngData, rngFrom } from './plugin-state.ts';
import { withTasks } from './remember.ts';

export interface EWCOptions {
  /** lambda >= 0: how much old tasks count. */
  readonly lambda: number;
  /** Default 'separate'. */
  readonly mode?: 'separate' | 'online';
  /** What is left of the Fisher information of the past at each new task, in [0, 1]; mode 'online' only. Default 1. */
  readonly decay?: number;
  /** Whether y is the label given (default), or is drawn by the model, every class with its probability. */
  readonly labels?: 'given' | 'model';
  /** On how many samples of each task the information is measured, drawn with `rng`; on all by default. */
  readonly samples?: number;
  readonly rng?: Rng;
}

/** What is remembered of a task: vectors [p] of the parameters that there were. */
export interface Consolidation {
  readonly fisher: Tensor;
  readonly anchor: Tensor;
}

export class EWCPlugin implements StrategyPlugin, Stateful {
  readonly name = 'ewc';
  readonly lambda: number;
  readonly mode: 'separate' | 'online';
  readonly decay: number;
  readonly labels: 'given' | 'model';
  /** One for each task, or (online) one for all. */
  consolidations: readonly Consolidation[] = [];
  readonly #samples: number | undefined;
  #rng: Rng | undefined;

  /** @throws InvalidOptionError */
  constructor({ lambda, mode = 'separate', decay = 1, labels = 'given', samples, rng }: EWCOptions) {
    wantNumber('EWCPlugin', 'lambda', lambda);
    wantNumber('EWCPlugin', 'decay', decay, 0, 1);
    wantSampleChoice('EWCPlugin', { samples, rng });
    if (mode !== 'separate' && mode !== 'online') {
      throw new InvalidOptionError('EWCPlugin', 'mode', mode, "'separate' or 'online'");
    }
    if (labels !== 'given' && labels !== 'model') {
      throw new InvalidOptionError('EWCPlugin', 'labels', labels, "'given' or 'model'");
    }
    this.lambda = lambda;
    this.mode = mode;
    this.decay = decay;
    this.labels = labels;
    this.#samples = samples;
    this.#rng = rng && ownRng(rng, this.name);
  }

  /** Adds the penalties to the loss. */
  beforeBackward(strategy: Strategy): void {
    for (const { fisher, anchor } of this.consolidations) {
      const penalty = quadraticPenalty(strategy.optimizer.parameters, fisher, anchor);
      strategy.loss = strategy.loss!.add(penalty.mul(this.lambda / 2));
    }
  }

  /** Measures the information on the task just learned, and anchors the parameters. */
  afterTrainingExp(strategy: Strategy): void {
    const fresh = this.fisher(strategy);
    const anchor = keep(parameterVector(strategy.optimizer.parameters));
    const past = this.consolidations[0];
    if (this.mode === 'separate') this.consolidations = [...this.consolidations, { fisher: fresh, anchor }];
    else {
      const fisher = past ? keep(extended(past.fisher, fresh.size).mul(this.decay).add(fresh)) : fresh;
      this.consolidations = [{ fisher, anchor }];
    }
  }

  /** The diagonal of the Fisher information on the strategy's dataset, [p]. */
  fisher(strategy: Strategy): Tensor {
    const choice = { samples: this.#samples, rng: this.#rng };
    return meanOverSamples(strategy.dataset!, choice, (batch) => this.#squares(strategy, withTasks(strategy, batch)));
  }

  /** For each sample the (expected) square of its gradient, [n, p]. */
  #squares(strategy: Strategy, batch: Samples): Tensor {
    const { model, criterion, optimizer } = strategy;
    if (this.labels === 'given') return sampleGradients(model, criterion, optimizer.parameters)(batch).square();
    const gradients = sampleGradients(model, losses.crossEntropy, optimizer.parameters);
    const probabilities = inEvalMode(model, () => strategy.forward(batch).value.softmax(1));
    return probabilities
      .split(probabilities.shape[1]!, 1)
      .map((p, c) => {
        const targets = full(batch.targets.shape, c, { dtype: 'int32', device: batch.targets.device });
        return gradients({ ...batch, targets })
          .square()
          .mul(p);
      })
      .reduce((sum, part) => sum.add(part));
  }

  stateDict(): State {
    const tensors = this.consolidations.flatMap(({ fisher, anchor }, k) => [
      [`${k}.fisher`, fisher],
      [`${k}.anchor`, anchor],
    ]);
    const rng = this.#rng ? rngData(this.#rng) : null;
    return pluginState(this.name, { rng, count: this.consolidations.length }, Object.fromEntries(tensors));
  }

  loadStateDict(state: SavedState): void {
    const { data, tensor, read } = openState(this.name, state, ['rng']);
    const length = read('count', isCount, 'an integer >= 0');
    // A state saved without a generator leaves the plugin its own.
    const rng = data.rng === null ? this.#rng : rngFrom(data.rng);
    this.consolidations = Array.from({ length }, (_, k) => ({
      fisher: tensor(`${k}.fisher`),
      anchor: tensor(`${k}.anchor`),
    }));
    this.#rng = rng;
  }
}
