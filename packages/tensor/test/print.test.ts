// Printing is held to NumPy's own output, character for character (fixtures/print.json, made by fixtures/make_print.py), and the
// digits to their law: they read back as the same float, and no shorter ones do.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toDecimal } from '../src/dragon4.ts';
import { formatArray, type Printable, PrintOptionError, type PrintOptions } from '../src/print.ts';

type Recorded = number | string;

interface Case {
  name: string;
  dtype: Printable['dtype'];
  shape: number[];
  data: Recorded[];
  options: PrintOptions;
  text: string;
}

const fixture = JSON.parse(readFileSync(new URL('./fixtures/print.json', import.meta.url), 'utf8')) as {
  arrays: Case[];
  digits: Record<'float32' | 'float64', [Recorded, number, string][]>;
};

const SPECIAL: Record<string, number> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity, '-0': -0 };

function printable(dtype: Printable['dtype'], shape: number[], data: Recorded[]): Printable {
  const values = data.map((value) => (typeof value === 'string' ? SPECIAL[value] : value));
  return { dtype, shape, at: (i) => values[i] };
}

/** A tensor of consecutive numbers that counts what is read of it. */
function counting(shape: number[]): { tensor: Printable; reads: () => number } {
  let reads = 0;
  const at = (i: number) => {
    reads++;
    return i;
  };
  return { tensor: { dtype: 'int32', shape, at }, reads: () => reads };
}

describe('as NumPy prints', () => {
  it.each(fixture.arrays)('$name, $dtype $shape', ({ dtype, shape, data, options, text }) => {
    expect(formatArray(printable(dtype, shape, data), options)).toBe(text);
  });

  it.each(['float32', 'float64'] as const)('the digits of hard %s values', (dtype) => {
    const table = fixture.digits[dtype];
    const found = table.map(([x, precision]) => [x, precision, formatArray(printable(dtype, [1], [x]), { precision })]);
    expect(found).toEqual(table);
  });
});

describe('digits', () => {
  const unlimited = { scientific: true, most: 20, least: 0 };
  const decimal = (digits: bigint, place: number) => Number(`${digits}e${place}`);

  it('float64: those of JavaScript, which are the shortest and nearest too', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const { digits, place } = toDecimal(x, 'float64', unlimited);
        const [head, exponent] = Math.abs(x).toExponential().split('e');
        expect(decimal(digits, place)).toBe(Math.abs(x));
        if (x !== 0) expect(String(digits).replace(/0+$/, '')).toBe(head.replace('.', ''));
        if (x !== 0) expect(place + String(digits).length - 1).toBe(Number(exponent));
      }),
      { numRuns: 2000 },
    );
  });

  it('float32: read back as the same value, and one digit fewer does not', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const { digits, place } = toDecimal(x, 'float32', unlimited);
        expect(Math.fround(decimal(digits, place))).toBe(Math.abs(x));
        if (digits < 10n) return;
        for (const shorter of [digits / 10n, digits / 10n + 1n]) {
          if (digits % 10n !== 0n) expect(Math.fround(decimal(shorter, place + 1))).not.toBe(Math.abs(x));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('formatArray', () => {
  it('leaves room for what the caller prints around it', () => {
    const t = printable('float32', [2, 2], [1, 2.5, Math.fround(0.1), -4]);
    expect(`tensor(${formatArray(t, { prefix: 'tensor(', suffix: ')' })})`).toBe(
      ['tensor([[ 1. ,  2.5],', '        [ 0.1, -4. ]])'].join('\n'),
    );
  });

  it('reads each shown element once, however large the tensor', () => {
    const large = counting([1000, 1000, 1000]);
    expect(formatArray(large.tensor).startsWith('[[[        0,')).toBe(true);
    expect(large.reads()).toBe(216);
    const small = counting([5, 6]);
    formatArray(small.tensor);
    expect(small.reads()).toBe(30);
  });

  it('takes Infinity as no threshold and no line width', () => {
    const { tensor } = counting([2000]);
    const text = formatArray(tensor, { threshold: Infinity, lineWidth: Infinity });
    expect(text.split(', ')).toHaveLength(2000);
    expect(text).not.toContain('\n');
  });

  it.each([
    ['precision', -1],
    ['precision', 1.5],
    ['precision', Infinity],
    ['threshold', -1],
    ['threshold', Number.NaN],
    ['edgeItems', 0],
    ['edgeItems', Infinity],
    ['lineWidth', 0],
  ])('refuses %s = %s by name', (name, value) => {
    const call = () => formatArray(counting([2]).tensor, { [name]: value });
    expect(call).toThrow(PrintOptionError);
    expect(call).toThrow(new RegExp(`print: ${name} must be an integer >= .* found ${value}`));
  });
});
