// What GEM knows of its memories in one step: the gradients g_k of the loss on the memory of each past task k at the parameters
// of the step. They are asked for little: their inner products with each other and with a vector, and combinations of them. So there
// may be several ways to have them, and this is the plain one, one forward and backward pass for each memory and the
// whole of G in view. The fast one is factored-pass.ts.

import type { Samples } from '@gemlab/autograd';
import { stack, type Tensor } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { factoredMemoryPass } from './factored-pass.ts';
import { type InnerProducts, InnerProductsOfRows } from './inner-products.ts';
import { lossAndGradient } from './loss-gradient.ts';

/** The memory of one past task. */
export interface TaskMemory {
  readonly task: number;
  readonly samples: Samples;
}

/** The memories' gradients in one step. Lives as long as the step. */
export interface MemoryPass {
  readonly form: 'plain' | 'factored';
  /** Where the plain form was taken because the other does not fit: why. */
  readonly because?: string;
  /** The loss on each memory. */
  readonly losses: readonly number[];
  /** The batch has been through the model and its loss stands: called before its gradients are computed. */
  beforeBackward?(strategy: Strategy): void;
  /**
   * The inner products with a vector x [p]: the gradient g of the batch, or the step that the optimizer took. It may be asked for several
   * in a step, also after the parameters have moved.
   */
  products(x: Tensor): InnerProducts;
}

/** A way to have them: computes what it needs at the parameters as they are, and touches no parameter's gradient. */
export type MemoryPassMethod = (strategy: Strategy, memories: readonly TaskMemory[]) => MemoryPass;

/** One forward and one backward pass for each memory. */
export const plainMemoryPass: MemoryPassMethod = (strategy, memories) => {
  const passes = memories.map(({ samples }) => lossAndGradient(strategy, samples));
  const G: Tensor = stack(passes.map(({ gradient }) => gradient)).to('cpu');
  return {
    form: 'plain',
    losses: passes.map(({ loss }) => loss),
    products: (x) => new InnerProductsOfRows(G, x),
  };
};

/** 'plain', 'factored', or 'auto': factored where that fits model, samples and loss, else plain. */
export type MemoryPassChoice = 'auto' | 'plain' | 'factored';

/** @throws InvalidOptionError, in a step, if it is to be factored and does not fit. */
export function memoryPassMethod(choice: MemoryPassChoice): MemoryPassMethod {
  if (choice === 'plain') return plainMemoryPass;
  const factored = factoredMemoryPass();
  // A model that did not fit is asked again when there is another memory.
  let refusal: { readonly memories: number; readonly because: string } | null = null;
  return (strategy, memories) => {
    if (refusal?.memories !== memories.length) {
      const pass = factored(strategy, memories);
      if (typeof pass !== 'string') return pass;
      refusal = { memories: memories.length, because: pass };
    }
    const { because } = refusal!;
    if (choice === 'factored') {
      throw new InvalidOptionError('GEMPlugin', 'memoryPass', choice, `'auto' or 'plain' here: ${because}`);
    }
    return { ...plainMemoryPass(strategy, memories), because };
  };
}
