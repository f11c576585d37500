// Gradients as a test wants them: a linear model without a bias under the loss mean(w'x) has the gradient mean(x), wherever w is. So with one
// sample in each task, task k's memory gradient is that sample, and the last task's is the gradient of the batch.

import { nn, type optim, type Variable } from '@gemlab/autograd';
import { ones, Rng, tensor } from '@gemlab/tensor';
import { type GEMOptions, GEMPlugin } from '../../src/plugins/gem.ts';
import type { StrategyPlugin } from '../../src/strategy/callbacks.ts';
import { Strategy } from '../../src/strategy/strategy.ts';
import { streamOf } from '../../src/streams/index.ts';

export interface Prescribed {
  /** Those of the memories, and that of the batch, p numbers each. */
  readonly G: readonly (readonly number[])[];
  readonly g: readonly number[];
  readonly dtype?: 'float32' | 'float64';
  readonly gem?: Partial<GEMOptions>;
  readonly optimizer: (parameters: readonly Variable[]) => optim.Optimizer;
  readonly loss?: (outputs: Variable) => Variable;
  readonly watch?: StrategyPlugin;
}

/** Trains on the tasks one after another, a step each. */
export async function train({ G, g, dtype = 'float64', gem, optimizer, loss, watch }: Prescribed) {
  const stream = streamOf(
    [...G, g].map((row) => {
      const one = { inputs: tensor([[...row]], { dtype }), targets: tensor(Int32Array.of(0)) };
      return { train: one, test: one };
    }),
  );
  const model = new nn.Linear(g.length, 1, { rng: new Rng(0), bias: false, dtype });
  model.weight.assign(ones(model.weight.shape, { dtype }));
  const plugin = new GEMPlugin({ patternsPerExperience: 1, memoryStrength: 0, ...gem });
  const strategy = new Strategy({
    model,
    optimizer: optimizer(model.parameters()),
    loss: loss ?? ((outputs) => outputs.mean()),
    plugins: [plugin, ...(watch ? [watch] : [])],
    trainBatchSize: 1,
    rng: new Rng(0),
  });
  await strategy.train(stream);
  return { strategy, plugin, weight: model.weight };
}
