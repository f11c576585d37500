// Per-sample gradients: for losses [n], the n gradients of one loss each, as empirical Fisher matrices (EWC), gradient
// clipping by sample and influence functions want them. They are the rows of the Jacobian of the losses.
//
// Where samples do not meet between a layer and the losses, one walk back gives all rows at once (Goodfellow 2015,
// "Efficient per-example gradient computations"); whether that is so, and how each parameter enters, is read off the
// tape. Where it is not (batch statistics), or the layer is not known, there is one walk for each sample. Both are
// exact.

import { arange, errors, ones, stack, type Tensor, zeros } from '@gemlab/tensor';
import { gradientsOf } from './backward.ts';
import { type Entry, entriesOf } from './entries.ts';
import { GradientError } from './errors.ts';
import { current } from './mode.ts';
import { sampleAxes, usersIn } from './samples.ts';
import { reverseOrder } from './tape.ts';
import { leavesOf, type MapLeaves, withLeaves } from './tree.ts';
import type { Variable } from './variable.ts';

/**
 * The gradients of each of `losses` [n] by the leaves in `parameters` (an array, a record, any tree): for a parameter
 * of shape s a tensor [n, ...s], in a tree of the same form. Their sum over the first axis is the gradient of the sum
 * of the losses.
 *
 *     const each = losses.crossEntropy(model.forward(x), y, { reduction: 'none' });
 *     const gradients = perSampleGradients(each, model.parameters());
 *
 * @throws GradientError unless the losses are a vector on the tape, and the parameters are leaves that require a
 * gradient.
 */
export function perSampleGradients<P>(losses: Variable, parameters: P): MapLeaves<P, Tensor> {
  const leaves = leavesOf('perSampleGradients: the parameters', parameters);
  wantLosses('perSampleGradients', losses);
  const read = leaves.map(current);
  leaves.forEach((p, i) => {
    if (read[i]!.requiresGrad && p.node === null) return;
    throw new GradientError(
      `perSampleGradients: parameter ${i} of ${leaves.length} is no leaf that requires a gradient; ` +
        'make it with variable(x, { requiresGrad: true })',
      { index: i },
    );
  });
  const found = together(losses, read) ?? oneByOne(losses, leaves);
  return withLeaves(parameters, found) as MapLeaves<P, Tensor>;
}

/** @throws GradientError unless `losses` is a vector on the tape. */
export function wantLosses(name: string, losses: Variable): void {
  if (losses.rank !== 1) {
    throw new GradientError(
      `${name}: wants the losses of the samples, [n], found ${errors.shapeText(losses.shape)}; ` +
        "did you mean a loss with reduction: 'none'?",
      { shape: losses.shape },
    );
  }
  if (!losses.requiresGrad) {
    throw new GradientError(`${name}: the losses are not on the tape; check that they were not computed under noGrad`);
  }
}

/** All rows in one walk, or null if that cannot be done. */
function together(losses: Variable, parameters: readonly Variable[]): Tensor[] | null {
  if (losses.size <= 1) return null;
  const order = reverseOrder(losses);
  const users = usersIn(order);
  const entries = parameters.map((p) => entriesOf(p, users));
  if (!entries.every((all): all is Entry[] => Array.isArray(all))) return null;
  const targets = [...new Set(entries.flatMap((all) => all.map(({ out }) => out)))];
  const axes = sampleAxes(losses, new Set(targets), order);
  if (typeof axes === 'string') return null;
  const seed = ones(losses.shape, { dtype: losses.dtype, device: losses.value.device });
  const deltas = new Map(gradientsOf(losses, targets, { seed }).map((delta, i) => [targets[i]!, delta.value]));
  const rows = entries.map((all, i) => {
    const parts = all.map(({ out, perSample }) => perSample(deltas.get(out)!, axes.get(out)!, losses.size));
    if (!parts.every((part) => part !== null)) return null;
    return parts.length === 0 ? none(losses, parameters[i]!) : parts.reduce((sum, part) => sum.add(part));
  });
  return rows.every((row) => row !== null) ? rows : null;
}

/** The rows one after another. */
function oneByOne(losses: Variable, parameters: readonly Variable[]): Tensor[] {
  const samples = arange(0, losses.size, 1, { device: losses.value.device });
  const rows = Array.from({ length: losses.size }, (_, i) => gradientsOf(losses, parameters, { seed: samples.eq(i) }));
  return parameters.map((p, k) => (rows.length === 0 ? none(losses, p) : stack(rows.map((row) => row[k]!.value))));
}

const none = (losses: Variable, { shape, dtype, value }: Variable): Tensor =>
  zeros([losses.size, ...shape], { dtype, device: value.device });
