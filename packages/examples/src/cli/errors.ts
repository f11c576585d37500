// What a user can get wrong on the command line. Each such mistake ends the program with exit code 2, a message that
// says what was found and what is possible, and the nearest right spelling.

import { distance } from 'fastest-levenshtein';

export const EXIT_USAGE = 2;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Edits from the word to the candidate, or to as much of its beginning as was typed; infinite if too many to be a slip. */
function edits(word: string, candidate: string): number {
  const whole = distance(word, candidate);
  const count = word.length < 4 ? whole : Math.min(whole, distance(word, candidate.slice(0, word.length)));
  const short = Math.min(word.length, candidate.length);
  return (count <= 1 && short > 1) || (count * 2 <= short && count <= Math.max(2, short / 3)) ? count : Infinity;
}

/** The candidate that was probably meant: one edit away, or the only one to hold the word, or the nearest by edits. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const typed = word.toLowerCase();
  const near = candidates
    .map((candidate) => ({ candidate, count: edits(typed, candidate) }))
    .filter(({ count }) => count < Infinity)
    .sort((a, b) => a.count - b.count);
  const holding = candidates.filter((candidate) => typed.length >= 3 && candidate.includes(typed));
  if (holding.length === 0 || near[0]?.count === 1) return near[0]?.candidate;
  return holding.length === 1 ? holding[0] : undefined;
}

/** '; did you mean X?', or what there is to choose from. */
export function suggestion(word: string, candidates: readonly string[], prefix = ''): string {
  const found = closest(word, candidates);
  return found === undefined
    ? `; there are ${candidates.map((c) => prefix + c).join(', ')}`
    : `; did you mean '${prefix}${found}'?`;
}
