// Letting the world in. Training is synchronous arithmetic; a terminal, a page or Ctrl-C gets its turn only if the loop
// gives up the thread now and then.

/** What the loop needs of an AbortSignal. */
export interface StopSignal {
  readonly aborted: boolean;
}

const PAUSE_EVERY_MS = 40;

interface Port {
  onmessage: (() => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** What a JavaScript host may have, though the language does not. All have timers. */
interface Host {
  setImmediate?(callback: () => void): unknown;
  MessageChannel?: new () => { readonly port1: Port; readonly port2: Port };
  setTimeout(callback: () => void, milliseconds: number): unknown;
}

/**
 * Ends when all who were waiting for the thread have had it. A timer would wait for at least a millisecond on top of that, and for four in a
 * page: of every 40 that is a tenth.
 */
const othersFirst = (): Promise<void> =>
  new Promise((resume) => {
    const host = globalThis as unknown as Host;
    if (host.setImmediate) host.setImmediate(resume);
    else if (host.MessageChannel) {
      const { port1, port2 } = new host.MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resume();
      };
      port2.postMessage(null);
    } else host.setTimeout(resume, 0);
  });

/** A function to await before each step: gives up the thread every 40 ms, and says whether the signal wants a stop. */
export function breather(signal: StopSignal | undefined): () => Promise<boolean> | boolean {
  let last = Date.now();
  const pause = async () => {
    await othersFirst();
    last = Date.now();
    return signal?.aborted ?? false;
  };
  return () => (Date.now() - last >= PAUSE_EVERY_MS ? pause() : (signal?.aborted ?? false));
}
