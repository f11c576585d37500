// The derivative table: for each primitive and each of its inputs, how the gradient of the result becomes that of the input.
// A primitive without an entry does not compile. Every rule is written with differentiable ops, so higher derivatives need
// no rules of their own.

import type { Primitive } from '@gemlab/tensor';
import { elementwise } from './elementwise.ts';
import type { InputRule, Rule } from './rule.ts';
import { structural } from './structural.ts';

export const rules = { ...elementwise, ...structural } satisfies { readonly [P in Primitive]: Rule<P> };

/** The rule of a primitive for one input. It must be a float's: nothing else requires a gradient, so nothing else asks. */
export function ruleFor(op: Primitive, input: number): InputRule<Primitive> {
  const rule = rules[op];
  return (typeof rule === 'function' ? rule(input) : rule[input]) as InputRule<Primitive>;
}
