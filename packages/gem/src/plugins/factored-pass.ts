// The memories' gradients of a network of linear layers, all in one forward and one backward pass, and mostly not formed at all.
//
// The gradient of a linear layer y = x W' + b on some samples is a product: A' D for the weights (here [in, out]), the column sums of D
// for the bias, where A has the samples' x for rows, and D the gradients of the loss by their y (autograd's factors.ts). Rows belong to
// one sample each, so all memories can share a pass, and memory k has the rows A_k, D_k. With A_b, D_b of the current batch
//
//     <g, g_k> = sum over layers of  sum((A_k A_b' + 1) * (D_k D_b'))
//
// which takes some products of ten columns in place of a gradient as large as the model. If every one of these is above 0 by more than
// their rounding may amount to, g violates no constraint and the step is done. Otherwise the gradients are formed after all, and what
// follows goes by them: so nothing is decided here that the plain form could have decided otherwise for another reason than rounding.

import {
  gradientsOf,
  type LinearUse,
  layerFactors,
  linearUses,
  nn,
  samplesMeet,
  variable,
  variablesBehind,
} from '@gemlab/autograd';
import { concat, scope } from '@gemlab/tensor';
import type { Strategy } from '../strategy/strategy.ts';
import { FactoredGradients, FactoredProducts, type LayerPair, type LayerRows } from './factored-products.ts';
import { parameterNames } from './gradient-vector.ts';
import { type Joined, joiner } from './joined-memories.ts';
import type { MemoryPass, TaskMemory } from './memory-pass.ts';
import { layersWithStatistics } from './running-statistics.ts';

/** As a MemoryPassMethod, or in words why this model, these samples or this loss want the plain form. */
export type FactoredMethod = (strategy: Strategy, memories: readonly TaskMemory[]) => MemoryPass | string;

/** A method of its own for each run: it remembers the memories as one batch from step to step. */
export function factoredMemoryPass(): FactoredMethod {
  const join = joiner();
  return (strategy, memories) => {
    const joined = join(memories.map(({ samples }) => samples));
    const found = whyPlain(strategy, joined) ?? scope(() => passTogether(strategy, joined));
    if (typeof found === 'string') return found;
    const { layers, losses } = found;
    const gradients = new FactoredGradients(layers, joined.sizes, strategy.optimizer.parameters);
    let batch: readonly LinearUse[] = [];
    return {
      form: 'factored',
      losses,
      beforeBackward({ loss, model }) {
        batch = loss!.requiresGrad ? linearUses(loss!, model) : [];
        for (const { output } of batch) output.retainGrad();
      },
      products: (x) => new FactoredProducts(gradients, x, pairsOf(layers, batch)),
    };
  };
}

/** What is seen before anything is computed. */
function whyPlain({ model }: Strategy, { samples: { inputs, targets } }: Joined): string | null {
  if (targets.shape[0]! < 2) return 'there is one sample';
  if (inputs.dtype !== 'float32' && inputs.dtype !== 'float64') return `inputs are ${inputs.dtype}`;
  for (const [path, layer] of model.namedModules()) {
    if (layer instanceof nn.Dropout && layer.training && layer.p > 0) return `${path} drops elements at random`;
  }
  const moving = layersWithStatistics(model).find(({ layer }) => layer.training);
  return moving === undefined ? null : `${moving.path} normalises by the batch it sees`;
}

function passTogether(
  strategy: Strategy,
  { samples, sizes, squaredNorms }: Joined,
): { layers: LayerRows[]; losses: number[] } | string {
  const { model, criterion, experience, optimizer } = strategy;
  // With the inputs on the tape it tells whether samples meet on the way from them. Their gradient is never computed.
  const inputs = variable(samples.inputs, { requiresGrad: true });
  const outputs = model.forward(inputs, samples.tasks ?? experience?.taskLabel);
  const meeting = samplesMeet(outputs, inputs);
  if (meeting !== null) return meeting;
  if (!outputs.requiresGrad) return 'no gradient reaches the outputs';
  const behind = new Set(variablesBehind(outputs));
  if ([...behind].some((v) => v.hasHooks)) return 'a hook looks at gradients';

  const targets = samples.targets.split(sizes);
  const groups = outputs.value.split(sizes).map((value, k) => {
    const own = variable(value, { requiresGrad: true });
    return { own, loss: criterion(own, targets[k]!) };
  });
  if (groups.some(({ own, loss }) => variablesBehind(loss).some((v) => v.node === null && v !== own))) {
    return 'the loss is computed from more than the outputs';
  }
  if (groups.some(({ loss }) => loss.size !== 1)) return 'the loss is not one number';
  const weights = concat(
    groups.map(({ own, loss }) => (loss.requiresGrad ? gradientsOf(loss, [own])[0]!.value : own.value.mul(0))),
  );
  const { factors } = layerFactors(outputs, model, { weights, borrows: true });

  const { parameters } = optimizer;
  const names = parameterNames(model, parameters);
  const uses = factors.flatMap(({ weight, bias }) => (bias === null ? [weight] : [weight, bias]));
  for (const [i, p] of parameters.entries()) {
    const count = uses.filter((use) => use === p).length;
    if (behind.has(p) && count === 0) return `${names[i]} is used in another way than by a linear layer`;
    if (count > 1) return `${names[i]} is used ${count} times`;
  }
  const odd = factors.find(({ input }) => input.rank !== 2);
  if (odd !== undefined) return `${odd.name} sees more than one row of each sample`;
  const layers = factors.map(({ weight, bias, input, delta }): LayerRows => {
    const isInput = input.storage === samples.inputs.storage;
    return { weight, bias, input, delta, squaredNorms: isInput && input.size === inputs.size ? squaredNorms : null };
  });
  return { layers, losses: groups.map(({ loss }) => loss.item() as number) };
}

/** The same layers in the batch: null where they have no gradients there, or not those that backward left. */
function pairsOf(layers: readonly LayerRows[], batch: readonly LinearUse[]): LayerPair[] | null {
  const pairs = layers.map((memory): LayerPair | null => {
    const uses = batch.filter(({ weight }) => weight === memory.weight);
    const { input, output, bias } = uses[0] ?? {};
    if (uses.length !== 1 || input!.rank !== 2 || !output!.grad || bias !== memory.bias) return null;
    return { memory, batch: { input: input!, delta: output!.grad.value } };
  });
  return pairs.every((pair) => pair !== null) ? pairs : null;
}
