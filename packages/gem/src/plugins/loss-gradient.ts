// Gradients of the loss on given samples, beside the one that training computes.

import { gradientsOf, type nn, type Samples, type Variable, variable } from '@gemlab/autograd';
import { concat, scope, stack, type Tensor } from '@gemlab/tensor';
import type { SampleGradients } from '../memory/gradient-based.ts';
import type { Loss, Strategy } from '../strategy/strategy.ts';
import { inEvalMode } from './eval-mode.ts';
import { gradientVector } from './gradient-vector.ts';

/** The gradient of the loss on some samples by what the optimizer moves, as one vector [p]. Leaves no gradient behind. */
export function lossGradient(strategy: Strategy, samples: Samples): Tensor {
  return scope(() => {
    strategy.zeroGrad();
    strategy.criterion(strategy.forward(samples), samples.targets).backward();
    const gradient = gradientVector(strategy.optimizer.parameters);
    strategy.zeroGrad();
    return gradient;
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
