// The details of a step record: what is only to be had by another look at the gradients, or at the model after the step. Looking changes
// nothing: buffers and generators are put back.

import { noGrad } from '@gemlab/autograd';
import { ones, scope, type Tensor } from '@gemlab/tensor';
import { gramCondition } from '../eigenvalues.ts';
import type { BatchNormMode } from '../profiles.ts';
import { finiteOrNull, type LayerConflict, type StepDetails } from '../step-record.ts';
import type { Strategy } from '../strategy/strategy.ts';
import { moduleRngs } from '../strategy/strategy-state.ts';
import { parameterNames } from './gradient-vector.ts';
import type { MemoryPass, TaskMemory } from './memory-pass.ts';
import { inMemoryPass } from './running-statistics.ts';

/** What a step was, when it is over. */
export interface FinishedStep {
  readonly memories: readonly TaskMemory[];
  readonly pass: MemoryPass;
  /** What was projected, [p], and the Gram matrix of the memories' gradients. */
  readonly g: Tensor;
  readonly gram: readonly (readonly number[])[];
  /** theta' - theta, float64 [p] on the cpu. */
  readonly update: Tensor;
  /** How memories pass through the model to measure their losses again; null: they do not. */
  readonly again: BatchNormMode | null;
}

export function stepDetails(strategy: Strategy, step: FinishedStep): StepDetails {
  const moved = step.pass.products(step.update);
  return {
    conditionNumber: gramCondition(step.gram),
    updateNorm: Math.sqrt(moved.squaredNorm),
    realised: moved.dots,
    actualChange: step.again && actualChange(strategy, step.again, step),
    layers: scope(() => layerConflicts(strategy, step.g, moved.G)),
  };
}

function layerConflicts({ model, optimizer }: Strategy, g: Tensor, G: Tensor): LayerConflict[] {
  const { parameters } = optimizer;
  const sizes = parameters.map((p) => p.size);
  const exact = (x: Tensor) => x.to('cpu').cast('float64');
  const [parts, columns] = [exact(g).split(sizes), exact(G).split(sizes, 1)];
  return parameterNames(model, parameters).map((name, i) => {
    const [part, rows] = [parts[i]!, columns[i]!];
    const numbers = (x: Tensor) => x.toArray() as number[];
    const dots = numbers(rows.matmul(part));
    // A product with ones sums faster than sum.
    const memoryNorms = numbers(rows.square().matmul(ones([sizes[i]!], { dtype: 'float64' }))).map(Math.sqrt);
    const norm = Math.sqrt(part.matmul(part).item() as number);
    const cosine = (d: number, norms: number) => (norms === 0 ? null : d / norms);
    return { name, norm, memoryNorms, dots, cosines: dots.map((d, k) => cosine(d, norm * memoryNorms[k]!)) };
  });
}

/** The memories' losses at the parameters as they are now, less those of the pass. Dropout draws masks of its own for it. */
function actualChange(
  strategy: Strategy,
  mode: BatchNormMode,
  { memories, pass }: Pick<FinishedStep, 'memories' | 'pass'>,
): (number | null)[] {
  const generators = moduleRngs(strategy).map(([, rng]) => [rng, rng.state] as const);
  const losses = inMemoryPass(strategy.model, mode === 'update' ? 'restored' : mode, () =>
    noGrad(() =>
      memories.map(({ samples }) =>
        scope(() => strategy.criterion(strategy.forward(samples), samples.targets).item() as number),
      ),
    ),
  );
  for (const [rng, state] of generators) rng.restore(state);
  return losses.map((loss, k) => finiteOrNull(loss - pass.losses[k]!));
}
