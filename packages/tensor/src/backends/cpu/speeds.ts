/**
 * How fast the threads of a team are beside one another. Cores are not alike: some are built slower, and on each of them other programs
 * run, or other machines where this one is virtual. So a thread gets as large a part of a work as it was fast lately, and all are done at about
 * the same time. What is computed does not depend on where it is cut (threads.ts).
 */

/** A work that nobody took so long for, in milliseconds, tells of waking up more than of speed. */
const TELLING = 0.05;
/** How much of what is known the latest work replaces: some twenty works later nothing is left of it. */
const LATEST = 0.2;
/** The least speed that anybody is given, of the mean: of one who gets nothing to do nothing would be learnt again. */
const LEAST = 1 / 8;

const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

export class Speeds {
  /** Beside one another only. */
  readonly #speeds: number[];

  constructor(threads: number) {
    this.#speeds = new Array(threads).fill(1);
  }

  /** Cuts n into ranges that begin at multiples of `unit`: one for each of the first `parts` threads, or for as many as there are units. */
  cut(n: number, unit: number, parts: number): [from: number, count: number][] {
    const units = Math.ceil(n / unit);
    const speeds = this.#speeds.slice(0, Math.min(parts, units));
    const all = sum(speeds);
    let before = 0;
    let from = 0;
    return speeds.map((speed, i) => {
      before += speed;
      const end = i + 1 === speeds.length ? n : Math.min(n, unit * Math.round((units * before) / all));
      const range: [number, number] = [from, end - from];
      from = end;
      return range;
    });
  }

  /** That thread i did so much of a work in so many milliseconds; 0 if it did nothing, or nobody knows how long it took. */
  learn(amounts: readonly number[], times: readonly number[]): void {
    const who = amounts.flatMap((amount, i) => (amount > 0 && times[i]! > 0 ? [i] : []));
    if (who.length < 2 || Math.max(...times) < TELLING) return;
    const found = who.map((i) => amounts[i]! / times[i]!);
    // Those who took part have the sum of speeds that they had before.
    const mean = sum(who.map((i) => this.#speeds[i]!)) / who.length;
    const scale = (mean * who.length) / sum(found);
    who.forEach((i, j) => {
      const now = Math.max(LEAST * mean, found[j]! * scale);
      this.#speeds[i] = this.#speeds[i]! + LATEST * (now - this.#speeds[i]!);
    });
  }
}
