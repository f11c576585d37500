// Gradients of the loss on given samples, beside the one that training computes.

import { gradientsOf, type nn, type Samples, type Variable, variable } from '@gemlab/autograd';
import { concat, scope, stack, type Tensor } from '@gemlab/tensor';
import type { SampleGradients } from '../memory/gradient-based.ts';
import type { Loss, Strategy } from '../strategy/strategy.ts';
import { inEvalMode } from './eval-mode.ts';
import { gradientVector } from './gradient-vector.ts';

/**
 * The loss on some samples, and its gradient by what the optimizer moves as one vector [p]; zeros where nothing flows. No parameter's
 * `grad` is touched: one that is being accumulated goes on.
 */
export function lossAndGradient(
  strategy: Strategy,
  samples: Samples,
): { readonly loss: number; readonly gradient: Tensor } {
  const { parameters } = strategy.optimizer;
  const gradient = (loss: Variable) => {
    const moved = parameters.filter((p) => p.requiresGrad);
    const found = new Map(gradientsOf(loss, moved).map((g, i) => [moved[i]!, g.value]));
    return gradientVector(parameters, (p) => found.get(p));
  };
  return scope(() => {
    const loss = strategy.criterion(strategy.forward(samples), samples.targets);
    return { loss: loss.item() as number, gradient: gradient(loss) };
  });
}

/**
 * A function from samples to the gradient of the loss on each of them, [n, p], as gradientBased(...) wants it. The model runs in
 * evaluation mode: the gradient of one sample does not depend on others.
 */
export function sampleGradients(
  model: nn.Module,
  loss: Loss,
  parameters: readonly Variable[] = model.parameters(),
): SampleGradients {
  return ({ inputs, targets, tasks }) =>
    inEvalMode(model, () => {
      const rows = Array.from({ length: targets.shape[0]! }, (_, i) =>
        scope(() => {
          const one = (x: Tensor) => x.slice([i, i + 1]);
          const each = loss(model.forward(variable(one(inputs)), tasks && one(tasks)), one(targets));
          return concat(gradientsOf(each, parameters).map((g) => g.value.reshape([-1])));
        }),
      );
      return stack(rows);
    });
}
