// The derivative table: for each primitive and each of its inputs, how the gradient of the result becomes that of the input.
// A primitive without an entry does not compile. Every rule is written with differentiable ops, so higher derivatives need
// no rules of their own.

import type { Primitive } from '@gemlab/tensor';
import type { CustomStep, PullBackContext, TapeNode } from '../tape.ts';
import type { Variable } from '../variable.ts';
import { elementwise } from './elementwise.ts';
import type { InputRule, JointRule, Rule } from './rule.ts';
import { structural } from './structural.ts';

export const rules = { ...elementwise, ...structural } satisfies { readonly [P in Primitive]: Rule<P> };

/** The gradients of a step's inputs from that of its result; null where none flows, or where none is `wanted`. */
export function pullBack(
  { op, params }: TapeNode,
  g: Variable,
  { inputs, out }: PullBackContext,
  wanted: (input: Variable) => boolean,
): readonly (Variable | null)[] {
  if (op === 'custom') return (params as CustomStep).pullBack(g, { inputs, out });
  const context = { params, inputs, out } as Parameters<JointRule<Primitive>>[1];
  const rule = rules[op];
  if (typeof rule === 'function') return (rule as JointRule<Primitive>)(g, context);
  const pulled = new Array<Variable | null>(inputs.length);
  for (let k = 0; k < inputs.length; k++) {
    // An input that wants a gradient is a float, and so has a rule.
    pulled[k] = wanted(inputs[k]!) ? (rule[k] as InputRule<Primitive>)(g, context) : null;
  }
  return pulled;
}
