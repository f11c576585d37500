// What options of plugins must be.

import type { Rng } from '@gemlab/tensor';
import { InvalidOptionError } from '../errors.ts';

/** @throws InvalidOptionError unless `value` is a finite number of [low, high]. */
export function wantNumber(plugin: string, option: string, value: number, low = 0, high = Infinity): void {
  if (Number.isFinite(value) && value >= low && value <= high) return;
  const range = high === Infinity ? `a finite number >= ${low}` : `a number from ${low} to ${high}`;
  throw new InvalidOptionError(plugin, option, value, range);
}

/** @throws InvalidOptionError unless `value` is a finite number > 0. */
export function wantPositive(plugin: string, option: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new InvalidOptionError(plugin, option, value, 'a finite number > 0');
}

/** @throws InvalidOptionError unless `value` is an integer >= 1. */
export function wantCount(plugin: string, option: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new InvalidOptionError(plugin, option, value, 'a positive integer');
}

/** @throws InvalidOptionError unless `value` is one of those. */
export function wantOneOf<T>(plugin: string, option: string, value: T, known: readonly T[]): void {
  if (known.includes(value)) return;
  throw new InvalidOptionError(plugin, option, value, `one of ${known.join(', ')}`);
}

/**
 * A plugin's own generator: the child of the caller's that bears its name, so what the plugin draws is the same whatever else is drawn.
 */
export const ownRng = (rng: Rng, name: string): Rng =>
  [...name].reduce((parent, letter) => parent.foldIn(letter.codePointAt(0)!), rng);
