// iCaRL (Rebuffi et al., CVPR 2017). Classes come in groups; a fixed number of exemplars is shared by all classes met, chosen by herding.
//
//   classify    x gets the class whose exemplars' mean feature vector is nearest:  argmin_y |phi(x) - mu_y|              (algorithm 1)
//   learn       on new samples and exemplars together, one sigmoid for each class (algorithm 3): the label for new classes s..t, for old
//               ones what the network said of the sample before, q = sigmoid(z_o),
//
//                   - sum_{y=s..t}  ( [y = y_i] log g_y + [y != y_i] log(1 - g_y) )  -  sum_{y<s}  ( q_y log g_y + (1 - q_y) log(1 - g_y) )
//
//   remember    each class has its share of the exemplars, its first ones in herding's order                        (algorithms 4, 5)
//
// Feature vectors, and means of them, are scaled to length one. The loss is the mean over the batch of the sum over classes; it takes the
// place of the strategy's, so plugins that add penalties come after this one. All classes share one output layer.

import { Dataset, losses, noGrad, type Samples, type Variable, variable } from '@gemlab/autograd';
import { concat, full, keep, scope, type Tensor, tensor } from '@gemlab/tensor';
import { EpisodicMemory } from '../memory/episodic-memory.ts';
import { herding } from '../memory/herding.ts';
import type { SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { unionOf } from '../streams/union.ts';
import { answersTo, inEvalMode } from './eval-mode.ts';
import { wantCount, wantFunction } from './options.ts';
import { isCounts, openState, pluginState } from './plugin-state.ts';
import { rememberExperience, type TaskSamples } from './remember.ts';

export interface ICaRLOptions {
  /** K: how many exemplars are remembered, of all classes together. */
  readonly total: number;
  /** phi: inputs [n, ...] to feature vectors [n, d], for instance the model without its last layer. */
  readonly features: (inputs: Variable) => Variable;
}

export class ICaRLPlugin implements StrategyPlugin, Stateful {
  readonly name = 'icarl';
  readonly memory: EpisodicMemory<TaskSamples>;
  readonly #features: (inputs: Variable) => Variable;
  /** Classes met in the experiences before this one. */
  #classes: readonly number[] = [];
  /** Of the experience under way: the old classes that it does not show, and what the network said of them, [length, classes]. */
  #old: readonly number[] = [];
  #answers: Tensor | null = null;
  /** Where the classes with exemplars lie, [classes, d], while an evaluation runs. */
  #means: { readonly classes: readonly number[]; readonly vectors: Tensor } | null = null;

  /** @throws InvalidOptionError unless `total` is a positive integer, and `features` a function. */
  constructor({ total, features }: ICaRLOptions) {
    wantCount('ICaRLPlugin', 'total', total);
    wantFunction('ICaRLPlugin', 'features', features, 'makes feature vectors of inputs');
    this.#features = features;
    this.memory = new EpisodicMemory<TaskSamples>(
      { total },
      herding((samples) => this.#unitFeatures(samples)),
      {
        by: 'class',
      },
    );
  }

  #unitFeatures({ inputs }: Samples): Tensor {
    return noGrad(() => unit(this.#features(variable(inputs)).value));
  }

  /** Adds the exemplars to the samples of the experience. */
  beforeTrainDatasetAdaptation(strategy: Strategy): void {
    if (this.memory.size() === 0) return;
    const { taskLabel, train } = strategy.experience!;
    strategy.dataset = unionOf([train, new Dataset(this.memory.batch())], [taskLabel, 0]);
  }

  /** Asks the network what it thinks of all samples as regards the old classes. */
  beforeTrainingExp(strategy: Strategy): void {
    const { model, dataset, experience, evalBatchSize } = strategy;
    this.#old = this.#classes.filter((c) => !experience!.train.classes.includes(c));
    if (this.#old.length === 0) this.#answers = null;
    else {
      const answer = (batch: Samples) => columns(strategy.forward(batch).value, this.#old).sigmoid();
      this.#answers = answersTo(model, dataset!, evalBatchSize, answer);
    }
  }

  /** Replaces the loss. */
  beforeBackward(strategy: Strategy): void {
    const { outputs, batch, indices, experience } = strategy;
    const classes = [...this.#old, ...experience!.train.classes];
    const labels = columns(batch!.targets.oneHot(outputs!.shape[1]!, outputs!.dtype), classes);
    const targets = this.#answers ? withOld(labels, this.#answers.indexSelect(0, indices!)) : labels;
    const logits = columns(outputs!, classes);
    strategy.loss = losses.bceWithLogits(logits, targets, { reduction: 'sum' }).div(batch!.targets.size);
  }

  /** Chooses exemplars of the new classes; those of the old ones become fewer. */
  afterTrainingExp(strategy: Strategy): void {
    const { model, experience } = strategy;
    inEvalMode(model, () => rememberExperience(this.memory, strategy));
    this.#classes = [...new Set([...this.#classes, ...experience!.train.classes])].sort((a, b) => a - b);
    this.#old = [];
    this.#answers = null;
  }

  /** Finds the means of the exemplars, as the network sees them now. */
  beforeEval({ model }: Strategy): void {
    const classes = this.memory.groups.filter((c) => this.memory.size(c) > 0);
    const mean = (c: number) => scope(() => unit(this.#unitFeatures(this.memory.batch(c)).mean(0, { keepDims: true })));
    this.#means =
      classes.length === 0 ? null : { classes, vectors: keep(inEvalMode(model, () => concat(classes.map(mean)))) };
  }

  /** Replaces the outputs by minus the distance to each class; a class without exemplars is infinitely far. */
  afterEvalForward(strategy: Strategy): void {
    if (this.#means === null) return;
    const { classes, vectors } = this.#means;
    const [n, outputs] = strategy.outputs!.shape as [number, number];
    const x = this.#unitFeatures(strategy.batch!).unsqueeze(1);
    const near = x.sub(vectors).square().sum(2).sqrt().neg();
    const nowhere = full([n, 1], -Infinity, { dtype: near.dtype, device: near.device });
    const places = Array.from({ length: outputs }, (_, c) => classes.indexOf(c));
    // Column classes.length is nowhere.
    const scores = columns(
      concat([near, nowhere], 1),
      places.map((i) => (i < 0 ? classes.length : i)),
    );
    strategy.outputs = variable(scores);
  }

  afterEval(): void {
    this.#means = null;
  }

  stateDict(): State {
    const data = { classes: this.#classes, old: this.#old };
    return pluginState(this.name, data, { answers: this.#answers }, { memory: this.memory.stateDict() });
  }

  loadStateDict(state: SavedState): void {
    const { read, maybe, part } = openState(this.name, state, ['memory']);
    const [classes, old] = ['classes', 'old'].map((name) => read(name, isCounts, 'a list of classes'));
    this.memory.loadStateDict(part('memory'));
    this.#classes = classes!;
    this.#old = old!;
    this.#answers = maybe('answers');
  }
}

/**
 * Labels [n, classes] with answers [m, old] in place of those for the old classes, which come first. The network was not asked about what
 * other plugins have added to the batch, samples m to n - 1: of those the label stands for old classes too.
 */
function withOld(labels: Tensor, answers: Tensor): Tensor {
  const [m, old] = answers.shape as [number, number];
  return concat([concat([answers, labels.slice([m, null], [0, old])]), labels.slice(null, [old, null])], 1);
}

/** Rows scaled to length one; zero rows stay. */
const unit = (rows: Tensor): Tensor => {
  const length = rows.square().sum(1, { keepDims: true }).sqrt();
  return rows.div(length.add(length.eq(0).cast(length.dtype)));
};

/** Some columns of a matrix. */
function columns<T extends Tensor | Variable>(matrix: T, list: readonly number[]): T {
  const index = tensor(Int32Array.from(list), { device: 'value' in matrix ? matrix.value.device : matrix.device });
  return matrix.indexSelect(1, index) as T;
}
