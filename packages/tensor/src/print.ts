// A tensor as text, by the rules of NumPy 2 (array2string with floatmode 'maxprec'), character for character, so that what
// is printed here can be held against a NumPy session:
//
//   - one width for all elements; floats keep the shortest digits that read back as the same value, up to `precision`;
//   - one notation for all: scientific when max >= 1e8 (1e6 in float32), min < 1e-4 or max / min > 1000, over the
//     magnitudes of the finite, nonzero elements;
//   - above `threshold` elements, only `edgeItems` at each end of an axis, and the rules above see only those;
//   - rows wrap at `lineWidth`; blocks of higher dimensions are set apart by blank lines.
//
// Source: numpy/_core/arrayprint.py of NumPy 2.4, whose output the tests' fixture records.

import { toDecimal } from './dragon4.ts';
import { GemlabError } from './errors.ts';

/** What printing needs to know of a tensor. */
export interface Printable {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'float64' | 'int32' | 'bool';
  /** The element at a flat index in row-major (C) order; bool as 0 or 1. */
  at(flatIndex: number): number;
}

export interface PrintOptions {
  /** Most digits after the point (after the first digit in scientific notation). Default 8, NumPy's: all that float32 holds. */
  readonly precision?: number;
  /** Most elements printed in full. Default 1000; Infinity prints everything. */
  readonly threshold?: number;
  /** Elements kept at each end of an axis that is cut. Default 3. */
  readonly edgeItems?: number;
  /** Most characters in a line, where possible. Default 75; Infinity never wraps. */
  readonly lineWidth?: number;
  /** Between elements. Default ', '. */
  readonly separator?: string;
}

/** What stands around the text. */
interface Surroundings {
  /** What the caller prints before the text: later lines are indented by its length. Default none. */
  readonly prefix?: string;
  /** What the caller prints after the text: lines leave room for it. Default none. */
  readonly suffix?: string;
}

/** An option of printing outside its range. */
export class PrintOptionError extends GemlabError {
  static override readonly name: string = 'PrintOptionError';
}

const ELLIPSIS = '...';

type Cell = (value: number) => string;

/** Sign and digits of one float around the point, before padding. */
interface FloatText {
  readonly whole: string;
  readonly fraction: string;
  /** Empty in positional notation, else sign and at least two digits: '+05'. */
  readonly exponent: string;
}

function floatText(
  x: number,
  dtype: 'float32' | 'float64',
  scientific: boolean,
  most: number,
  least: number,
): FloatText {
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  const { digits, place } = toDecimal(x, dtype, { scientific, most, least });
  if (!scientific) {
    const text = String(place > 0 ? digits * 10n ** BigInt(place) : digits).padStart(1 - place, '0');
    const point = text.length + Math.min(place, 0);
    return { whole: sign + text.slice(0, point), fraction: text.slice(point).replace(/0+$/, ''), exponent: '' };
  }
  const text = String(digits);
  const exponent = place + text.length - 1;
  return {
    whole: sign + text[0],
    fraction: text.slice(1).replace(/0+$/, '').padEnd(least, '0'),
    exponent: (exponent < 0 ? '-' : '+') + String(Math.abs(exponent)).padStart(2, '0'),
  };
}

function needsScientific(finite: readonly number[], dtype: 'float32' | 'float64'): boolean {
  let max = 0;
  let min = Infinity;
  for (const x of finite) {
    if (x === 0) continue;
    max = Math.max(max, Math.abs(x));
    min = Math.min(min, Math.abs(x));
  }
  if (max === 0) return false;
  // NumPy compares in the dtype itself, and knows that float32 has 6 sure digits.
  const round = dtype === 'float32' ? Math.fround : (x: number) => x;
  return max >= (dtype === 'float32' ? 1e6 : 1e8) || min < round(1e-4) || round(max / min) > 1000;
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}

function floatCell(values: readonly number[], dtype: 'float32' | 'float64', precision: number): Cell {
  const finite = values.filter(Number.isFinite);
  const scientific = needsScientific(finite, dtype);
  const texts = finite.map((x) => floatText(x, dtype, scientific, precision, 0));
  let left = longest(texts.map((text) => text.whole));
  const fraction = longest(texts.map((text) => text.fraction));
  const exponent = longest(texts.map((text) => text.exponent));
  const right = scientific ? fraction + 1 + exponent : fraction;
  if (finite.length < values.length) left = Math.max(left, (values.includes(-Infinity) ? 4 : 3) - (right + 1));
  return (x) => {
    if (!Number.isFinite(x)) {
      return (Number.isNaN(x) ? 'nan' : x < 0 ? '-inf' : 'inf').padStart(left + 1 + right);
    }
    // In scientific notation every element shows as many digits as the longest, which may be more than its own shortest.
    const text = floatText(x, dtype, scientific, scientific ? fraction : precision, scientific ? fraction : 0);
    if (!scientific) return `${text.whole.padStart(left)}.${text.fraction.padEnd(right)}`;
    const magnitude = text.exponent.slice(1).padStart(exponent - 1, '0');
    return `${text.whole.padStart(left)}.${text.fraction}e${text.exponent[0]}${magnitude}`;
  };
}

function makeCell(t: Printable, values: readonly number[], precision: number): Cell {
  switch (t.dtype) {
    case 'bool': {
      const yes = t.shape.length > 0 ? ' True' : 'True';
      return (value) => (value ? yes : 'False');
    }
    case 'int32': {
      const width = longest(values.map(String));
      return (value) => String(value).padStart(width);
    }
    default:
      return floatCell(values, t.dtype, precision);
  }
}

/** `value` when it is an integer >= least, or Infinity where that has a meaning. */
function option(name: keyof PrintOptions, value: number, least: number, infinite: boolean): number {
  if ((Number.isInteger(value) && value >= least) || (infinite && value === Infinity)) return value;
  throw new PrintOptionError(
    `print: ${name} must be an integer >= ${least}${infinite ? ' or Infinity' : ''}, found ${value}`,
    { name, value },
  );
}

/**
 * The text of `t`, without its dtype: nested brackets, '[]' when it is empty, the bare element when it is 0-d.
 * Reads only the elements that are shown. Throws PrintOptionError.
 */
export function formatArray(t: Printable, options: PrintOptions & Surroundings = {}): string {
  const precision = option('precision', options.precision ?? 8, 0, false);
  const threshold = option('threshold', options.threshold ?? 1000, 0, true);
  const edge = option('edgeItems', options.edgeItems ?? 3, 1, false);
  const lineWidth = option('lineWidth', options.lineWidth ?? 75, 1, true);
  const { separator = ', ', prefix = '', suffix = '' } = options;
  const { shape } = t;
  const rank = shape.length;
  const size = shape.reduce((product, length) => product * length, 1);
  if (size === 0) return '[]';

  /** The indices of an axis that are shown, with undefined for the gap. */
  const shown = shape.map((length) =>
    size > threshold && length > 2 * edge
      ? Array.from({ length: 2 * edge + 1 }, (_, i) =>
          i < edge ? i : i > edge ? length - 2 * edge - 1 + i : undefined,
        )
      : Array.from({ length }, (_, i) => i),
  );

  const values: number[] = [];
  const gather = (axis: number, flat: number): void => {
    if (axis === rank) values.push(t.at(flat));
    else for (const i of shown[axis]) if (i !== undefined) gather(axis + 1, flat * shape[axis] + i);
  };
  gather(0, 0);
  const cell = makeCell(t, values, precision);

  let next = 0;
  const render = (axis: number, indent: string, width: number): string => {
    if (axis === rank) return cell(values[next++]);
    const item = (i: number | undefined) => (i === undefined ? ELLIPSIS : render(axis + 1, `${indent} `, width - 1));
    if (axis < rank - 1) {
      const gap = separator.trimEnd() + '\n'.repeat(rank - axis - 1);
      return `[${shown[axis].map(item).join(gap + indent)}]`;
    }
    const room = width - Math.max(separator.trimEnd().length, 1);
    let text = '';
    let line = indent;
    shown[axis].forEach((i, at) => {
      const word = item(i);
      if (line.length + word.length > room && line.length > indent.length) {
        text += `${line.trimEnd()}\n`;
        line = indent;
      }
      line += at < shown[axis].length - 1 ? word + separator : word;
    });
    return `[${(text + line).slice(indent.length)}]`;
  };
  return render(0, ' '.repeat(prefix.length + 1), lineWidth - suffix.length);
}
