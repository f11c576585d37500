// A library in a process of its own, so that no one's memory, compiled code or threads stand in another's way, and PyTorch is asked in
// the same words as the rest. One JSON request a line comes in on stdin, one answer a line goes out:
//
//   {"do":"about"}                          {"about":{...}}          versions, and what computes
//   {"do":"open","kind":...,"params":...,"inputs":...}   {}          makes a piece of work ready; closes the one before
//   {"do":"check","folder":...}             {"results":[...]}        does it from its first state, and writes what came out
//   {"do":"time","calls":n}                 {"wall":...,"cpu":...}   does it n times; milliseconds for all of them, by both clocks
//   {"do":"memory"}                         {"bytes":...,"peak":...} resident now, and at most
//
// or {"error":"..."}. `node child.js MODULE startup` instead does one training step and prints how long import and step took.

import { createInterface } from 'node:readline';
import { type ArrayFile, type HostArray, readArray, writeArray } from './host-array.ts';
import type { Inputs, Library, LibraryModule, Piece } from './library.ts';
import type { Kind, Params } from './work.ts';

interface Request {
  readonly do: 'about' | 'open' | 'check' | 'time' | 'memory';
  readonly kind: Kind;
  readonly params: Params;
  readonly inputs: Readonly<Record<string, ArrayFile>>;
  readonly folder: string;
  readonly calls: number;
}

/** Arrays that are read when they are asked for: not everybody needs all, and what is read counts as memory. */
function whenAsked(files: Readonly<Record<string, ArrayFile>>): Inputs {
  const inputs: Record<string, HostArray> = {};
  for (const [name, file] of Object.entries(files)) {
    Object.defineProperty(inputs, name, { enumerable: true, get: () => readArray(file) });
  }
  return inputs;
}

/** Milliseconds: what passed, and what this process ran. */
async function time(piece: Piece, calls: number): Promise<{ wall: number; cpu: number }> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < calls; i++) {
    const result = piece.run();
    if (result instanceof Promise) await result;
  }
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - start, cpu: (user + system) / 1000 };
}

async function serve({ about, pieces }: Library): Promise<void> {
  let piece: Piece | null = null;
  const answer = async (request: Request): Promise<object> => {
    if (request.do === 'about') return { about, kinds: Object.keys(pieces) };
    if (request.do === 'memory')
      return { bytes: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 };
    if (request.do === 'open') {
      piece = null;
      piece = await pieces[request.kind]!(whenAsked(request.inputs), request.params);
      return {};
    }
    if (piece === null) throw new Error(`'${request.do}' before 'open'`);
    if (request.do === 'time') return await time(piece, request.calls);
    const results = await piece.check();
    return { results: results.map((result, i) => writeArray(`${request.folder}/${process.pid}-${i}`, result)) };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line)).catch((error: Error) => ({ error: String(error) }));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

/** The numbers of a training step that need no library to make. */
function plainStep(): Inputs {
  const wave = (shape: readonly number[], scale: number): HostArray => {
    const data = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => scale * Math.sin(i));
    return { shape, data };
  };
  const layers = [[100, 784], [100], [100, 100], [100], [10, 100], [10]].map((shape, i) => [`w${i}`, wave(shape, 0.1)]);
  return {
    ...Object.fromEntries(layers),
    x: wave([10, 784], 1),
    y: { shape: [10], data: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9) },
  };
}

// Ctrl-C reaches every process of the terminal; this one ends when its stdin does.
process.on('SIGINT', () => undefined);

const [module, mode, ...options] = process.argv.slice(2) as [string, 'startup' | 'serve', ...string[]];
if (mode === 'startup') {
  const inputs = plainStep();
  const [start, before] = [performance.now(), process.cpuUsage()];
  const { pieces } = await ((await import(module)) as LibraryModule).load(options);
  await time(await pieces.step!(inputs, { batch: 10, lr: 0.01 }), 1);
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  const whole = process.cpuUsage();
  const told = { wall, cpu: (user + system) / 1000, processCpu: (whole.user + whole.system) / 1000 };
  process.stdout.write(`${JSON.stringify(told)}\n`);
} else {
  await serve(await ((await import(module)) as LibraryModule).load(options));
}
