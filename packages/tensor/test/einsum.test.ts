// einsum against the definition, a loop over all values of all labels, for random equations: repeated labels, '...', size 1, any
// number of operands, with and without an arrow. Values are small integers, so that every order of summation is exact.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DType, devices, einsum, errors, Rng, randn, type Tensor, tensor, zeros } from '../src/index.ts';
import { expectModel, leavingUntouched, thrown } from './support/expect.ts';
import { at, indicesOf, type Model, tabulate } from './support/model.ts';
import { numeric, type Sample, samples } from './support/samples.ts';

/** The labels of each operand's axes, and of the result's; unnamed axes are '3', '2', '1' from the left. */
interface Plan {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: Readonly<Record<string, number>>;
}

function loops({ inputs, output, sizes }: Plan, operands: readonly Model[], dtype: DType): Model {
  const summed = Object.keys(sizes).filter((label) => !output.includes(label));
  const all = [...output, ...summed];
  return tabulate(
    output.map((label) => sizes[label]!),
    dtype,
    (outer) => {
      let total = 0;
      for (const inner of indicesOf(summed.map((label) => sizes[label]!))) {
        const values = [...outer, ...inner];
        const factors = operands.map((x, k) =>
          at(
            x,
            inputs[k]!.map((label, axis) => (x.shape[axis] === 1 ? 0 : values[all.indexOf(label)]!)),
          ),
        );
        total += factors.reduce((p, v) => p * v, 1);
      }
      return total;
    },
  );
}

interface Drawn {
  readonly plan: Plan;
  readonly equation: string;
  readonly operands: readonly Sample[];
}

const letters = ['i', 'j', 'k', 'B', 'a'];
const lengths = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);
const operand = fc.record({
  labels: fc.array(fc.constantFrom(...letters), { maxLength: 3 }),
  /** How many unnamed axes there are, or null where '...' is not written; and where it is. */
  unnamed: fc.option(fc.nat(2), { freq: 2 }),
  place: fc.nat(3),
  ones: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 5, maxLength: 5 }),
});
const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    sizes: fc.tuple(...letters.map(() => lengths), lengths, lengths),
    terms: fc.array(operand, { minLength: 1, maxLength: 4 }),
    order: fc.shuffledSubarray(letters),
    dots: fc.nat(5),
    explicit: fc.boolean(),
    spaces: fc.boolean(),
    dtype: fc.constantFrom(...numeric),
  })
  .chain(({ sizes: drawnSizes, terms, order, dots, explicit, spaces, dtype }) => {
    const unnamed = Math.max(0, ...terms.map((t) => t.unnamed ?? 0));
    const ellipsis = ['2', '1'].slice(2 - unnamed);
    const names = [...letters, '2', '1'];
    const axesOf = (t: (typeof terms)[number]) => {
      const own = ['2', '1'].slice(2 - (t.unnamed ?? 0));
      return t.labels.toSpliced(Math.min(t.place, t.labels.length), 0, ...own);
    };
    const inputs = terms.map(axesOf);
    const written = inputs.flat();
    // A label is 1 in some operands, but not where it is repeated; its size is that of the others.
    const shapes = terms.map((t, k) =>
      inputs[k]!.map((label, axis) => {
        const once = inputs[k]!.indexOf(label) === inputs[k]!.lastIndexOf(label);
        return once && t.ones[axis % 5] === 0 ? 1 : drawnSizes[names.indexOf(label)]!;
      }),
    );
    const sizes: Record<string, number> = {};
    inputs.forEach((labels, k) => {
      labels.forEach((label, axis) => {
        const size = shapes[k]![axis]!;
        if (size !== 1 || sizes[label] === undefined) sizes[label] = size;
      });
    });
    const once = letters.filter((l) => written.filter((w) => w === l).length === 1).sort();
    const named = order.filter((l) => written.includes(l));
    const output = explicit ? named.toSpliced(Math.min(dots, named.length), 0, ...ellipsis) : [...ellipsis, ...once];
    const text = (t: (typeof terms)[number]) =>
      t.labels.toSpliced(Math.min(t.place, t.labels.length), 0, ...(t.unnamed === null ? [] : ['...'])).join('');
    const shown = ellipsis.length > 0 || dots === 0 ? ['...'] : [];
    const result = named.toSpliced(Math.min(dots, named.length), 0, ...shown).join(spaces ? ' ' : '');
    const equation = terms.map(text).join(spaces ? ' , ' : ',') + (explicit ? `->${result}` : '');
    const value = fc.integer({ min: -2, max: 2 });
    return fc.tuple(...shapes.map((shape) => samples(dtype, shape, value))).map((operands) => ({
      plan: { inputs, output, sizes },
      equation,
      operands,
    }));
  });

describe.each(devices)('%s', (device) => {
  test('is the sum over all labels that the result does not have', () => {
    let repeated = 0;
    fc.assert(
      fc.property(drawn, ({ plan, equation, operands }) => {
        if (plan.inputs.some((labels) => new Set(labels).size < labels.length)) repeated++;
        const tensors = operands.map((x) => x.on(device));
        const expected = loops(
          plan,
          operands.map((x) => x.model),
          operands[0]!.model.dtype,
        );
        const found = leavingUntouched(tensors, () => einsum(equation, ...tensors));
        expectModel(found, expected, equation);
      }),
      { numRuns: 400 },
    );
    expect(repeated).toBeGreaterThan(80);
  });

  test('the order of operands does not matter', () => {
    fc.assert(
      fc.property(drawn, fc.nat(3), ({ plan, equation, operands }, turn) => {
        fc.pre(equation.includes('->'));
        const [terms, result] = equation.split('->') as [string, string];
        const rotate = <T>(list: readonly T[]) => [
          ...list.slice(turn % list.length),
          ...list.slice(0, turn % list.length),
        ];
        const tensors = operands.map((x) => x.on(device));
        const turned = einsum(`${rotate(terms.split(',')).join(',')}->${result}`, ...rotate(tensors));
        expect(turned.shape).toEqual(plan.output.map((label) => plan.sizes[label]));
        expect(
          turned
            .eq(einsum(equation, ...tensors))
            .all()
            .item(),
        ).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('names for what has one already', () => {
    const [a, b] = [randn([4, 3], new Rng(1), { device }), randn([3, 5], new Rng(2), { device })];
    expect(einsum('ij,jk', a, b).toArray()).toEqual(a.matmul(b).toArray());
    expect(einsum('ij->ji', a).toArray()).toEqual(a.transpose().toArray());
    expect(einsum('i...->...i', a).storage).toBe(a.storage);
    expect(einsum('ii', a.matmul(a.transpose())).item()).toBe(a.matmul(a.transpose()).trace().item());
    expect(einsum('ij->', a).item()).toBe(a.sum().item());
    expect(einsum('', tensor(3, { device })).item()).toBe(3);
  });

  test('operands meet at one dtype; bool counts as int32', () => {
    const bits = tensor([[true, true]], { device });
    expect([einsum('ij,kj', bits, bits).dtype, einsum('ij,kj', bits, bits).toArray()]).toEqual(['int32', [[2]]]);
    expect(einsum('ij->j', bits).dtype).toBe('int32');
    const mixed = einsum('ij,j->i', bits, tensor(Float64Array.of(0.1, 0.2), { device }));
    expect([mixed.dtype, mixed.toArray()]).toEqual(['float64', [0.1 + 0.2]]);
    expect(
      einsum('i,i', tensor(Int32Array.of(2 ** 31 - 1), { device }), tensor(Int32Array.of(2), { device })).item(),
    ).toBe(-2);
  });

  const x = (...shape: number[]) => zeros(shape, { device });
  test.each<[string, readonly Tensor[], typeof errors.GemlabError, string, number]>([
    ['ij,jk->ik', [x(2, 3)], errors.EquationError, 'the equation has 2 operands, 1 given', 3],
    ['ij->i', [x(2, 3), x(2)], errors.EquationError, 'the equation has 1 operand, 2 given', 2],
    ['ij', [x(2, 3), x(2)], errors.EquationError, 'the equation has 1 operand, 2 given', 2],
    ['i1', [x(2, 3)], errors.EquationError, "'1' is neither a letter nor part of '...'", 1],
    ['i->->i', [x(2)], errors.EquationError, "'-' is neither a letter nor part of '...'", 3],
    ['..i', [x(2)], errors.EquationError, "'.' is neither a letter nor part of '...'", 0],
    ['...i...', [x(2)], errors.EquationError, "a second '...' in one operand", 4],
    ['ij->i,j', [x(2, 3)], errors.EquationError, 'a second result', 6],
    ['ij->k', [x(2, 3)], errors.EquationError, "'k' of the result is in no operand", 4],
    ['ij->iji', [x(2, 3)], errors.EquationError, "'i' is twice in the result", 6],
    [
      '...i->i',
      [x(2, 3)],
      errors.EquationError,
      "the result leaves out '...', which stands for axes (1); to sum over them give them letters",
      6,
    ],
    [
      ' ij',
      [x(2, 3, 4)],
      errors.ShapeError,
      "operand 0 is [2,3,4], but 2 of its axes are named; did you mean to write '...' for the others?",
      1,
    ],
    ['i,ij', [x(2), x(2)], errors.ShapeError, 'operand 1 is [2], but 2 of its axes are named', 2],
    ['ij...', [x(2)], errors.ShapeError, 'operand 0 is [2], but 2 of its axes are named', 0],
    ['ij,jk', [x(2, 3), x(4, 5)], errors.ShapeError, "'j' is 4 on axis 0 of operand 1, but 3 in an operand before", 3],
    ['i,ii', [x(3), x(3, 1)], errors.ShapeError, "'i' is 1 on axis 1 of operand 1, but 3 on its axis 0", 3],
    [
      '...i,j...',
      [x(2, 3), x(3, 3)],
      errors.ShapeError,
      "'...' is 3 on axis 1 of operand 1, but 2 in an operand before",
      6,
    ],
  ])('refuses %s and points at the place', (equation, operands, kind, problem, place) => {
    const error = thrown(() => einsum(equation, ...operands)) as errors.GemlabError;
    expect(error.message).toBe(`einsum: ${problem}\n  ${equation}\n  ${' '.repeat(place)}^`);
    expect(error).toBeInstanceOf(kind);
    expect(error.fields).toEqual({ equation, at: place, shapes: operands.map((t) => t.shape) });
  });

  test('refuses what is no tensor', () => {
    expect(thrown(() => einsum<Tensor>('i')).message).toBe('einsum: wants at least one tensor, found nothing');
    expect(thrown(() => einsum('i,i', x(2), [1, 2] as unknown as Tensor))).toBeInstanceOf(errors.DataError);
  });
});

test('a chain of matrices and a vector never makes a large product', () => {
  const n = 300;
  const [m, v] = [randn([n, n], new Rng(3)), randn([n], new Rng(4))];
  // Left to right this would hold n^3 numbers: 'ab,cd' come first in the text.
  const x = einsum('ab,cd,bc,d->a', m, m, m, v);
  const y = m.matmul(m.matmul(m.matmul(v)));
  expect(x.sub(y).abs().max().item()).toBeLessThan(1e-3 * (y.abs().max().item() as number));
});
