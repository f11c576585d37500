// Reverse-mode differentiation: walk the tape from the output back, and at each step let the derivative table turn
// the gradient of the result into the gradients of the inputs (Speelpenning 1980; Griewank & Walther, ch. 3).
// Rules are written with ops on Variables, so with createGraph the walk itself is taped and can be differentiated again.

import { errors, type Tensor } from '@gemlab/tensor';
import { GradientError } from './errors.ts';
import { noGrad } from './mode.ts';
import { ruleFor } from './rules/index.ts';
import type { Variable } from './variable.ts';

export interface BackwardOptions {
  /** Put the gradients themselves on the tape, for derivatives of derivatives. */
  readonly createGraph?: boolean;
}

/** Variables to the gradients that reached them. */
type Gradients = Map<Variable, Variable>;

/** Every variable behind `output` that wants a gradient, results before their inputs. Iterative: chains may be long. */
function reverseOrder(output: Variable): Variable[] {
  const seen = new Set<Variable>();
  const stack = [output];
  for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
    if (seen.has(v)) continue;
    seen.add(v);
    for (const input of v.node?.inputs ?? []) if (input.requiresGrad && !seen.has(input)) stack.push(input);
  }
  return [...seen].sort((a, b) => (b.node?.depth ?? 0) - (a.node?.depth ?? 0));
}

function accumulate(into: Gradients, v: Variable, g: Variable): void {
  const had = into.get(v);
  into.set(v, had ? had.add(g) : g);
}

/** Gradients of <output, seed> for the leaves behind it and for the variables in `wanted`. */
function gradients(output: Variable, seed: Variable, wanted: ReadonlySet<Variable>): Gradients {
  const found: Gradients = new Map([[output, seed]]);
  for (const v of reverseOrder(output)) {
    const g = found.get(v);
    if (v.node === null || g === undefined) continue;
    const { op, params, values } = v.node;
    const inputs = v.node.inputs.map((input, k) => input.asOf(values[k]!));
    inputs.forEach((input, k) => {
      if (input.requiresGrad) accumulate(found, input.origin, ruleFor(op, k)(g, { params, inputs, out: v }));
    });
    // An intermediate gradient has been passed on: let it go, as nobody can ask for it.
    if (!wanted.has(v)) found.delete(v);
  }
  return found;
}

function seedFor(output: Variable, seed: Tensor | Variable | undefined, createGraph: boolean): Variable {
  if (seed === undefined) {
    if (output.size !== 1) {
      throw new GradientError(
        `backward: ${errors.shapeText(output.shape)} is not a scalar, so it needs a seed of its own shape ` +
          '(the weights of its elements); did you mean .sum().backward()?',
        { shape: output.shape },
      );
    }
    return output.lift('backward', 1, output.dtype).expand(output.shape);
  }
  if (errors.shapeText(seed.shape) !== errors.shapeText(output.shape)) {
    throw new errors.ShapeError(
      `backward: the seed is ${errors.shapeText(seed.shape)}, the output ${errors.shapeText(output.shape)}; ` +
        'a seed weighs each element of the output',
      { found: seed.shape, expected: output.shape },
    );
  }
  const lifted = output.lift('backward', seed, output.dtype).cast(output.dtype);
  return createGraph ? lifted : lifted.detach();
}

function wantTaped(output: Variable): void {
  if (!output.requiresGrad) {
    throw new GradientError(
      'backward: nothing behind this variable requires a gradient; make a leaf with variable(x, { requiresGrad: true }), ' +
        'and check that this was not computed under noGrad',
    );
  }
}

/** See Variable.backward. */
export function backward(
  output: Variable,
  seed?: Tensor | Variable,
  { createGraph = false }: BackwardOptions = {},
): void {
  wantTaped(output);
  const run = () => {
    for (const [v, g] of gradients(output, seedFor(output, seed, createGraph), new Set())) {
      if (v.node !== null) continue;
      // The first gradient of a leaf may be another's too, or the seed itself: each leaf gets a Variable of its own.
      v.grad = v.grad ? v.grad.add(g) : createGraph ? g : g.detach();
    }
  };
  if (createGraph) run();
  else noGrad(run);
}

/**
 * The gradients of <output, seed> with respect to `wrt` (leaves or intermediates), without touching any `grad`. Where nothing
 * flows the gradient is zero.
 * @throws GradientError if `output` or one of `wrt` is a constant, or `output` is a non-scalar without a seed.
 */
export function gradientsOf(
  output: Variable,
  wrt: readonly Variable[],
  { seed, createGraph = false }: BackwardOptions & { readonly seed?: Tensor | Variable } = {},
): Variable[] {
  wantTaped(output);
  const at = wrt.findIndex((v) => !v.requiresGrad);
  if (at >= 0) {
    throw new GradientError(
      `gradientsOf: variable ${at} of ${wrt.length} does not require a gradient, so it is a constant of the tape; ` +
        'make it with variable(x, { requiresGrad: true }) before it is used',
      { index: at },
    );
  }
  const run = () => {
    const found = gradients(output, seedFor(output, seed, createGraph), new Set(wrt));
    return wrt.map((v) => found.get(v) ?? v.lift('gradientsOf', 0, v.dtype).expand(v.shape));
  };
  return createGraph ? run() : noGrad(run);
}
