// Where a run is kept: a flat folder of named files, and nothing else is asked of it. `memoryStore` is one for tests, notebooks and
// pages; '@gemlab/gem/node' has one on disk.

/** Names are letters, digits, '.', '-' and '_'. */
export interface RunStore {
  /** The whole file; null if there is none. */
  read(name: string): Promise<Uint8Array | null>;
  /**
   * Makes or replaces a file, whole or not at all: whatever happens, at any moment, a reader finds the old bytes or the new. Once the
   * promise resolves, the new ones outlive the end of the program.
   */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Removes a file, if there is one. */
  remove(name: string): Promise<void>;
  /** The names of all files, in any order. */
  list(): Promise<readonly string[]>;
}

/** A store that lasts as long as the program. */
export function memoryStore(): RunStore {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (name) => files.get(name)?.slice() ?? null,
    write: async (name, bytes) => void files.set(name, bytes.slice()),
    remove: async (name) => void files.delete(name),
    list: async () => [...files.keys()],
  };
}
