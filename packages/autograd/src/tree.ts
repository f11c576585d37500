// Trees: arrays and plain objects, nested in any way, with variables and tensors as leaves. Transforms take and give
// them (JAX calls them pytrees), so that all parameters of a model can be one argument. null and undefined are trees
// without leaves, as a layer's missing bias.

import { errors, type HoldsStorage, Tensor } from '@gemlab/tensor';
import { kindOf } from './checks.ts';
import { GradientError } from './errors.ts';
import { Variable } from './variable.ts';

/** Leaves in arrays and plain objects. */
export type Tree<Leaf> = Leaf | null | undefined | readonly Tree<Leaf>[] | { readonly [name: string]: Tree<Leaf> };

/** T with `Leaf` at each place of a variable or tensor; the rest is as it was. */
export type MapLeaves<T, Leaf> = T extends Variable | Tensor
  ? Leaf
  : T extends HoldsStorage | ((...args: never) => unknown)
    ? T
    : T extends object
      ? { [K in keyof T]: MapLeaves<T[K], Leaf> }
      : T;

/** Each item of an array or tuple with other leaves. */
export type MapItems<A extends readonly unknown[], Leaf> = { -readonly [K in keyof A]: MapLeaves<A[K], Leaf> };

const isObject = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;

const join = (path: string, name: string | number): string => (path === '' ? `${name}` : `${path}.${name}`);

/**
 * A tree with `change` applied to every leaf, which also gets the leaf's path.
 * @param what names the tree in errors.
 * @throws GradientError if it holds anything that is neither a leaf nor a tree.
 */
export function mapTree<R>(what: string, tree: unknown, change: (leaf: Variable | Tensor, path: string) => R): Tree<R> {
  const visit = (x: unknown, path: string): Tree<R> => {
    if (x instanceof Variable || x instanceof Tensor) return change(x, path);
    if (x === null || x === undefined) return x;
    if (Array.isArray(x)) return x.map((item, i) => visit(item, join(path, i)));
    if (isObject(x)) {
      return Object.fromEntries(Object.entries(x).map(([name, item]) => [name, visit(item, join(path, name))]));
    }
    throw new GradientError(
      `${what}${path === '' ? '' : ` at ${path}`} is ${kindOf(x)}, where variables, tensors, or arrays and plain objects of ` +
        "them are wanted; a model's parameters are Object.fromEntries(model.namedParameters())",
      { path },
    );
  };
  return visit(tree, '');
}

/** The leaves of a tree as variables, in order. @throws GradientError as mapTree. */
export function leavesOf(what: string, tree: unknown): Variable[] {
  const leaves: Variable[] = [];
  mapTree(what, tree, (leaf) => void leaves.push(leaf instanceof Variable ? leaf : new Variable(leaf, false)));
  return leaves;
}

/** The tree with its leaves replaced, in order. */
export function withLeaves<R>(tree: unknown, leaves: readonly R[]): Tree<R> {
  let next = 0;
  return mapTree('the tree', tree, () => leaves[next++]!);
}

/**
 * The leaves of `tree`, which must have the form of `like`: the same keys, and leaves of the same shapes.
 * @throws GradientError or ShapeError naming the first place that differs.
 */
export function leavesLike(what: string, tree: unknown, like: unknown): Variable[] {
  const paths = (t: unknown): string[] => {
    const found: string[] = [];
    mapTree(what, t, (_, path) => void found.push(path));
    return found;
  };
  const [here, there] = [paths(tree), paths(like)];
  const at = there.findIndex((path, i) => here[i] !== path);
  if (at >= 0 || here.length !== there.length) {
    const list = (all: string[]) => (all.length === 0 ? 'none' : all.map((path) => path || 'one').join(', '));
    throw new GradientError(`${what} wants the leaves ${list(there)}, found ${list(here)}`, {
      found: here,
      wanted: there,
    });
  }
  const [leaves, models] = [leavesOf(what, tree), leavesOf(what, like)];
  leaves.forEach((leaf, i) => {
    if (errors.shapeText(leaf.shape) !== errors.shapeText(models[i]!.shape)) {
      const place = here[i] === '' ? '' : ` at ${here[i]}`;
      throw new errors.ShapeError(
        `${what}${place} is ${errors.shapeText(leaf.shape)}, where ${errors.shapeText(models[i]!.shape)} is wanted`,
        { path: here[i], found: leaf.shape, expected: models[i]!.shape },
      );
    }
  });
  return leaves;
}
