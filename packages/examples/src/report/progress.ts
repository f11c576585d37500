// Where a long run is. On a terminal one line that is rewritten; elsewhere (a file, CI, NO_COLOR) a plain line now and then.

import { duration, percent } from './numbers.ts';
import { truncate } from './text.ts';

export interface ProgressState {
  /** What is going on: 'GEM, task 2 of 5'. */
  readonly label: string;
  /** 'step 30 of 100', 'measuring'. */
  readonly detail: string;
  /** Of the whole run, 0 to 1. */
  readonly fraction: number;
  /** Latest accuracy worth showing, with its name; null before the first. */
  readonly accuracy: { readonly label: string; readonly value: number } | null;
}

export interface Progress {
  update(state: ProgressState): void;
  /** Removes the line, so that other text can follow; the next update brings it back. */
  clear(): void;
}

/** Where the line goes, and what that can do. */
export interface ProgressTarget {
  write(text: string): void;
  /** Whether a line can be rewritten. */
  readonly rewrites: boolean;
  /** Read at every update: the window may change. */
  readonly columns: number;
}

const PACE = {
  rewriting: { first: 500, every: 100 },
  plain: { first: 2000, every: 5000 },
} as const;
const BAR_WIDTH = 16;
const CLEAR_TO_END = '\u001b[K';

/**
 * The line itself, in at most `width` columns: what matters least is left out first. `seconds` have passed; the rest is
 * estimated from the fraction done.
 */
export function progressLine(state: ProgressState, seconds: number, width = Infinity): string {
  const { label, detail, accuracy } = state;
  const done = Math.min(1, state.fraction);
  const blocks = Math.round(BAR_WIDTH * done);
  const bar = `[${'#'.repeat(blocks)}${'.'.repeat(BAR_WIDTH - blocks)}] ${percent(done).padStart(3)}%`;
  const left = done >= 0.02 && seconds >= 1 ? [`${duration((seconds * (1 - done)) / done)} left`] : [];
  const measured = accuracy === null ? [] : [`${accuracy.label} ${percent(accuracy.value, 1)}%`];
  const choices = [
    [bar, label, detail, ...measured, ...left],
    [bar, label, ...measured, ...left],
    [bar, label, ...left],
  ].map((parts) => parts.join('  '));
  return choices.find((line) => line.length <= width) ?? truncate(choices.at(-1)!, width);
}

/** A short run shows nothing. @param now milliseconds from a clock that never goes back. */
export function createProgress(target: ProgressTarget, now: () => number = () => performance.now()): Progress {
  const start = now();
  const { first, every } = target.rewrites ? PACE.rewriting : PACE.plain;
  let due = start + first;
  let onScreen = false;
  return {
    update(state) {
      const at = now();
      if (at < due) return;
      due = at + every;
      // A line that fills the window would break.
      const line = progressLine(state, (at - start) / 1000, target.columns - 1);
      target.write(target.rewrites ? `\r${line}${CLEAR_TO_END}` : `${line}\n`);
      onScreen = target.rewrites;
    },
    clear() {
      if (onScreen) target.write(`\r${CLEAR_TO_END}`);
      onScreen = false;
    },
  };
}
