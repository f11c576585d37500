// The tape: each result that can be differentiated knows the step that made it, and the step knows its inputs. There is
// no other record. Tapes may be hundreds of thousands of steps long, so every walk here is a loop, never a recursion.

import type { Primitive, PrimitiveParams, Tensor } from '@gemlab/tensor';
import type { Variable } from './variable.ts';

/**
 * The gradients of a step's inputs, from g, the gradient of its result; null where none flows. Written in ops on
 * Variables, it can be differentiated in its turn.
 */
export type PullBack = (g: Variable, step: PullBackContext) => readonly (Variable | null)[];

/** What a pull-back may use: the step's inputs and its result, all on the tape. */
export interface PullBackContext {
  readonly inputs: readonly Variable[];
  readonly out: Variable;
}

/** A step that brings its own derivative: customGradient and checkpoint. */
export interface CustomStep {
  readonly name: string;
  readonly pullBack: PullBack;
}

/** Every kind of step, with its parameters. */
export type StepParams = PrimitiveParams & { readonly custom: CustomStep };
export type StepKind = Primitive | 'custom';

/** How a Variable was made. `depth` exceeds every input's, so descending depth is a topological order. */
export interface TapeNode<S extends StepKind = StepKind> {
  readonly op: S;
  readonly params: StepParams[S];
  readonly inputs: readonly Variable[];
  /** What the inputs held then: a leaf may have been given another value since. */
  readonly values: readonly Tensor[];
  readonly depth: number;
  /** Where it was called, if detectAnomaly was watching. */
  readonly site: Error | null;
}

/** The inputs of a step as they were then: themselves, unless a leaf has been given another value since. */
export function inputsThen({ inputs, values }: TapeNode): readonly Variable[] {
  for (let k = 0; k < inputs.length; k++) {
    if (inputs[k]!.asOf(values[k]!) !== inputs[k]) return inputs.map((input, i) => input.asOf(values[i]!));
  }
  return inputs;
}

/** The name of a step as people read it. */
export function stepName({ op, params }: Pick<TapeNode, 'op' | 'params'>): string {
  return op === 'custom' ? (params as CustomStep).name : op;
}

const NONE: ReadonlySet<Variable> = new Set();

/**
 * Every variable behind `output` that wants a gradient, itself included, results before their inputs. The walk does not
 * go beyond the variables in `stop`.
 */
export function reverseOrder(output: Variable, stop: ReadonlySet<Variable> = NONE): Variable[] {
  const seen = new Set<Variable>();
  /** What was made, by its depth. */
  const levels = new Array<Variable[] | undefined>(1 + (output.node?.depth ?? 0));
  const leaves: Variable[] = [];
  const stack = [output];
  for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
    if (seen.has(v)) continue;
    seen.add(v);
    if (v.node === null) {
      leaves.push(v);
      continue;
    }
    const level = levels[v.node.depth];
    if (level === undefined) levels[v.node.depth] = [v];
    else level.push(v);
    if (stop.has(v)) continue;
    for (const { requiresGrad, origin } of v.node.inputs) if (requiresGrad && !seen.has(origin)) stack.push(origin);
  }
  const order: Variable[] = [];
  for (let depth = levels.length - 1; depth > 0; depth--) {
    const level = levels[depth];
    if (level !== undefined) for (const v of level) order.push(v);
  }
  for (const leaf of leaves) order.push(leaf);
  return order;
}

/** Those of `order` (results first) that are in `wanted` or were computed from some that are. */
export function leadingTo(wanted: ReadonlySet<Variable>, order: readonly Variable[]): Set<Variable> {
  const leads = new Set(wanted);
  for (let i = order.length - 1; i >= 0; i--) {
    const v = order[i]!;
    if (v.node?.inputs.some(({ origin }) => leads.has(origin))) leads.add(v);
  }
  return leads;
}

/** Every variable that backward would reach from `output`: results before what they were computed from, leaves among them. */
export function variablesBehind(output: Variable): Variable[] {
  return output.requiresGrad ? reverseOrder(output) : [];
}
