// What an entry of the derivative table is. For a result y = op(x_0, x_1, ...) and g, the gradient of something with respect
// to y, the rule of input k gives the gradient with respect to x_k: g times dy/dx_k, the vector-Jacobian product.
// (The form is HIPS/autograd's defvjp.)

import type { DType, Primitive, PrimitiveParams, Shape } from '@gemlab/tensor';
import type { PullBackContext } from '../tape.ts';
import type { Variable } from '../variable.ts';

/** What a rule may use: the primitive's parameters, its inputs and its result, all on the tape. */
export interface RuleContext<P extends Primitive> extends PullBackContext {
  readonly params: PrimitiveParams[P];
}

/** g, the gradient of the result, to the gradient of one input. */
export type InputRule<P extends Primitive> = (g: Variable, context: RuleContext<P>) => Variable;

/** g to the gradients of all inputs, of which there may be any number. */
export type JointRule<P extends Primitive> = (g: Variable, context: RuleContext<P>) => readonly Variable[];

/**
 * One rule for each input (null for one that holds integers or booleans), a joint rule, or the word for a primitive
 * whose result is never a float.
 */
export type Rule<P extends Primitive> = readonly (InputRule<P> | null)[] | JointRule<P> | 'nondifferentiable';

/** Rules of some primitives; the table joins them and wants every one. */
export type Rules = { readonly [P in Primitive]?: Rule<P> };

/** The same number everywhere, on the device of `like`. */
export function constant(like: Variable, value: number, shape: Shape, dtype: DType = like.dtype): Variable {
  return like.lift('constant', value, dtype, shape);
}
