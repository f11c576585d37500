// Measuring a model in between: the accuracy and loss on some samples, at any moment and at once. The model is in evaluation mode
// meanwhile; nothing else notices, no callback is called, and training goes on as if nothing had happened.

import { type Dataset, noGrad, variable } from '@gemlab/autograd';
import { scope } from '@gemlab/tensor';
import { countCorrect } from '../metrics/accuracy.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { inEvalMode } from './eval-mode.ts';

/** How a model does on some samples. */
export interface Measurement {
  /** Fraction classified right. */
  readonly accuracy: number;
  /** Mean loss. */
  readonly loss: number;
}

/** @param task which task the samples are of, for models that ask. */
export function measure({ model, criterion, evalBatchSize }: Strategy, dataset: Dataset, task?: number): Measurement {
  return inEvalMode(model, () => {
    let [correct, loss] = [0, 0];
    for (let start = 0; start < dataset.length; start += evalBatchSize) {
      scope(() => {
        const { inputs, targets, tasks } = dataset.range(start, Math.min(dataset.length, start + evalBatchSize));
        const outputs = noGrad(() => model.forward(variable(inputs), tasks ?? task));
        correct += countCorrect(outputs.value, targets);
        loss += (noGrad(() => criterion(outputs, targets)).item() as number) * targets.size;
      });
    }
    return { accuracy: correct / dataset.length, loss: loss / dataset.length };
  });
}
