// Who takes part, and how each is started.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseDevice } from '@gemlab/tensor';
import { type Command, runToEnd } from './process.ts';

export interface Entrant {
  readonly name: string;
  /** The process that serves it. */
  readonly serve: Command;
  /** A process that does one training step and ends; not for what is no library. */
  readonly startup?: Command;
  /** Comes from npm, and is installed when it is first asked for. */
  readonly isRival?: true;
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

function node(module: string, options: readonly string[] = [], flags: readonly string[] = []) {
  const command = (mode: string): Command => ({
    program: process.execPath,
    arguments: [...flags, here('./child.js'), here(module), mode, ...options],
  });
  return { serve: command('serve'), startup: command('startup') };
}

/** Node 20 has relaxed SIMD behind a flag. */
const RELAXED = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

/** The one that everybody is compared with. */
export const GEMLAB: Entrant = { name: 'gemlab', ...node('./libraries/gemlab.js', ['cpu']) };

export const limits: readonly Entrant[] = [
  { name: 'limit', serve: node('./libraries/limit.js').serve },
  { name: 'limit with FMA', serve: node('./libraries/limit.js', ['fused'], RELAXED).serve },
];

/** gemlab on two threads: what they share is their processor time, so that only the wall clock tells what they gain. */
export const THREADED: Entrant = { name: 'gemlab, 2 threads', ...node('./libraries/gemlab.js', ['cpu', '2']) };

/** gemlab on its device with fused multiply-adds; or why there is none. */
export async function fused(): Promise<Entrant | string> {
  try {
    await chooseDevice('cpu-fma');
    return { name: 'gemlab, cpu-fma', ...node('./libraries/gemlab.js', ['cpu-fma']) };
  } catch (error) {
    return (error as Error).message;
  }
}

export const rivals: readonly Entrant[] = [
  { name: 'tfjs, cpu', ...node('./rivals/tfjs.js', ['cpu']), isRival: true },
  { name: 'tfjs, wasm', ...node('./rivals/tfjs.js', ['wasm']), isRival: true },
  { name: 'jax-js, wasm', ...node('./rivals/jax.js'), isRival: true },
];

/** PyTorch under the first Python on the PATH (or in $PYTHON) that has it; or why there is none. */
export async function pytorch(): Promise<Entrant | string> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const given = process.env.PYTHON;
  const found = given === undefined ? folders.map((folder) => join(folder, 'python3')).filter(isProgram) : [given];
  for (const program of new Set(found)) {
    const importing = { program, arguments: ['-c', 'import torch, numpy'] };
    const works = await runToEnd(importing).then(
      () => true,
      () => false,
    );
    const command = (mode: string): Command => ({ program, arguments: [here('../torch/child.py'), mode] });
    if (works) return { name: 'PyTorch', serve: command('serve'), startup: command('startup') };
  }
  if (found.length === 0) return 'there is no python3 on the PATH';
  return `${given ?? 'no python3 on the PATH'} has ${given === undefined ? '' : 'no '}torch and numpy`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
