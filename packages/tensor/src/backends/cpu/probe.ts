/**
 * Which of two ways is faster on this machine, where no program can ask: a product's tile of C wants as many vector registers as
 * the engine has to give, 15 on x64 and twice as many on arm64.
 *
 * Nothing is computed only to be timed. Whoever has done much work has every seventh piece of what is still to be done in the other way,
 * until that has taken long enough to be judged, and from then on all of it in the way that took less. Both ways give the same bits, so
 * nothing but time tells which was taken, and a short program never asks.
 */

declare const performance: { now(): number };

/** How much comes first, in multiplications: a second or so. The other way is made when that is done, and making it takes some milliseconds. */
export const ENOUGH = 2e10;
/** A piece of work that is worth timing: a tenth of a millisecond. */
export const TIMED = 2 ** 21;
/** Every so many pieces one is done in the other way: should it be slow, nobody is to wait for it often. */
export const EVERY = 7;
/** It is done so often at least, */
export const TRIALS = 4;
/** and for so long in all, in milliseconds: the engine compiles what is new a second time while it runs. */
export const TIME = 50;
/** The usual way is left for one that takes less than this share of its time. */
const WORTH = 0.95;

export class Probe<Way> {
  /** Which has been found faster; the usual one until then. */
  #chosen: Way;
  /** Makes the other way; null when it is decided. */
  #make: (() => Way | undefined) | null;
  #other: Way | undefined;
  #left = ENOUGH;
  /** What the usual way took last, by the kind of work. */
  readonly #usual = new Map<string, number>();
  /** What the other took, as shares of that: a processor's clock may be another one by and by, but hardly so soon. */
  readonly #shares: number[] = [];
  #pieces = 0;
  #spent = 0;
  readonly #now: () => number;

  /** @param make makes the other way; undefined where there is none. */
  constructor(usual: Way, make: () => Way | undefined, now = () => performance.now()) {
    this.#chosen = usual;
    this.#make = make;
    this.#now = now;
  }

  /** Has `work` do so many multiplications in one of the ways. Work of one kind takes as long each time. */
  run(multiplications: number, kind: readonly number[], work: (way: Way) => void): void {
    if (this.#make === null || multiplications < TIMED) work(this.#chosen);
    else if (this.#other !== undefined) this.#compare(this.#other, `${kind}`, work);
    else {
      work(this.#chosen);
      this.#left -= multiplications;
      if (this.#left > 0) return;
      this.#other = this.#make();
      if (this.#other === undefined) this.#make = null;
    }
  }

  #compare(other: Way, kind: string, work: (way: Way) => void): void {
    const known = this.#usual.get(kind);
    const isTrial = ++this.#pieces % EVERY === 0 && known !== undefined;
    const start = this.#now();
    work(isTrial ? other : this.#chosen);
    const time = this.#now() - start;
    if (!isTrial) {
      this.#usual.set(kind, time);
      return;
    }
    this.#shares.push(time / known);
    this.#spent += time;
    if (this.#shares.length < TRIALS || this.#spent < TIME) return;
    // The median: in moments a machine has other things to do.
    const share = this.#shares.sort((a, b) => a - b)[this.#shares.length >> 1]!;
    if (share < WORTH) this.#chosen = other;
    this.#make = null;
    this.#usual.clear();
  }
}
