// Text and numbers as the reports lay them out: everything stands where it should, also with wide characters and colour codes.

import { execFileSync } from 'node:child_process';
import { Chalk } from 'chalk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { colourLevel, contrast, inkOn, luminance, type Rgb, viridis } from '../src/report/colour.ts';
import { counted, duration, fixed, listing, percent, roughDuration, signed } from '../src/report/numbers.ts';
import {
  blockWidth,
  inPairs,
  padEnd,
  padStart,
  shellWord,
  table,
  truncate,
  widthOf,
  wrap,
} from '../src/report/text.ts';

// Letters, a combining accent, wide characters, a family of four code points, and a coloured word.
const word = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }).map((s) => s.replaceAll(/\s/g, '_')),
  fc.constantFrom('e\u0301', '日本語', '👩‍👩‍👧', new Chalk({ level: 3 }).red('red'), 'naïve', '…'),
);
const words = fc.array(word, { minLength: 1, maxLength: 30 });

describe('text', () => {
  it('pads by columns on the screen, not by characters', () => {
    expect(padStart('日本', 6)).toBe('  日本');
    expect(padEnd('e\u0301', 3)).toBe('e\u0301  ');
    expect(padStart(new Chalk({ level: 1 }).red('ab'), 3)).toBe(' \u001b[31mab\u001b[39m');
    expect(padStart('long', 2)).toBe('long');
  });

  it.skipIf(process.platform === 'win32')('writes any word so that a shell reads it again', () => {
    const names = fc.sample(fc.string({ unit: 'binary', minLength: 1 }), 500).map((s) => s.replaceAll(/[\0\\]/g, ' '));
    const command = `printf '%s\\0' ${names.map(shellWord).join(' ')}`;
    expect(execFileSync('bash', ['-c', command], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(names);
    expect(['runs/one', 'C:\\runs\\one', 'a b', "it's"].map(shellWord)).toEqual([
      ...['runs/one', 'C:\\runs\\one', "'a b'", "'it'\\''s'"],
    ]);
  });

  it('wraps so that no line is wider than asked and no word is lost', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 2, max: 40 }), (list, width) => {
        const lines = wrap(list.join(' '), width);
        expect(blockWidth(lines)).toBeLessThanOrEqual(width);
        expect(lines.join('').replaceAll(' ', '')).toBe(list.join('').replaceAll(' ', ''));
      }),
    );
  });

  it('indents every wrapped line', () => {
    expect(wrap('one two three', 7, '  ')).toEqual(['  one', '  two', '  three']);
  });

  it('truncates to the width', () => {
    expect(truncate('日本語', 5)).toBe('日本…');
    fc.assert(fc.property(word, fc.nat(20), (text, width) => widthOf(truncate(text, width)) <= width));
  });

  it('sets tables so that columns line up', () => {
    const rows = [
      ['name', 'value'],
      ['日本', '1.5'],
      ['a', '-10.25'],
    ];
    expect(table(rows, ['left', 'right'])).toEqual(['name   value', '日本     1.5', 'a     -10.25']);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word), { minLength: 1 }), (cells) => {
        expect(new Set(table(cells, ['left', 'right']).map((line) => widthOf(line))).size).toBe(1);
      }),
    );
  });

  it('sets blocks in pairs where they fit, and below one another where they do not', () => {
    const blocks = [['ab', 'c'], ['d'], ['e']];
    expect(inPairs(blocks, 7)).toEqual(['ab    d', 'c', '', 'e']);
    expect(inPairs(blocks, 6)).toEqual(['ab', 'c', '', 'd', '', 'e']);
    expect(inPairs([], 80)).toEqual([]);
  });
});

describe('numbers', () => {
  it('shows no negative zero, and a dash for what was not measured', () => {
    expect([fixed(-0.0004, 3), fixed(Number.NaN, 3), fixed(1.005, 2), fixed(-2, 1)]).toEqual([
      '0.000',
      '-',
      '1.00',
      '-2.0',
    ]);
    expect([signed(0.25, 2), signed(-0.25, 2), signed(-0.0001, 2), signed(Number.NaN, 2)]).toEqual([
      '+0.25',
      '-0.25',
      '+0.00',
      '-',
    ]);
    expect([percent(0.834), percent(0.8345, 1), percent(1)]).toEqual(['83', '83.5', '100']);
  });

  it('speaks of counts and time as people do', () => {
    expect([1, 2, 1000].map((n) => counted(n, 'task'))).toEqual(['1 task', '2 tasks', '1,000 tasks']);
    expect([0.04, 59.94, 59.96, 125.4, 3600].map(duration)).toEqual([
      '0.0 s',
      '59.9 s',
      '1 min 00 s',
      '2 min 05 s',
      '60 min 00 s',
    ]);
    expect([0.2, 41, 89, 100, 700].map(roughDuration)).toEqual([
      'about 5 s',
      'about 40 s',
      'about 90 s',
      'about 2 min',
      'about 12 min',
    ]);
    expect([listing([]), listing([1]), listing([1, 2]), listing([1, 2, 3])]).toEqual([
      '',
      '1',
      '1 and 2',
      '1, 2 and 3',
    ]);
  });
});

describe('colour', () => {
  const rgb = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));

  it('writes readable text on any background', () => {
    fc.assert(fc.property(rgb, (background) => contrast(background, inkOn(background)) >= 4.5));
  });

  it('knows the contrasts that WCAG publishes', () => {
    expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 10);
    expect(contrast([119, 119, 119], [255, 255, 255])).toBeCloseTo(4.48, 2);
  });

  it('gets lighter all the way from 0 to 1, and stays at the ends beyond', () => {
    const steps = Array.from({ length: 101 }, (_, i) => luminance(viridis(i / 100)));
    for (let i = 1; i < steps.length; i++) expect(steps[i]).toBeGreaterThan(steps[i - 1]!);
    expect([viridis(-1), viridis(2)]).toEqual([viridis(0), viridis(1)] satisfies Rgb[]);
  });

  it('has the colours that the terminal and the environment allow', () => {
    const terminal = { isTTY: true };
    const pipe = {};
    expect(colourLevel(terminal, { TERM: 'xterm', COLORTERM: 'truecolor' })).toBe(3);
    expect(colourLevel(terminal, { TERM: 'xterm-256color' })).toBe(2);
    expect(colourLevel(terminal, { TERM: 'dumb' })).toBe(0);
    expect(colourLevel(terminal, { TERM: 'xterm', COLORTERM: 'truecolor', NO_COLOR: '1' })).toBe(0);
    expect(colourLevel(pipe, { TERM: 'xterm', COLORTERM: 'truecolor' })).toBe(0);
    expect(colourLevel(pipe, { TERM: 'xterm', FORCE_COLOR: '3' })).toBe(3);
    expect(colourLevel(pipe, { FORCE_COLOR: '3', NO_COLOR: '1' })).toBe(0);
  });
});
