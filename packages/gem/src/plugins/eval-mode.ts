// A look at the model between two steps of training: layers behave as in evaluation, and afterwards are as they were.

import { type Dataset, type nn, noGrad, type Samples } from '@gemlab/autograd';
import { concat, keep, scope, type Tensor } from '@gemlab/tensor';

/** Runs `fn` with the model in evaluation mode, and puts every layer back as it was. */
export function inEvalMode<T>(model: nn.Module, fn: () => T): T {
  const before = [...model.namedModules()].map(([, module]) => [module, module.training] as const);
  model.eval();
  try {
    return fn();
  } finally {
    for (const [module, training] of before) module.training = training;
  }
}

/** What `answer` makes of all samples of a dataset, [length, ...], without a tape. It outlives the scopes that are open now. */
export function answersTo(
  model: nn.Module,
  dataset: Dataset,
  batchSize: number,
  answer: (samples: Samples) => Tensor,
): Tensor {
  const batches = [...dataset.indexBatches(batchSize)];
  return inEvalMode(model, () =>
    noGrad(() => keep(concat(batches.map((indices) => scope(() => answer(dataset.batch(indices))))))),
  );
}
