// detectAnomaly: where did the first NaN come from? Under it every op on Variables, those of backward's rules among
// them, is checked as it is performed, and remembers the line that called it. Without it nothing is checked or
// remembered.

import { errors, type Tensor } from '@gemlab/tensor';
import { captureSite, siteText } from './call-site.ts';
import { AnomalyError, BackwardError } from './errors.ts';
import { type Watch, within } from './mode.ts';
import { stepName, type TapeNode } from './tape.ts';
import type { Variable } from './variable.ts';

/**
 * Runs `fn`, and stops at the first op whose result holds NaN, or an infinity that its inputs did not hold. The error
 * names the op, the element and the line that called it; for an op of backward, also the line of the forward op behind
 * it. A step that was taped here still knows its line if its backward fails later. Every op is computed, checked and
 * its stack recorded: expect a few times the time.
 * @param options `infinities: false` lets infinities pass.
 * @throws AnomalyError; GradientError if fn returns a promise.
 */
export function detectAnomaly<T>(fn: () => T, { infinities = true }: { readonly infinities?: boolean } = {}): T {
  return within('detectAnomaly', { watch: { infinities } }, fn);
}

const isFloat = (t: Tensor): boolean => t.dtype === 'float32' || t.dtype === 'float64';
const holdsNan = (t: Tensor): boolean => isFloat(t) && t.isNan().any().item() === true;
// Infinity less itself is NaN, as is NaN.
const allFinite = (t: Tensor): boolean => !isFloat(t) || t.sub(t).sum().item() === 0;

/** The index of the first true element of a mask, axis by axis. */
function firstIndex(mask: Tensor): number[] {
  let flat = mask.cast('int32').argmax().item() as number;
  return mask.shape
    .toReversed()
    .map((size) => {
      const index = flat % size;
      flat = (flat - index) / size;
      return index;
    })
    .reverse();
}

/** A step as messages name it: `matmul [2,3], [3,4] -> [2,4]`. */
function describeStep(name: string, inputs: readonly Tensor[], out: Tensor): string {
  return `${name} ${inputs.map((x) => errors.shapeText(x.shape)).join(', ')} -> ${errors.shapeText(out.shape)}`;
}

/**
 * Looks at what a step has computed.
 * @returns the place of the call.
 * @throws AnomalyError if NaN, or an infinity that was not there before, is among it.
 */
export function inspectStep(watch: Watch, name: string, inputs: readonly Tensor[], out: Tensor): Error {
  const site = captureSite();
  // A view shows nothing new.
  if (inputs.some((x) => x.storage === out.storage) || allFinite(out)) return site;
  const nan = holdsNan(out);
  if (!nan && !(watch.infinities && inputs.every(allFinite))) return site;
  const entered = nan ? inputs.findIndex(holdsNan) : -1;
  const culprit = entered >= 0 ? inputs[entered]! : out;
  const index = firstIndex(nan ? culprit.isNan() : culprit.isFinite().logicalNot());
  const value = culprit.slice(...index).item() as number;
  const text = siteText(site);
  const what =
    entered >= 0
      ? `input ${entered} already holds ${value} at ${errors.shapeText(index)}`
      : `gave ${value} at ${errors.shapeText(index)}${inputs.every(allFinite) ? ' from finite inputs' : ''}`;
  throw new AnomalyError(`detectAnomaly: ${describeStep(name, inputs, out)}: ${what}; called at ${text}`, {
    op: name,
    phase: 'forward',
    value,
    index,
    input: entered >= 0 ? entered : null,
    site: text,
  });
}

/** What went wrong in the derivative of the step that made `v`, as an error that names the step. */
export function backwardError(v: Variable, cause: unknown): BackwardError | AnomalyError {
  const node = v.node as TapeNode;
  const site = node.site === null ? null : siteText(node.site);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const where = site === null ? '; under detectAnomaly this names the line that called it' : `, called at ${site}`;
  const message = `backward of ${describeStep(stepName(node), node.values, v.value)}${where}: ${reason}`;
  if (cause instanceof AnomalyError) {
    const within = cause.fields.phase === 'backward' ? {} : { op: stepName(node), phase: 'backward', site };
    return new AnomalyError(message, { ...cause.fields, ...within });
  }
  return new BackwardError(message, { op: stepName(node), shapes: node.values.map((x) => x.shape), site }, cause);
}
