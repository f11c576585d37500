// Learning without forgetting (Li & Hoiem, ECCV 2016). Before a new task is learned, the network says what it makes of the new task's
// samples; while learning, it is to go on saying so. No old sample is needed. With logits z_o then and z now, and temperature T,
//
//     L + lambda_o  mean over samples of  - sum_c y'_o,c log y'_c,        y' = softmax(z / T),  y'_o = softmax(z_o / T)      (eq. 2-3)
//
// over the classes c met in past tasks (as y^(1/T) normalised is softmax(z / T)). A model with an output layer or a mask for each task
// label has one such term for each label met in the past.

import { losses, type Samples, type Variable, variable } from '@gemlab/autograd';
import { type Tensor, tensor } from '@gemlab/tensor';
import type { Json, SavedState, State, Stateful } from '../state.ts';
import type { StrategyPlugin } from '../strategy/callbacks.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { answersTo } from './eval-mode.ts';
import { wantNumber, wantPositive } from './options.ts';
import { isCounts, openState, pluginState } from './plugin-state.ts';
import { freshSamples } from './remember.ts';

export interface LwFOptions {
  /** lambda_o >= 0: how much old answers count. Default 1, the paper's. */
  readonly lambda?: number;
  /** T > 0: above 1 it makes the small probabilities count more. Default 2, the paper's. */
  readonly temperature?: number;
}

/** Lists of classes, each with its task label. */
const isLabelled = (found: unknown): found is readonly (readonly [label: number, classes: readonly number[]])[] =>
  Array.isArray(found) &&
  found.every(
    (entry) => Array.isArray(entry) && entry.length === 2 && Number.isSafeInteger(entry[0]) && isCounts(entry[1]),
  );

export class LwFPlugin implements StrategyPlugin, Stateful {
  readonly name = 'lwf';
  readonly lambda: number;
  readonly temperature: number;
  /** The classes met in past tasks, by task label. */
  #classes = new Map<number, readonly number[]>();
  /** y'_o for every sample of the dataset, by past task label: [length, classes]. */
  #answers = new Map<number, Tensor>();

  /** @throws InvalidOptionError */
  constructor({ lambda = 1, temperature = 2 }: LwFOptions = {}) {
    wantNumber('LwFPlugin', 'lambda', lambda);
    wantPositive('LwFPlugin', 'temperature', temperature);
    this.lambda = lambda;
    this.temperature = temperature;
  }

  /** Asks the network as it is about all samples of the task that begins. */
  beforeTrainingExp({ model, dataset, evalBatchSize }: Strategy): void {
    this.#answers = new Map(
      [...this.#classes].map(([label, classes]) => {
        const answer = ({ inputs }: Samples) =>
          this.#scaled(model.forward(variable(inputs), label), classes).value.softmax(1);
        return [label, answersTo(model, dataset!, evalBatchSize, answer)];
      }),
    );
  }

  /** Adds the distillation terms to the loss. */
  beforeBackward(strategy: Strategy): void {
    const { model, indices, experience } = strategy;
    const { inputs } = freshSamples(strategy);
    for (const [label, answers] of this.#answers) {
      const own = label === experience!.taskLabel;
      const outputs = own ? strategy.outputs!.slice([0, indices!.size]) : model.forward(variable(inputs), label);
      const now = this.#scaled(outputs, this.#classes.get(label)!);
      const distance = losses.crossEntropy(now, answers.indexSelect(0, indices!));
      strategy.loss = strategy.loss!.add(distance.mul(this.lambda));
    }
  }

  /** z / T of some classes. */
  #scaled(outputs: Variable, classes: readonly number[]): Variable {
    const columns = tensor(Int32Array.from(classes), { device: outputs.value.device });
    return outputs.indexSelect(1, columns).div(this.temperature);
  }

  /** Notes which classes the task had. */
  afterTrainingExp({ experience }: Strategy): void {
    const { taskLabel, train } = experience!;
    const before = this.#classes.get(taskLabel) ?? [];
    this.#classes.set(
      taskLabel,
      [...new Set([...before, ...train.classes])].sort((a, b) => a - b),
    );
    this.#answers = new Map();
  }

  stateDict(): State {
    const classes: Json = [...this.#classes].map(([label, list]) => [label, list]);
    const answers = [...this.#answers].map(([label, x]) => [`answers.${label}`, x]);
    return pluginState(this.name, { classes }, Object.fromEntries(answers));
  }

  loadStateDict(state: SavedState): void {
    const { read, maybe } = openState(this.name, state);
    const classes = new Map(read('classes', isLabelled, 'a list of task labels, each with its classes'));
    const answers = [...classes.keys()].map((label) => [label, maybe(`answers.${label}`)] as const);
    this.#classes = classes;
    this.#answers = new Map(answers.filter((entry): entry is [number, Tensor] => entry[1] !== null));
  }
}
