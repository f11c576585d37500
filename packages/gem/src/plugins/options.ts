// What options of plugins must be.

import { Rng } from '@gemlab/tensor';
import { EpisodicMemory } from '../memory/episodic-memory.ts';
import { want } from '../want.ts';

/** @throws InvalidOptionError unless `value` is a finite number of [low, high]. */
export function wantNumber(plugin: string, option: string, value: number, low = 0, high = Infinity): void {
  const range = high === Infinity ? `a finite number >= ${low}` : `a number from ${low} to ${high}`;
  want(Number.isFinite(value) && value >= low && value <= high, plugin, option, value, range);
}

/** @throws InvalidOptionError unless `value` is a finite number > 0. */
export function wantPositive(plugin: string, option: string, value: number): void {
  want(Number.isFinite(value) && value > 0, plugin, option, value, 'a finite number > 0');
}

/** @throws InvalidOptionError unless `value` is an integer >= 1. */
export function wantCount(plugin: string, option: string, value: number): void {
  want(Number.isInteger(value) && value >= 1, plugin, option, value, 'a positive integer');
}

/** @throws InvalidOptionError unless `every` is a positive integer (steps) or 'epoch'. */
export function wantEvery(plugin: string, every: number | 'epoch'): void {
  const holds = every === 'epoch' || (Number.isInteger(every) && every >= 1);
  want(holds, plugin, 'every', every, "a positive integer or 'epoch'");
}

/** @throws InvalidOptionError unless `value` is one of those. */
export function wantOneOf<T>(plugin: string, option: string, value: T, known: readonly T[]): void {
  want(known.includes(value), plugin, option, value, `one of ${known.join(', ')}`);
}

/** @throws InvalidOptionError unless `value` is a function. @param does what it is for, in words. */
export function wantFunction(plugin: string, option: string, value: unknown, does: string): void {
  want(typeof value === 'function', plugin, option, value, `a function that ${does}`);
}

/** @throws InvalidOptionError unless it is a generator. @param draws what it draws, in words. */
export function wantRng(plugin: string, rng: unknown, draws: string): void {
  want(rng instanceof Rng, plugin, 'rng', rng, `an Rng: it draws ${draws}`);
}

/** @throws InvalidOptionError unless it is an episodic memory. */
export function wantMemory(plugin: string, memory: unknown): void {
  want(memory instanceof EpisodicMemory, plugin, 'memory', memory, 'an EpisodicMemory');
}

/** @throws InvalidOptionError unless it is a list of experiences. */
export function wantStream(plugin: string, stream: unknown): void {
  want(Array.isArray(stream), plugin, 'stream', stream, 'a stream: a list of experiences');
}

/**
 * A plugin's own generator: the child of the caller's that bears its name, so what the plugin draws is the same whatever else is drawn.
 */
export const ownRng = (rng: Rng, name: string): Rng =>
  [...name].reduce((parent, letter) => parent.foldIn(letter.codePointAt(0)!), rng);
