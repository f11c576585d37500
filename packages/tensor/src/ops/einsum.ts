// Einstein's summation: every label that the result does not have is summed over, out[i,k] = sum over j of a[i,j] b[j,k]. It is
// lowered to what is fast and differentiable already. First, in each operand by itself, a repeated label becomes a diagonal and
// one that occurs nowhere else a sum. Then two operands at a time become one:
//
//   labels in both and still needed: batch      labels in both, not needed any more: inner      others: rows, columns
//   [batch, rows, inner] x [batch, inner, columns] -> [batch, rows, columns]
//
// which is a matmul, or without inner labels a broadcast product. Which two come first is chosen greedily, by how much less there
// is to hold afterwards (the `greedy` of Smith and Gray, "opt_einsum", JOSS 3(26), 2018).

import { promote } from '../dtype.ts';
import { sizeOf } from '../shape.ts';
import { type ArrayOf, leader } from './carrier.ts';
import { readEquation } from './equation.ts';
import type { LinalgOps } from './linalg.ts';

/** A carrier with a label for each of its axes, each label once. */
interface Factor<T> {
  readonly x: T;
  readonly labels: readonly string[];
}

/**
 * The sum of products that an equation such as 'ij,jk->ik' describes, for any number of operands. A letter may occur twice in an
 * operand (its diagonal), '...' stands for further axes that broadcast, and without '->' the result has the letters that occur
 * once, in the order of the alphabet. Where operands differ in the size of a letter, one of them must have 1. Operands meet at
 * one dtype, bool as int32.
 * @throws EquationError if the equation is malformed or has another number of operands; ShapeError if the shapes do not fit it.
 */
export function einsum<T extends LinalgOps<T>>(equation: string, ...operands: readonly ArrayOf<T>[]): T {
  const first = leader<T>('einsum', operands);
  const lifted = operands.map((x) => first.lift('einsum', x, first.dtype));
  const met = lifted.reduce((dtype, x) => promote(dtype, x.dtype), first.dtype);
  const { inputs, output, sizes } = readEquation(
    equation,
    lifted.map((x) => x.shape),
  );
  let factors = lifted.map((x, i) => single({ x: x.cast(met === 'bool' ? 'int32' : met), labels: inputs[i]! }, sizes));
  while (factors.length > 1) {
    const [a, b] = cheapest(factors, output, sizes);
    const rest = factors.filter((f) => f !== a && f !== b);
    factors = [...rest, product(a, b, neededBy(rest, output), sizes)];
  }
  return laid(summed(factors[0]!, neededBy([], output)), output);
}

type Sizes = ReadonlyMap<string, number>;

/** Repeated labels as diagonals; without the axes of size 1 that stand for a longer one. */
function single<T extends LinalgOps<T>>({ x, labels }: Factor<T>, sizes: Sizes): Factor<T> {
  const second = labels.findIndex((label, axis) => labels.indexOf(label) < axis);
  if (second >= 0) {
    const label = labels[second]!;
    const first = labels.indexOf(label);
    const others = labels.filter((_, axis) => axis !== first && axis !== second);
    return single({ x: x.diagonal(0, first, second), labels: [...others, label] }, sizes);
  }
  const spread = labels.flatMap((label, axis) => (x.shape[axis] === sizes.get(label) ? [] : [axis]));
  return { x: x.squeeze(spread), labels: labels.filter((_, axis) => !spread.includes(axis)) };
}

const neededBy = <T>(others: readonly Factor<T>[], output: readonly string[]): ReadonlySet<string> =>
  new Set([...output, ...others.flatMap(({ labels }) => labels)]);

/** Summed over all labels that are not needed. */
function summed<T extends LinalgOps<T>>({ x, labels }: Factor<T>, needed: ReadonlySet<string>): Factor<T> {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  return axes.length === 0 ? { x, labels } : { x: x.sum(axes), labels: labels.filter((label) => needed.has(label)) };
}

/** The axes in the order of the labels. */
function laid<T extends LinalgOps<T>>({ x, labels }: Factor<T>, order: readonly string[]): T {
  return x.permute(order.map((label) => labels.indexOf(label)));
}

/** Two factors as one, summed over the labels that nothing else needs. */
function product<T extends LinalgOps<T>>(
  left: Factor<T>,
  right: Factor<T>,
  needed: ReadonlySet<string>,
  sizes: Sizes,
): Factor<T> {
  const a = summed(left, new Set([...needed, ...right.labels]));
  const b = summed(right, new Set([...needed, ...left.labels]));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const inner = shared.filter((label) => !needed.has(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  const p = laid(a, [...batch, ...rows, ...inner]);
  const q = laid(b, [...batch, ...inner, ...columns]);

  const of = (labels: readonly string[]) => labels.map((label) => sizes.get(label)!);
  const together = (labels: readonly string[]) => sizeOf(of(labels));
  const ones = (labels: readonly string[]) => labels.map(() => 1);
  const labels = [...batch, ...rows, ...columns];
  if (inner.length === 0) {
    const [up, down] = [
      [...of(batch), ...of(rows), ...ones(columns)],
      [...of(batch), ...ones(rows), ...of(columns)],
    ];
    return { x: p.reshape(up).mul(q.reshape(down)), labels };
  }
  const x = p
    .reshape([...of(batch), together(rows), together(inner)])
    .matmul(q.reshape([...of(batch), together(inner), together(columns)]));
  return { x: x.reshape(of(labels)), labels };
}

/** The two factors whose product, in place of them, leaves the least to hold; of equals the first. */
function cheapest<T>(factors: readonly Factor<T>[], output: readonly string[], sizes: Sizes): [Factor<T>, Factor<T>] {
  const held = (labels: Iterable<string>) => Array.from(labels).reduce((n, label) => n * sizes.get(label)!, 1);
  let [best, least] = [[factors[0]!, factors[1]!] as [Factor<T>, Factor<T>], Infinity];
  for (const [i, a] of factors.entries()) {
    for (const b of factors.slice(i + 1)) {
      const needed = neededBy(
        factors.filter((f) => f !== a && f !== b),
        output,
      );
      const result = new Set([...a.labels, ...b.labels].filter((label) => needed.has(label)));
      const more = held(result) - held(a.labels) - held(b.labels);
      if (more < least) [best, least] = [[a, b], more];
    }
  }
  return best;
}
