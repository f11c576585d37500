// Which samples of a task an episodic memory of n slots holds. Three published rules:
//   ring               the newest n (the paper, Algorithm 1)
//   first-n-shuffled   the first n that come by, of one shuffled pass after the experience (Avalanche)
//   ring-2018          the reference code's ring: its pointer is shared by all tasks and is not reset between them, and a batch
//                      that would run over the end is cut off there, its rest dropped

/** For each sample of an incoming batch, the slot it goes to, or null if it is not stored. */
export type FillRule = (batchSize: number) => (number | null)[];

export type FillPolicy = 'ring' | 'first-n-shuffled' | 'ring-2018';

/** One memory's rules: `ruleFor()` gives a task its rule; state that tasks share lives in the closure. */
export interface Filler {
  ruleFor(): FillRule;
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

export function filler(policy: FillPolicy, slots: number): Filler {
  switch (policy) {
    case 'ring':
      return {
        ruleFor() {
          let next = 0;
          return (batchSize) => upTo(batchSize).map(() => next++ % slots);
        },
      };
    case 'first-n-shuffled':
      return {
        ruleFor() {
          let next = 0;
          return (batchSize) => upTo(batchSize).map(() => (next < slots ? next++ : null));
        },
      };
    case 'ring-2018': {
      let pointer = 0;
      return {
        ruleFor: () => (batchSize) => {
          const start = pointer;
          const stored = Math.min(slots - start, batchSize);
          pointer = (start + stored) % slots;
          return upTo(batchSize).map((i) => (i < stored ? start + i : null));
        },
      };
    }
  }
}
