// Progress on a terminal rewrites one line; elsewhere it says something now and then. Time is a number that the tests move.

import { describe, expect, it } from 'vitest';
import { createProgress, type ProgressState, progressLine } from '../src/report/progress.ts';
import { widthOf } from '../src/report/text.ts';

const state: ProgressState = {
  label: 'GEM, task 2 of 5',
  detail: 'step 30 of 100',
  fraction: 0.25,
  accuracy: { label: 'accuracy so far', value: 0.8312 },
};

function screen(rewrites: boolean, columns = 200) {
  const written: string[] = [];
  let time = 0;
  const target = { write: (text: string) => written.push(text), rewrites, columns };
  const progress = createProgress(target, () => time);
  const at = (milliseconds: number, fraction = state.fraction) => {
    time = milliseconds;
    progress.update({ ...state, fraction });
  };
  return { at, written, clear: progress.clear };
}

describe('the progress line', () => {
  it('tells where the run is and how long the rest will take', () => {
    expect(progressLine(state, 30)).toBe(
      '[####............]  25%  GEM, task 2 of 5  step 30 of 100  accuracy so far 83.1%  1 min 30 s left',
    );
  });

  it('keeps to what it knows at the start, and never passes 100%', () => {
    expect(progressLine({ ...state, fraction: 0.01, accuracy: null }, 30)).toBe(
      '[................]   1%  GEM, task 2 of 5  step 30 of 100',
    );
    expect(progressLine({ ...state, fraction: 1.2 }, 30)).toContain('[################] 100%');
    expect(progressLine({ ...state, fraction: 1.2 }, 30)).toContain('0.0 s left');
  });
});

describe('in a narrow window', () => {
  it.each([
    [97, '[####............]  25%  GEM, task 2 of 5  step 30 of 100  accuracy so far 83.1%  1 min 30 s left'],
    [96, '[####............]  25%  GEM, task 2 of 5  accuracy so far 83.1%  1 min 30 s left'],
    [80, '[####............]  25%  GEM, task 2 of 5  1 min 30 s left'],
  ])('the line leaves out what matters least: %d columns', (width, line) => {
    expect(progressLine(state, 30, width)).toBe(line);
  });

  it('no line is longer than its window, on a terminal or elsewhere', () => {
    for (const rewrites of [true, false]) {
      for (let columns = 10; columns <= 120; columns++) {
        const { at, written } = screen(rewrites, columns);
        at(3000);
        const text = written[0]!.replace('\r', '').replace('\u001b[K', '').replace('\n', '');
        expect(widthOf(text)).toBeLessThan(columns);
      }
    }
  });
});

describe('on a terminal', () => {
  it('rewrites one line, at most ten times a second and not in the first half second', () => {
    const { at, written } = screen(true);
    at(400);
    expect(written).toEqual([]);
    at(600);
    at(650);
    at(750);
    expect(written).toHaveLength(2);
    for (const text of written) {
      expect([text.startsWith('\r'), text.endsWith('\u001b[K'), text.includes('\n')]).toEqual([true, true, false]);
    }
  });

  it('removes the line once', () => {
    const { at, written, clear } = screen(true);
    clear();
    at(600);
    clear();
    clear();
    expect(written.slice(1)).toEqual(['\r\u001b[K']);
  });
});

describe('elsewhere', () => {
  it('writes a plain line after two seconds and then every five', () => {
    const { at, written, clear } = screen(false);
    for (let second = 1; second <= 11; second++) at(1000 * second);
    clear();
    expect(written).toHaveLength(2);
    for (const text of written) {
      expect([text.startsWith('['), text.indexOf('\n'), text.includes('\u001b')]).toEqual([
        true,
        text.length - 1,
        false,
      ]);
    }
  });
});
