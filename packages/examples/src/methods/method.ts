// What a method is: how a network learns a stream, as plugins of one training loop. A method takes the run's settings (samples, memories,
// batches), and has numbers of its own, a learning rate at least: published ones, for each stream, with their source.

import { losses, nn, optim } from '@gemlab/autograd';
import { type Experiment, Strategy, type StrategyPlugin, type Stream } from '@gemlab/gem';
import type { Bench, ExampleName, Settings } from '../examples/example.ts';
import { plainStep, type StepCost } from './cost.ts';

/** A method's own numbers by name. */
export type Numbers = Readonly<Record<string, number>> & { readonly lr: number };

/** What is particular about a learner; what is left out is as in plain fine-tuning. */
export interface Learner {
  readonly plugins?: readonly StrategyPlugin[];
  readonly model?: nn.Module;
  readonly stream?: Stream;
}

/** @template N the names of its numbers */
interface Definition<N extends Numbers> {
  /** On the command line. */
  readonly name: string;
  /** In reports and results, and of a saved run's folder. */
  readonly label: string;
  /** One line for --help, with where it comes from. */
  readonly summary: string;
  /** Those of a stream, some of which may be the run's settings. */
  readonly numbers: (example: ExampleName, settings: Settings) => N;
  readonly learner?: (bench: Bench, numbers: N) => Learner;
  /** What a step costs, for the progress line. */
  readonly cost?: StepCost;
}

export interface Method extends Pick<Definition<Numbers>, 'name' | 'label' | 'summary' | 'numbers'> {
  readonly cost: StepCost;
  /** A learner on the bench, and the stream that it learns. `watch` goes last among its plugins. */
  experiment(bench: Bench, watch: StrategyPlugin): Experiment;
}

/** The network of all methods that need no other. */
export const network = ({ sizes, rng }: Bench): nn.MLP => new nn.MLP(sizes, { rng: rng.foldIn(1), init: 'xavier' });

export function method<N extends Numbers>({ learner, cost = plainStep, ...texts }: Definition<N>): Method {
  return {
    ...texts,
    cost,
    experiment(bench, watch) {
      const { name, settings, rng } = bench;
      const numbers = texts.numbers(name, settings);
      // All learners start from the same weights and see the same samples in the same order.
      const { plugins = [], model = network(bench), stream = bench.stream() } = learner?.(bench, numbers) ?? {};
      const strategy = new Strategy({
        model,
        optimizer: new optim.SGD(model.parameters(), { lr: numbers.lr }),
        loss: losses.crossEntropy,
        plugins: [...plugins, watch],
        trainBatchSize: settings.batchSize,
        trainEpochs: settings.epochs,
        rng: rng.foldIn(2),
      });
      return { strategy, stream, measure: settings.measure };
    },
  };
}
