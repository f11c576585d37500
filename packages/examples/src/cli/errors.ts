// What a user can get wrong on the command line. Each such mistake ends the program with exit code 2, a message that
// says what was found and what is possible, and the nearest right spelling.

import { distance } from 'fastest-levenshtein';

export const EXIT_USAGE = 2;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The candidate that was probably meant: the one that the word begins, or else the nearest by edits, if near enough. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const typed = word.toLowerCase();
  const begun = candidates.filter((candidate) => typed.length >= 3 && candidate.startsWith(typed));
  if (begun.length === 1) return begun[0];
  const near = candidates
    .map((candidate) => ({ candidate, edits: distance(typed, candidate) }))
    .filter(
      ({ candidate, edits }) => edits <= Math.max(2, Math.floor(candidate.length / 3)) && edits < candidate.length,
    )
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.candidate;
}

/** '; did you mean X?', or what there is to choose from. */
export function suggestion(word: string, candidates: readonly string[], prefix = ''): string {
  const found = closest(word, candidates);
  return found === undefined
    ? `; there are ${candidates.map((c) => prefix + c).join(', ')}`
    : `; did you mean '${prefix}${found}'?`;
}
