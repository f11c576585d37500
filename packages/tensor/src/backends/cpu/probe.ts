/**
 * Which of two ways is faster on this machine, where no program can ask: a product's tile of C wants as many vector registers as
 * the engine has to give, 15 on x64 and twice as many on arm64.
 *
 * Nothing is computed only to be timed. Whoever has done much work has some more of it done in either way by turns, work of one kind so
 * that the times can be compared, and from then on in the way that took less. Both ways give the same bits, so nothing but time tells which
 * was taken, and a short program never asks.
 */

declare const performance: { now(): number };

/** How much comes first, in multiplications: a second or so. The other way is made when that is done, and making it takes some milliseconds. */
export const ENOUGH = 2e10;
/** A piece of work that is worth timing: a tenth of a millisecond. */
export const TIMED = 2 ** 21;
/** Of each way at least. The best counts: a machine has other things to do, and the engine compiles what is new a second time while it runs. */
export const TRIALS = 2;
/** And so long in all, in milliseconds: that takes some. */
export const TIME = 50;
/** After so much work of other kinds in a row the kind that was watched has gone, and another takes its place. */
export const GONE = 64;
/** The usual way is left for one that takes less than this share of its time. */
const WORTH = 0.97;

/** Both ways by turns, on work of one kind. */
interface Trial<Way> {
  readonly ways: readonly [usual: Way, rival: Way];
  readonly kind: string;
  /** The least that each has taken. */
  readonly best: [usual: number, rival: number];
  /** How long each has taken in all. */
  readonly spent: [usual: number, rival: number];
  done: number;
  /** Pieces of other kinds since the last of this. */
  others: number;
}

const trialOf = <Way>(ways: Trial<Way>['ways'], kind: string): Trial<Way> => ({
  ways,
  kind,
  best: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  spent: [0, 0],
  done: 0,
  others: 0,
});

export class Probe<Way> {
  /** Which has been found faster; the usual one until then. */
  #chosen: Way;
  /** Makes the other way; null when it is decided. */
  #rival: (() => Way | undefined) | null;
  #trial: Trial<Way> | null = null;
  #left = ENOUGH;
  readonly #now: () => number;

  /** @param rival makes the other way; undefined where there is none. */
  constructor(usual: Way, rival: () => Way | undefined, now = () => performance.now()) {
    this.#chosen = usual;
    this.#rival = rival;
    this.#now = now;
  }

  /** Has `work` do so many multiplications in one of the ways. Work of one kind takes as long each time. */
  run(multiplications: number, kind: readonly number[], work: (way: Way) => void): void {
    if (this.#rival === null || multiplications < TIMED) work(this.#chosen);
    else if (this.#trial !== null) this.#compare(this.#trial, `${kind}`, work);
    else {
      work(this.#chosen);
      this.#left -= multiplications;
      if (this.#left > 0) return;
      const rival = this.#rival();
      if (rival === undefined) this.#rival = null;
      else this.#trial = trialOf([this.#chosen, rival], `${kind}`);
    }
  }

  #compare(trial: Trial<Way>, kind: string, work: (way: Way) => void): void {
    if (kind !== trial.kind) {
      work(this.#chosen);
      if (++trial.others === GONE) this.#trial = trialOf(trial.ways, kind);
      return;
    }
    trial.others = 0;
    const turn = trial.done % 2;
    const start = this.#now();
    work(trial.ways[turn]!);
    const time = this.#now() - start;
    trial.best[turn] = Math.min(trial.best[turn]!, time);
    trial.spent[turn] += time;
    if (++trial.done < 2 * TRIALS || turn === 0 || Math.min(...trial.spent) < TIME) return;
    const [usual, rival] = trial.best;
    if (rival < WORTH * usual) this.#chosen = trial.ways[1];
    this.#rival = null;
    this.#trial = null;
  }
}
