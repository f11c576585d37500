/**
 * A team of threads over one WebAssembly memory: each runs a list of calls of kernels, side by side with the thread that asks.
 *
 * A worker knows the compiled modules and the memory, and nothing else. It looks at a counter for a while, and sleeps on it when nothing
 * comes (0.5 us to start a run in the one case, 60 us in the other); the asking thread does its own share and then waits for the others
 * in the same way, save in a browser's main thread, which may not sleep. What is computed depends neither on how many threads there are nor on
 * which of them is first: they write to different places.
 */

import { DeviceError } from '../../errors.ts';
import { compileModule, isShared, type WasmMemory } from './module.ts';

/** A call: the number of a function among its module's, and its arguments. */
export type KernelCall = readonly [fn: number, ...args: number[]];

export interface ThreadModule {
  /** By which kernels ask for it. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its exported functions in the order of their numbers. */
  readonly functions: readonly string[];
}

export interface Team {
  /** Threads, the asking one included. */
  readonly size: number;
  has(module: string): boolean;
  /** Runs one list of calls on each other thread and `own` here, and returns when all are done. False: they are too long, nothing was done. */
  run(module: string, lists: readonly (readonly KernelCall[])[], own: () => void): boolean;
  stop(): Promise<void>;
}

// What stands where in the control array.
const [RUN, DONE, FAILED, HEADER] = [0, 1, 2, 16];
/** Numbers that one thread's list of calls may take. */
const ROOM = 65536;
const SPINS = 20000;

// A worker can be started only from built JavaScript, and a bundler must not have to find it: so it is a text. It makes no use of anything outside.
const WORKER = `
const work = ({ memory, modules, control, index, post }) => {
  const kernels = modules.map(({ module, functions }) => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return functions.map((name) => exports[name]);
  });
  const start = ${HEADER} + index * ${ROOM};
  let seen = 0;
  post('ready');
  for (;;) {
    for (let i = 0; i < ${SPINS} && Atomics.load(control, ${RUN}) === seen; i++);
    while (Atomics.load(control, ${RUN}) === seen) Atomics.wait(control, ${RUN}, seen);
    seen = Atomics.load(control, ${RUN});
    try {
      const functions = kernels[control[start]];
      let at = start + 2;
      for (let calls = control[start + 1]; calls > 0; calls--) {
        const count = control[at + 1];
        functions[control[at]](...control.subarray(at + 2, at + 2 + count));
        at += 2 + count;
      }
    } catch {
      Atomics.store(control, ${FAILED}, 1);
    }
    Atomics.add(control, ${DONE}, 1);
    Atomics.notify(control, ${DONE});
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
const startWorker = async (data: object): Promise<() => Promise<unknown>> => {
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

/** Whether this thread may sleep: not the main one of a browser. */
const maySleep = (control: Int32Array): boolean => {
  try {
    Atomics.wait(control, DONE, -1, 0);
    return true;
  } catch {
    return false;
  }
};

/** @throws DeviceError where the memory is not shared, or a worker cannot be started: it says why. */
export const startTeam = async (memory: WasmMemory, size: number, modules: readonly ThreadModule[]): Promise<Team> => {
  if (!isShared(memory)) {
    throw new DeviceError(
      `threads: found no memory that threads can share, for ${size} of them; a browser has it where the page is cross-origin isolated ` +
        '(Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp)',
      { size },
    );
  }
  const others = size - 1;
  const control = new Int32Array(new SharedArrayBuffer(4 * (HEADER + others * ROOM)));
  const compiled = modules.flatMap(({ name, bytes, functions }) => {
    const module = compileModule(bytes);
    return module === undefined ? [] : [{ name, module, functions }];
  });
  const starting = Array.from({ length: others }, (_, index) =>
    startWorker({ memory, control, index, modules: compiled.map(({ module, functions }) => ({ module, functions })) }),
  );
  const started = await Promise.allSettled(starting);
  const stops = started.flatMap((worker) => (worker.status === 'fulfilled' ? [worker.value] : []));
  const stop = async () => void (await Promise.all(stops.map((end) => end())));
  const refused = started.find((worker) => worker.status === 'rejected');
  if (refused !== undefined) {
    await stop();
    const why = refused.reason instanceof Error ? refused.reason.message : String(refused.reason);
    throw new DeviceError(`threads: could not start ${others} more: ${why}`, { size });
  }
  const sleeps = maySleep(control);

  return {
    size,
    has: (name) => compiled.some((module) => module.name === name),
    run(name, lists, own) {
      const module = compiled.findIndex((m) => m.name === name);
      const isTooLong = (list: readonly KernelCall[]) => list.reduce((n, call) => n + call.length + 1, 2) > ROOM;
      if (module < 0 || lists.length > others || lists.some(isTooLong)) return false;
      for (let worker = 0; worker < others; worker++) {
        const list = lists[worker] ?? [];
        let at = HEADER + worker * ROOM;
        control[at++] = module;
        control[at++] = list.length;
        for (const [fn, ...args] of list) {
          control[at++] = fn;
          control[at++] = args.length;
          control.set(args, at);
          at += args.length;
        }
      }
      Atomics.store(control, FAILED, 0);
      Atomics.store(control, DONE, 0);
      Atomics.add(control, RUN, 1);
      Atomics.notify(control, RUN);
      try {
        own();
      } finally {
        for (let i = 0, done = Atomics.load(control, DONE); done < others; done = Atomics.load(control, DONE)) {
          if (sleeps && ++i > SPINS) Atomics.wait(control, DONE, done);
        }
      }
      if (Atomics.load(control, FAILED) !== 0)
        throw new Error('a thread failed in a kernel: its memory may have been taken away');
      return true;
    },
    stop,
  };
};

// Beside each memory, the team that works in it.
const teams = new WeakMap<WasmMemory, Team>();

export const teamOf = (memory: WasmMemory): Team | undefined => teams.get(memory);

/** Puts a team of `size` threads (1: none) in the place of the one that worked in this memory. @throws DeviceError as startTeam */
export const setTeam = async (memory: WasmMemory, size: number, modules: readonly ThreadModule[]): Promise<void> => {
  const next = size === 1 ? undefined : await startTeam(memory, size, modules);
  const before = teams.get(memory);
  if (next === undefined) teams.delete(memory);
  else teams.set(memory, next);
  await before?.stop();
};
