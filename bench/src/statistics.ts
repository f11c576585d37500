// Rounds of measurements into numbers. A shared machine has slow moments that last seconds: in a round everybody is measured once, one
// right after another, so that a slow moment falls on all; what is compared is the ratio within a round.

/** The middle one; the mean of the two in the middle of an even number. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : ((sorted[half - 1] ?? NaN) + (sorted[half] ?? NaN)) / 2;
}

/** The median over the rounds that both have of times / reference. */
export function ratio(times: readonly number[], reference: readonly number[]): number {
  const rounds = Math.min(times.length, reference.length);
  return median(times.slice(0, rounds).map((time, round) => time / reference[round]!));
}
