// Transforms: functions of variables to functions that give their derivatives. They nest to any order, and
// differentiate by trees of variables as well as by single ones. The forms are JAX's.
//
//   vjp       v -> v' J         a walk back over the tape, seeded with v
//   jvp       t -> J t          u -> u' J is linear in u, so its own derivative is J: walk back with u on the tape, then
//                               from <u' J, t> back to u (J. Townsend 2017, "A new trick for calculating Jacobian
//                               vector products")
//   hvp       t -> H t          the gradient of <grad f, t> (Pearlmutter 1994)
//   jacobian  J                 one vjp for each element of the output
//   hessian   H                 the Jacobian of the Jacobian
//
// The double walk is as exact as forward mode, costs about twice as much, and needs no second table of derivatives.
//
// f sees stand-ins for its arguments. Beside an outer tape a stand-in is a step on it, so results can be differentiated
// again by what lies outside; else it is a leaf, and results are constants. Several outputs y_i with seeds u_i count as
// one, sum_i <y_i, u_i>.

import { errors, type Shape, stack, type Tensor } from '@gemlab/tensor';
import { gradientsOf } from './backward.ts';
import { GradientError } from './errors.ts';
import { enableGrad, mode } from './mode.ts';
import { leavesLike, leavesOf, type MapItems, type MapLeaves, mapTree, type Tree, withLeaves } from './tree.ts';
import { Variable, variable } from './variable.ts';

/** Which arguments to differentiate by: one (its derivative stands alone), or several (an array of derivatives). */
export type Argnums = number | readonly number[];

/** The derivatives by the arguments of types `A` that `N` names: trees of the same form, with variables for leaves. */
export type ByArguments<A extends readonly unknown[], N extends Argnums> = N extends number
  ? MapLeaves<A[N], Variable>
  : N extends readonly number[]
    ? { -readonly [K in keyof N]: N[K] extends number ? MapLeaves<A[N[K]], Variable> : never }
    : never;

/** A tree of variables with `Leaf` in place of each. */
export type Each<R, Leaf> = R extends Variable ? Leaf : { -readonly [K in keyof R]: Each<R[K], Leaf> };

type Arguments = readonly unknown[];
/** What may be given for arguments of types `A`: tensors too. */
type Given<A extends Arguments> = Readonly<MapItems<A, Variable | Tensor>>;
type Options<N> = { readonly argnums?: N };

const listOf = (argnums: Argnums): readonly number[] => (typeof argnums === 'number' ? [argnums] : argnums);

const all = (args: Arguments): number[] => args.map((_, i) => i);

/** Runs with the tape on; `outer` says whether it was on before. */
function taping<T>(run: (outer: boolean) => T): T {
  const outer = mode().recording;
  return enableGrad(() => run(outer));
}

/** On an outer tape a step that changes nothing, else a leaf. */
function standInFor(x: Variable | Tensor, outer: boolean): Variable {
  if (!(x instanceof Variable)) return variable(x, { requiresGrad: true });
  if (outer && x.requiresGrad) return x.apply('reshape', { shape: x.shape }, [x]);
  return variable(x.value, { requiresGrad: true });
}

interface Traced<R> {
  /** What f returned for stand-ins. */
  readonly output: R;
  readonly standIns: readonly Variable[];
  /** The derivatives, one for each stand-in, as trees of the arguments. */
  readonly byArguments: (derivatives: readonly Variable[]) => unknown;
}

/** @throws GradientError if an argument to differentiate by is missing, or holds something that has no gradient. */
function trace<R>(
  name: string,
  f: (...args: never) => R,
  args: Arguments,
  argnums: Argnums,
  outer: boolean,
): Traced<R> {
  const numbers = listOf(argnums);
  const missing = numbers.find((n) => !(Number.isInteger(n) && n >= 0 && n < args.length));
  if (missing !== undefined) {
    throw new GradientError(
      `${name}: there is no argument ${missing} to differentiate by; it was called with ${args.length}`,
      {
        argnum: missing,
        count: args.length,
      },
    );
  }
  const standIns = new Map<number, Variable[]>();
  const opened = [...args];
  for (const n of new Set(numbers)) {
    const leaves: Variable[] = [];
    opened[n] = mapTree(`${name}: argument ${n}`, args[n], (leaf, path) => {
      if (leaf.dtype !== 'float32' && leaf.dtype !== 'float64') {
        throw new GradientError(
          `${name}: argument ${n}${path === '' ? '' : ` at ${path}`} is ${leaf.dtype}, and only floats have gradients; ` +
            "did you mean .cast('float32'), or other argnums?",
          { argnum: n, path, dtype: leaf.dtype },
        );
      }
      leaves.push(standInFor(leaf, outer));
      return leaves.at(-1)!;
    });
    standIns.set(n, leaves);
  }
  const trees = numbers.map((n) => args[n]);
  return {
    output: f(...(opened as never)),
    standIns: numbers.flatMap((n) => standIns.get(n)!),
    byArguments: (derivatives) => {
      const found = withLeaves(trees, derivatives) as Tree<Variable>[];
      return typeof argnums === 'number' ? found[0] : found;
    },
  };
}

/** Whether what lies outside can ask for derivatives of v: there is a leaf behind it that is none of `own`. */
function seenOutside(v: Variable, own: readonly Variable[]): boolean {
  const seen = new Set<Variable>(own.filter(({ node }) => node === null));
  const stack = [v];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (seen.has(next) || !next.requiresGrad) continue;
    if (next.node === null) return true;
    seen.add(next);
    for (const input of next.node.inputs) stack.push(input);
  }
  return false;
}

const zeros = (like: Variable, shape: Shape = like.shape): Variable => like.lift('zeros', 0, like.dtype).expand(shape);

/** The gradients of a scalar that may not depend on them, on the tape if the outside can ask for more. */
function pull(scalar: Variable | null, by: readonly Variable[], own: readonly Variable[], outer: boolean): Variable[] {
  if (!scalar?.requiresGrad) return by.map((v) => zeros(v));
  return gradientsOf(scalar, by, { createGraph: outer && seenOutside(scalar, own) });
}

/** What f returned, as the outside gets to see it: a constant unless that is on a tape of its own. */
function settle<R>(output: R, own: readonly Variable[], outer: boolean): R {
  const leaves = leavesOf('the output', output).map((v) => (outer && seenOutside(v, own) ? v : v.detach()));
  return withLeaves(output, leaves) as R;
}

/** sum_i <a_i, b_i> over the a_i that are on the tape; null if none is. */
function inner(as: readonly Variable[], bs: readonly Variable[]): Variable | null {
  const products = as.flatMap((a, i) => (a.requiresGrad ? [a.mul(bs[i]!.cast(a.dtype)).sum()] : []));
  return products.length === 0 ? null : products.reduce((sum, product) => sum.add(product));
}

function wantNumber(name: string, output: unknown): asserts output is Variable {
  if (output instanceof Variable && output.size === 1) return;
  const found = output instanceof Variable ? errors.shapeText(output.shape) : 'no single variable';
  throw new GradientError(
    `${name}: the function must return one number, found ${found}; did you mean jacobian, or .sum()?`,
    { shape: output instanceof Variable ? output.shape : null },
  );
}

/**
 * f to the function that gives [its value, its gradient]; otherwise as grad.
 * @throws GradientError as grad.
 */
export function valueAndGrad<A extends Arguments = Variable[], const N extends Argnums = 0>(
  f: (...args: A) => Variable,
  { argnums = 0 as N }: Options<N> = {},
): (...args: Given<A>) => [value: Variable, gradient: ByArguments<A, N>] {
  return (...args) =>
    taping((outer) => {
      const { output, standIns, byArguments } = trace('grad', f, args, argnums, outer);
      wantNumber('grad', output);
      const gradients = byArguments(pull(output, standIns, standIns, outer));
      return [settle(output, standIns, outer), gradients as ByArguments<A, N>];
    });
}

/**
 * f, which returns one number, to the function that gives its gradient by the first argument, or by those that
 * `argnums` names. Arguments are trees of variables or tensors; where no derivative is asked for they may be anything.
 * The gradient has the argument's form, and is zero where f does not depend on it.
 * @throws GradientError if f does not return one number, or an argument has no gradient.
 */
export function grad<A extends Arguments = Variable[], const N extends Argnums = 0>(
  f: (...args: A) => Variable,
  options: Options<N> = {},
): (...args: Given<A>) => ByArguments<A, N> {
  const both = valueAndGrad(f, options);
  return (...args) => both(...args)[1];
}

/**
 * f at `primals`, and the function that takes a cotangent v of f's output (of its form and shapes) to v' J: one tree
 * for each primal. It may be called any number of times.
 * @throws GradientError or ShapeError if a cotangent does not fit the output.
 */
export function vjp<A extends Arguments = Variable[], R = Variable>(
  f: (...args: A) => R,
  ...primals: Given<A>
): [value: R, pullBack: (cotangent: Each<R, Variable | Tensor>) => MapItems<A, Variable>] {
  return taping((outer) => {
    const { output, standIns, byArguments } = trace('vjp', f, primals, all(primals), outer);
    const outputs = leavesOf('vjp: the output', output);
    const pullBack = (cotangent: Each<R, Variable | Tensor>) =>
      taping((recording) => {
        const weighed = inner(outputs, leavesLike('vjp: the cotangent', cotangent, output));
        return byArguments(pull(weighed, standIns, standIns, recording)) as MapItems<A, Variable>;
      });
    return [settle(output, standIns, outer), pullBack];
  });
}

/**
 * [f at `primals`, J t]: how f changes there along the tangents t, which have the form and shapes of the primals.
 * @throws GradientError or ShapeError if the tangents do not fit the primals.
 */
export function jvp<A extends Arguments = Variable[], R = Variable>(
  f: (...args: A) => R,
  primals: Given<A>,
  tangents: Given<A>,
): [value: R, tangent: R] {
  return taping((outer) => {
    const along = leavesLike('jvp: the tangents', tangents, primals);
    const { output, standIns } = trace('jvp', f, primals, all(primals), outer);
    const outputs = leavesOf('jvp: the output', output);
    const moving = [...new Set(outputs.filter((y) => y.requiresGrad))];
    // Any seeds would do, as what comes back is linear in them; ones, because 0 times an infinite slope is NaN.
    const seeds = moving.map((y) => variable(y.lift('jvp', 1, y.dtype).expand(y.shape).value, { requiresGrad: true }));
    const pulled = inner(moving, seeds);
    const slope = pulled && inner(gradientsOf(pulled, standIns, { createGraph: true }), along);
    const found = pull(slope, seeds, [...standIns, ...seeds], outer);
    const tangent = outputs.map((y) => found[moving.indexOf(y)] ?? zeros(y));
    return [settle(output, standIns, outer), withLeaves(output, tangent) as R];
  });
}

/**
 * H t for the Hessian H of f, which returns one number, at `primals`: one tree for each primal. The Hessian itself is
 * never made.
 * @throws GradientError or ShapeError as jvp and grad.
 */
export function hvp<A extends Arguments = Variable[]>(
  f: (...args: A) => Variable,
  primals: Given<A>,
  tangents: Given<A>,
): MapItems<A, Variable> {
  return taping((outer) => {
    const along = leavesLike('hvp: the tangents', tangents, primals);
    const { output, standIns, byArguments } = trace('hvp', f, primals, all(primals), outer);
    wantNumber('hvp', output);
    const slope = output.requiresGrad ? inner(gradientsOf(output, standIns, { createGraph: true }), along) : null;
    return byArguments(pull(slope, standIns, standIns, outer)) as MapItems<A, Variable>;
  });
}

/**
 * f to the function that gives its Jacobian: for each output y and each argument x to differentiate by, dy/dx of shape
 * [...y.shape, ...x.shape]. The form is that of the output, with a tree of the arguments' form in place of each leaf.
 * @throws GradientError as grad.
 */
export function jacobian<A extends Arguments = Variable[], R = Variable, const N extends Argnums = 0>(
  f: (...args: A) => R,
  { argnums = 0 as N }: Options<N> = {},
): (...args: Given<A>) => Each<R, ByArguments<A, N>> {
  return (...args) =>
    taping((outer) => {
      const { output, standIns, byArguments } = trace('jacobian', f, args, argnums, outer);
      const blocks = leavesOf('jacobian: the output', output).map((y) => {
        const flat = y.reshape([-1]);
        const rows = Array.from({ length: y.size }, (_, i) => pull(flat.slice(i), standIns, standIns, outer));
        return standIns.map((x, k) => {
          const shape = [...y.shape, ...x.shape];
          return y.size === 0 ? zeros(x, shape) : stack<Variable>(rows.map((row) => row[k]!)).reshape(shape);
        });
      });
      return withLeaves(output, blocks.map(byArguments)) as Each<R, ByArguments<A, N>>;
    });
}

/**
 * f to the function that gives its second derivatives: the Jacobian of its Jacobian, of shape [...y.shape, ...x.shape,
 * ...x.shape]. For a function of several arguments it is nested by both, as argnums has it.
 * @throws GradientError as grad.
 */
export function hessian<A extends Arguments = Variable[], R = Variable, const N extends Argnums = 0>(
  f: (...args: A) => R,
  options: Options<N> = {},
): (...args: Given<A>) => Each<Each<R, ByArguments<A, N>>, ByArguments<A, N>> {
  const first = jacobian<A, R, N>(f, options) as (...args: A) => Each<R, ByArguments<A, N>>;
  return jacobian<A, Each<R, ByArguments<A, N>>, N>(first, options);
}
