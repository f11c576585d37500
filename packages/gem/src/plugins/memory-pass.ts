// What GEM knows of its memories in one step: the gradients g_k of the loss on the memory of each past task k at the parameters
// of the step. They are asked for little: their inner products with each other and with g, and combinations of them. So there
// may be several ways to have them, and this is the plain one, one forward and backward pass for each memory and the
// whole of G in view.

import type { Samples } from '@gemlab/autograd';
import { scope, stack, type Tensor } from '@gemlab/tensor';
import type { Strategy } from '../strategy/strategy.ts';
import { gradientVector } from './gradient-vector.ts';
import { InnerProducts } from './inner-products.ts';

/** The memory of one past task. */
export interface TaskMemory {
  readonly task: number;
  readonly samples: Samples;
}

/** The memories' gradients in one step. Lives as long as the step. */
export interface MemoryPass {
  /** The loss on each memory. */
  readonly losses: readonly number[];
  /** The batch has been through the model and its loss stands: called before its gradients are computed. */
  beforeBackward?(strategy: Strategy): void;
  /** The inner products with the gradient g [p] of the batch, once that is known. */
  products(g: Tensor): InnerProducts;
}

/** A way to have them: computes what it needs at the parameters as they are, and leaves no gradient behind. */
export type MemoryPassMethod = (strategy: Strategy, memories: readonly TaskMemory[]) => MemoryPass;

/** One forward and one backward pass for each memory. */
export const plainMemoryPass: MemoryPassMethod = (strategy, memories) => {
  const passes = memories.map(({ samples }) =>
    scope(() => {
      strategy.zeroGrad();
      const loss = strategy.criterion(strategy.forward(samples), samples.targets);
      loss.backward();
      const g = gradientVector(strategy.optimizer.parameters);
      strategy.zeroGrad();
      return { g, loss: loss.item() as number };
    }),
  );
  const G: Tensor = stack(passes.map(({ g }) => g));
  return { losses: passes.map(({ loss }) => loss), products: (g) => new InnerProducts(G, g) };
};
