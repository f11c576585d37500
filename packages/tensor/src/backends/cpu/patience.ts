// When kernels are built. Each costs about what loops, which give the same bits, take for some thousands of elements: a program's first ops on
// few elements are left to the loops, since a loss is many such ops, and a short program has not many of each.

/** So many elements at a time: over more of them the engine begins to compile the loop, and that costs more than a kernel. */
const AT_ONCE = 512;
/** And so many in all. */
const FEW = 2 ** 14;

export class Patience {
  #left: number;

  constructor(few = FEW) {
    this.#left = few;
  }

  /** Whether the loops are to do these `elements` too. */
  lasts(elements: number): boolean {
    if (elements > AT_ONCE || this.#left <= 0) return false;
    this.#left -= elements;
    return true;
  }
}
