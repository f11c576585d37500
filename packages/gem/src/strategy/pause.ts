// Letting the world in. Training is synchronous arithmetic; a terminal, a page or Ctrl-C gets its turn only if the loop
// gives up the thread now and then.

/** What the loop needs of an AbortSignal. */
export interface StopSignal {
  readonly aborted: boolean;
}

const PAUSE_EVERY_MS = 40;

// Every JavaScript host has it, though the language does not.
declare function setTimeout(callback: () => void, milliseconds: number): unknown;

/** A function to await before each step: gives up the thread every 40 ms, and says whether the signal wants a stop. */
export function breather(signal: StopSignal | undefined): () => Promise<boolean> | boolean {
  let last = Date.now();
  const pause = async () => {
    await new Promise<void>((resume) => {
      setTimeout(resume, 0);
    });
    last = Date.now();
    return signal?.aborted ?? false;
  };
  return () => (Date.now() - last >= PAUSE_EVERY_MS ? pause() : (signal?.aborted ?? false));
}
