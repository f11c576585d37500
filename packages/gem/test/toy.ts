// A stream small enough to follow by hand: two-class problems in the plane whose labelling turns from task to task, so that learning
// one undoes another unless something prevents it.

import { losses, nn, optim } from '@gemlab/autograd';
import { concat, keep, Rng, randn, tensor } from '@gemlab/tensor';
import { Strategy, type StrategyOptions } from '../src/strategy/strategy.ts';
import { type Stream, streamOf } from '../src/streams/index.ts';

/** Task k's classes lie on either side of the origin, along an axis turned by k * 60 degrees. */
export function toyStream(tasks: number, samples: number, seed = 0): Stream {
  const part = (task: number, rng: Rng) => {
    const angle = (task * Math.PI) / 3;
    const side = Int32Array.from({ length: samples }, (_, i) => i % 2);
    const centre = tensor([[Math.cos(angle), Math.sin(angle)]]);
    const sign = tensor(side).mul(2).sub(1).cast('float32').unsqueeze(1);
    return { inputs: randn([samples, 2], rng, { std: 0.4 }).add(centre.mul(sign)), targets: tensor(side) };
  };
  const rng = new Rng(seed);
  return keep(
    streamOf(
      Array.from({ length: tasks }, (_, task) => ({
        train: part(task, rng.foldIn(2 * task)),
        test: part(task, rng.foldIn(2 * task + 1)),
      })),
    ),
  );
}

/** A small network on that stream. */
export function toyStrategy(
  options: Partial<StrategyOptions> & { readonly seed?: number; readonly dtype?: 'float64' } = {},
) {
  const { seed = 0, dtype, ...rest } = options;
  const rng = new Rng(seed);
  const model = new nn.MLP([2, 8, 2], { rng, init: 'xavier', ...(dtype && { dtype }) });
  return new Strategy({
    model,
    optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }),
    loss: losses.crossEntropy,
    trainBatchSize: 5,
    rng,
    ...rest,
  });
}

/** All parameters as one list of numbers. */
export function weights({ model }: Strategy): number[] {
  return concat(model.parameters().map((p) => p.value.reshape([-1]))).toArray() as number[];
}
