// The notation of einsum, 'ij,jk->ik': a letter names an axis of each operand before the arrow, and of the result behind it; '...'
// stands for axes without a name, aligned at the right. Without an arrow the result has the unnamed axes and then, in the order
// of the alphabet (capitals first), the letters that occur once. This file turns an equation and some shapes into lists of labels.
// Source: NumPy's einsum, whose rules these are.

import { EquationError, ShapeError, shapeText } from '../errors.ts';
import type { Shape } from '../shape.ts';

/** What an equation says of given operands. Unnamed axes are labelled '...1', '...2', from the right. */
export interface Labelled {
  /** For each operand, the label of each axis. */
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  /** How long each labelled axis is in the result; an operand may have 1 instead. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** One letter or '...', and where it stands. */
interface Subscript {
  readonly label: string;
  readonly at: number;
}
/** What stands between commas, and where. */
interface Term {
  readonly subscripts: readonly Subscript[];
  readonly at: number;
}
type Fail = (at: number, problem: string, Kind?: typeof EquationError) => never;

const DOTS = '...';
const isDots = ({ label }: Subscript): boolean => label === DOTS;
const labelsOf = (subscripts: readonly Subscript[]): string[] => subscripts.map(({ label }) => label);

/** Reads an equation for operands of the given shapes. @throws EquationError, ShapeError; the message points at the place. */
export function readEquation(equation: string, shapes: readonly Shape[]): Labelled {
  const fail: Fail = (at, problem, Kind = EquationError) => {
    throw new Kind(`einsum: ${problem}\n  ${equation}\n  ${' '.repeat(at)}^`, { equation, at, shapes });
  };
  const arrow = equation.indexOf('->');
  const terms = termsOf(arrow < 0 ? equation : equation.slice(0, arrow), 0, fail);
  if (terms.length !== shapes.length) {
    const at = terms[shapes.length]?.at ?? (arrow < 0 ? equation.length : arrow);
    fail(at, `the equation has ${terms.length} operand${terms.length === 1 ? '' : 's'}, ${shapes.length} given`);
  }
  const axes = terms.map((term, operand) => axesOf(term, shapes[operand]!, operand, fail));
  const sizes = sizesOf(axes, shapes, fail);
  const unnamed = Array.from(sizes.keys()).filter((label) => label.startsWith(DOTS)).length;
  const inputs = axes.map(labelsOf);
  if (arrow < 0) return { inputs, output: [...labelsOf(dots(unnamed, 0)), ...once(inputs.flat())], sizes };

  const [{ subscripts }, second] = termsOf(equation.slice(arrow + 2), arrow + 2, fail) as [Term, Term?];
  if (second) fail(second.at, 'a second result');
  subscripts.forEach(({ label, at }, i) => {
    if (labelsOf(subscripts).indexOf(label) < i) fail(at, `'${label}' is twice in the result`);
    if (label !== DOTS && !sizes.has(label)) fail(at, `'${label}' of the result is in no operand`);
  });
  if (unnamed > 0 && !subscripts.some(isDots)) {
    fail(
      arrow + 2,
      `the result leaves out '...', which stands for axes (${unnamed}); to sum over them give them letters`,
    );
  }
  return { inputs, output: labelsOf(subscripts.flatMap((s) => (isDots(s) ? dots(unnamed, s.at) : [s]))), sizes };
}

function termsOf(text: string, start: number, fail: Fail): Term[] {
  let next = start;
  return text.split(',').map((part) => {
    const from = next;
    next += part.length + 1;
    const subscripts = Array.from(part.matchAll(/\.{3}|\S/g), ({ 0: label, index }) => ({ label, at: from + index }));
    subscripts.forEach((s, i) => {
      if (!isDots(s) && !/[A-Za-z]/.test(s.label)) fail(s.at, `'${s.label}' is neither a letter nor part of '...'`);
      if (isDots(s) && subscripts.findIndex(isDots) < i) fail(s.at, "a second '...' in one operand");
    });
    return { subscripts, at: subscripts[0]?.at ?? from };
  });
}

/** The labels of `count` unnamed axes. */
function dots(count: number, at: number): Subscript[] {
  return Array.from({ length: count }, (_, i) => ({ label: `${DOTS}${count - i}`, at }));
}

/** A label for each axis of an operand. */
function axesOf({ subscripts, at }: Term, shape: Shape, operand: number, fail: Fail): Subscript[] {
  const named = subscripts.filter((s) => !isDots(s)).length;
  const free = shape.length - named;
  if (free < 0 || (free > 0 && !subscripts.some(isDots))) {
    const hint = free > 0 ? "; did you mean to write '...' for the others?" : '';
    fail(at, `operand ${operand} is ${shapeText(shape)}, but ${named} of its axes are named${hint}`, ShapeError);
  }
  return subscripts.flatMap((s) => (isDots(s) ? dots(free, s.at) : [s]));
}

/** The size of each label: the one that is not 1, if there is one. */
function sizesOf(
  operands: readonly (readonly Subscript[])[],
  shapes: readonly Shape[],
  fail: Fail,
): Map<string, number> {
  const sizes = new Map<string, number>();
  operands.forEach((axes, operand) => {
    const shape = shapes[operand]!;
    axes.forEach(({ label, at }, axis) => {
      const size = shape[axis]!;
      const first = labelsOf(axes).indexOf(label);
      const known = sizes.get(label) ?? 1;
      const differs = (other: number, where: string): never => {
        const name = label.startsWith(DOTS) ? DOTS : label;
        return fail(
          at,
          `'${name}' is ${size} on axis ${axis} of operand ${operand}, but ${other} ${where}`,
          ShapeError,
        );
      };
      if (size !== shape[first]) differs(shape[first]!, `on its axis ${first}`);
      if (size !== known && size !== 1 && known !== 1) differs(known, 'in an operand before');
      sizes.set(label, known === 1 ? size : known);
    });
  });
  return sizes;
}

/** The letters that occur once, in the order of the alphabet. */
function once(labels: readonly string[]): string[] {
  const letters = labels.filter((label) => !label.startsWith(DOTS));
  return letters.filter((label) => letters.indexOf(label) === letters.lastIndexOf(label)).sort();
}
