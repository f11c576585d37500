// What a law is: random cases of one primitive, each with the result that the definition gives.

import fc from 'fast-check';
import type { DType, Primitive, PrimitiveParams } from '../../src/index.ts';
import type { Model } from '../support/model.ts';
import type { Sample } from '../support/samples.ts';

export interface Case<P extends Primitive = Primitive> {
  readonly params: PrimitiveParams[P];
  /** As the op layer hands them over: checked, of one dtype and shape where the primitive wants that. */
  readonly inputs: readonly Sample[];
  readonly expected: Model;
}

export type Law<P extends Primitive> = fc.Arbitrary<Case<P>>;

/** One way to make the laws of several primitives. */
export const each = <N extends Primitive>(names: readonly N[], law: (name: N) => Law<N>) =>
  Object.fromEntries(names.map((name) => [name, law(name)])) as unknown as { readonly [P in N]: Law<P> };

export const oneOf = (kinds: readonly DType[]) => fc.constantFrom(...kinds);
