// Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): what lies between the
// inputs and the output of a segment is forgotten after the forward pass and computed once more in backward. Memory
// then holds the ends of the segments and the inside of one, for the price of a second forward pass.
//
// On the tape the segment is one step. Its inputs are all variables that the output was computed from and that were not
// made inside: arguments, parameters, whatever the function closes over. To pull a gradient back the function runs
// again, on a tape of its own, with each of them holding the value that it held then.

import { Rng, type RngState, scope, type Tensor } from '@gemlab/tensor';
import { partials } from './backward.ts';
import { kindOf } from './checks.ts';
import { GradientError } from './errors.ts';
import { mode, within } from './mode.ts';
import type { PullBack } from './tape.ts';
import { record, Variable } from './variable.ts';

/**
 * fn(...inputs), with what is computed on the way forgotten and computed again in backward. Values are those of the
 * plain call bit for bit, and so are gradients of every order, save for the order of sums: where a variable enters the
 * segment more than once and is used outside too, its contributions from inside are added up first.
 *
 * fn runs twice, so it must compute the same again. Draws do if their generator is among the inputs: it is put back to
 * where it stood for the second run, and on again after it. What fn does besides (running statistics, say) happens
 * twice. It runs in a scope of its own: to keep a tensor made inside, `keep` it.
 * @throws GradientError unless fn returns one variable; BackwardError, in backward, if the second run gives other values.
 */
export function checkpoint<A extends readonly unknown[]>(fn: (...inputs: A) => Variable, ...inputs: A): Variable {
  const { recording, substitutes } = mode();
  if (!recording) return fn(...inputs);

  const generators = inputs.filter((x) => x instanceof Rng).map((rng) => ({ rng, before: rng.state }));
  const made = new Set<Variable>();
  const first: { output?: Variable } = {};
  const value = scope((): Tensor => {
    const output: unknown = within('checkpoint', { made }, () => fn(...inputs));
    if (!(output instanceof Variable)) {
      throw new GradientError(
        `checkpoint: the function must return one variable, found ${kindOf(output)}; several can be one by concat or stack`,
        { found: output },
      );
    }
    first.output = output;
    return output.value;
  });
  const output = first.output!;
  if (!made.has(output)) return output;
  const outer = enteredBy(output, made);
  // They are what was read already.
  const values = within('checkpoint', { substitutes: null }, () => outer.map((v) => v.value));

  const runAgain = (): Variable => {
    const before = new Map(outer.map((v, k) => [v, v.asOf(values[k]!)]));
    const then = new Map(before);
    // What read as one of them reads as that was then.
    for (const [own, read] of substitutes ?? []) then.set(own, before.get(read) ?? read);
    return withGenerators(generators, () =>
      within('checkpoint', { recording: true, substitutes: then }, () => fn(...inputs)),
    );
  };
  const pullBack: PullBack = (g) => {
    const createGraph = mode().recording;
    const pull = (): (Variable | null)[] => {
      const again = runAgain();
      wantSame(value, again.value);
      return partials(again, outer, g, createGraph);
    };
    // What was computed again is needed no longer, unless the gradients are to be differentiated.
    return createGraph ? pull() : scope(pull);
  };
  return record('custom', { name: 'checkpoint', pullBack }, outer, values, value);
}

/** The variables behind `output` that were not made inside, but are the inputs of steps that were. */
function enteredBy(output: Variable, made: ReadonlySet<Variable>): Variable[] {
  const outer = new Set<Variable>();
  const seen = new Set<Variable>([output]);
  const stack = [output];
  for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
    for (const input of v.node!.inputs) {
      if (!input.requiresGrad || seen.has(input)) continue;
      seen.add(input);
      if (made.has(input)) stack.push(input);
      else outer.add(input);
    }
  }
  return [...outer];
}

interface Standing {
  readonly rng: Rng;
  readonly before: RngState;
}

/** Runs fn with the generators where they stood `before`; afterwards they are where they are now. */
function withGenerators<T>(generators: readonly Standing[], fn: () => T): T {
  const now = generators.map(({ rng }) => rng.state);
  try {
    for (const { rng, before } of generators) rng.restore(before);
    return fn();
  } finally {
    generators.forEach(({ rng }, i) => {
      rng.restore(now[i]!);
    });
  }
}

function wantSame(first: Tensor, again: Tensor): void {
  const same =
    again.shape.join() === first.shape.join() &&
    again.eq(first).logicalOr(again.isNan().logicalAnd(first.isNan())).all().item();
  if (!same) {
    throw new GradientError(
      'checkpoint: run again, the function gave other values; if it draws, pass the generator: ' +
        'checkpoint((x, rng) => ..., x, rng); and it must not depend on anything that changes between forward and backward',
    );
  }
}
