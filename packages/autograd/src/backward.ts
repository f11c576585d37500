// Reverse-mode differentiation: walk the tape from the output back, and at each step let the derivative table turn the
// gradient of the result into the gradients of the inputs (Speelpenning 1980; Griewank & Walther, ch. 3). Rules are
// written with ops on Variables, so with createGraph the walk itself is taped and can be differentiated again.

import { errors, type Tensor } from '@gemlab/tensor';
import { backwardError } from './anomaly.ts';
import { notVariables, wantArray } from './checks.ts';
import { GradientError } from './errors.ts';
import { current, enableGrad, noGrad } from './mode.ts';
import { pullBack } from './rules/index.ts';
import { inputsThen, leadingTo, reverseOrder } from './tape.ts';
import type { Variable } from './variable.ts';

export interface BackwardOptions {
  /** Put the gradients themselves on the tape, for derivatives of derivatives. */
  readonly createGraph?: boolean;
}

/** Variables to the gradients that reached them. */
type Gradients = Map<Variable, Variable>;

interface Route {
  /** Where gradients are wanted: the walk goes nowhere else, and keeps what arrives there. Without it, everywhere. */
  readonly wanted?: ReadonlySet<Variable>;
  /** Variables to go no further than, as if they were leaves. */
  readonly stop?: ReadonlySet<Variable>;
}

function accumulate(into: Gradients, v: Variable, g: Variable): void {
  const had = into.get(v);
  into.set(v, had ? had.add(g) : g);
}

/** Gradients of <output, seed> for what is wanted, or for the variables behind the output that retain theirs. */
function gradients(output: Variable, seed: Variable, { wanted, stop }: Route): Gradients {
  const found: Gradients = new Map();
  found.set(output, seed);
  const order = reverseOrder(output, stop);
  const leads = wanted && leadingTo(wanted, order);
  const goesTo = (v: Variable): boolean => v.requiresGrad && (leads === undefined || leads.has(v.origin));
  for (const v of order) {
    const arrived = found.get(v);
    // Nothing reached it, or what did is not this walk's to pass on.
    if (arrived === undefined || stop?.has(v)) continue;
    const g = v.hooked(arrived);
    if (v.node !== null && goesTo(v)) pass(found, v, g, goesTo);
    // An intermediate gradient has been passed on: let it go, as nobody can ask for it.
    if (wanted ? wanted.has(v) : v.retainsGrad) found.set(v, g);
    else found.delete(v);
  }
  return found;
}

/** Passes g, the gradient of v, on to the inputs of the step that made v. */
function pass(into: Gradients, v: Variable, g: Variable, goesTo: (v: Variable) => boolean): void {
  const node = v.node!;
  const inputs = inputsThen(node);
  try {
    const pulled = pullBack(node, g, { inputs, out: v }, goesTo);
    for (let k = 0; k < inputs.length; k++) {
      const x = inputs[k]!;
      const gradient = pulled[k]!;
      if (gradient !== null && goesTo(x)) accumulate(into, x.origin, gradient);
    }
  } catch (error) {
    throw backwardError(v, error);
  }
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
  wantArray('backward: the seed', seed);
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

/** Walks with the tape on if the gradients are to be on it, else off. */
const walking = <T>(createGraph: boolean, walk: () => T): T => (createGraph ? enableGrad(walk) : noGrad(walk));

/** See Variable.backward. */
export function backward(
  output: Variable,
  seed?: Tensor | Variable,
  { createGraph = false }: BackwardOptions = {},
): void {
  wantTaped(output);
  walking(createGraph, () => {
    const found = gradients(output, seedFor(output, seed, createGraph), {});
    // The first gradient of a leaf may be another's too, or the seed itself, which may be given other values: each leaf gets
    // a Variable of its own, unless it was computed, which nothing changes.
    const own = (g: Variable) => (g.node !== null ? g : g.apply('reshape', { shape: g.shape }, [g]));
    const sums: Variable[] = [];
    for (const [v, g] of found) sums.push(v.grad ? v.grad.add(g) : createGraph ? own(g) : g.detach());
    // All or none.
    let i = 0;
    for (const v of found.keys()) v.grad = sums[i++]!;
  });
}

/**
 * The gradients of <output, seed> with respect to `wrt` (leaves or intermediates), without touching any `grad`. Only
 * the part of the tape that leads to them is walked. Where nothing flows the gradient is zero.
 * @throws GradientError if `output` or one of `wrt` is a constant, `wrt` is no array of variables, or `output` is a non-scalar
 * without a seed.
 */
export function gradientsOf(
  output: Variable,
  wrt: readonly Variable[],
  { seed, createGraph = false }: BackwardOptions & { readonly seed?: Tensor | Variable } = {},
): Variable[] {
  wantTaped(output);
  const found = notVariables(wrt);
  if (found !== null)
    throw new GradientError(`gradientsOf: wants variables to differentiate by, [x, ...], found ${found}`, { wrt });
  const wanted = wrt.map(current);
  const at = wanted.findIndex((v) => !v.requiresGrad);
  if (at >= 0) {
    throw new GradientError(
      `gradientsOf: variable ${at} of ${wrt.length} does not require a gradient, so it is a constant of the tape; ` +
        'make it with variable(x, { requiresGrad: true }) before it is used',
      { index: at },
    );
  }
  return walking(createGraph, () => {
    const found = gradients(output, seedFor(output, seed, createGraph), { wanted: new Set(wanted) });
    return wanted.map((v) => found.get(v) ?? v.lift('gradientsOf', 0, v.dtype).expand(v.shape));
  });
}

/**
 * For the engine: the partial derivatives of <output, seed> by `inputs`, each seen as independent of the others,
 * whatever lies between them. Null where nothing flows.
 */
export function partials(
  output: Variable,
  inputs: readonly Variable[],
  seed: Variable,
  createGraph: boolean,
): (Variable | null)[] {
  const wanted = new Set(inputs);
  return walking(createGraph, () => {
    const found = gradients(output, seed, { wanted, stop: wanted });
    return inputs.map((v) => found.get(v) ?? null);
  });
}
