/**
 * What a thread runs, and how one is started.
 *
 * A list of calls is offered to it; it takes the list, unless somebody else was faster, does the calls and says that it is done. It knows the
 * memory and what it was told in such lists, nothing else: a call is of a function that it has already, or brings it the code of a module. It
 * looks for the next list for a while and then sleeps: it begins after 0.5 us in the one case and 60 us in the other.
 */

/** What is with a thread's list; `FAILED` is idle after a call that threw. */
export const [IDLE, OFFERED, TAKEN, FAILED] = [0, 1, 2, 3];
/**
 * Numbers that a list may take. They are how many calls there are, and of each the number of its function, how many arguments it has, and
 * these. When they are done, how many milliseconds that took stands in place of how many they are.
 */
export const ROOM = 65536;
/** In place of a function: take the bytes of a module, behind the number that its first function is to have. */
export const LEARN = -1;
/** How often a waiting thread looks before it sleeps. */
export const SPINS = 20000;

/** What a worker is given, in memory that is shared. */
export interface WorkerData {
  readonly memory: object;
  /** What is with the list, in its first element. */
  readonly state: Int32Array;
  readonly list: Float64Array;
}

// A worker can be started only from built JavaScript, and a bundler must not have to find it: so it is a text. It makes no use of anything outside.
const WORKER = `
const work = ({ memory, state, list, post }) => {
  const functions = [];
  const learn = (first, bytes) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)), { env: { memory } });
    Object.values(exports).forEach((f, i) => { functions[first + i] = f; });
  };
  const run = () => {
    let at = 1;
    for (let calls = list[0]; calls > 0; calls--) {
      const args = list.subarray(at + 2, at + 2 + list[at + 1]);
      if (list[at] === ${LEARN}) learn(args[0], args.subarray(1));
      else functions[list[at]](...args);
      at += 2 + args.length;
    }
  };
  post('ready');
  for (;;) {
    for (let i = 0; i < ${SPINS} && Atomics.load(state, 0) !== ${OFFERED}; i++);
    for (let now = Atomics.load(state, 0); now !== ${OFFERED}; now = Atomics.load(state, 0)) Atomics.wait(state, 0, now);
    if (Atomics.compareExchange(state, 0, ${OFFERED}, ${TAKEN}) !== ${OFFERED}) continue;
    let after = ${IDLE};
    try {
      const start = performance.now();
      run();
      list[0] = performance.now() - start;
    } catch {
      after = ${FAILED};
    }
    Atomics.store(state, 0, after);
    Atomics.notify(state, 0);
  }
};
`;
const NODE_WORKER = `${WORKER}
const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads');
work({ ...workerData, post: (message) => parentPort.postMessage(message) });`;
const WEB_WORKER = `${WORKER}
onmessage = ({ data }) => work({ ...data, post: (message) => postMessage(message) });`;

interface NodeWorker {
  once(event: string, listener: (value: unknown) => void): void;
  unref(): void;
  terminate(): Promise<unknown>;
}
interface WebWorker {
  onmessage: ((event: unknown) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  postMessage(data: unknown): void;
  terminate(): void;
}
interface Host {
  readonly process?: {
    getBuiltinModule?(
      name: string,
    ): { readonly Worker: new (source: string, options: object) => NodeWorker } | undefined;
  };
  readonly Worker?: new (url: string) => WebWorker;
  readonly Blob?: new (parts: readonly string[], options: object) => object;
  readonly URL?: { createObjectURL(blob: object): string; revokeObjectURL(url: string): void };
}

/** Starts a worker and resolves, when it is ready, to what ends it. */
export const startWorker = async (data: WorkerData): Promise<() => Promise<unknown>> => {
  const { process, Worker, Blob, URL } = globalThis as unknown as Host;
  const node = process?.getBuiltinModule?.('node:worker_threads');
  if (node !== undefined) {
    const worker = new node.Worker(NODE_WORKER, { eval: true, workerData: data });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    // A team does not keep a finished program alive.
    worker.unref();
    return () => worker.terminate();
  }
  if (Worker === undefined || Blob === undefined || URL === undefined) throw new Error('this runtime has no Worker');
  const url = URL.createObjectURL(new Blob([WEB_WORKER], { type: 'text/javascript' }));
  try {
    const worker = new Worker(url);
    await new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = ({ message }) => reject(new Error(message ?? 'the page may not start a worker from a blob'));
      worker.postMessage(data);
    });
    return async () => worker.terminate();
  } finally {
    URL.revokeObjectURL(url);
  }
};
