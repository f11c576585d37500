// A GPU where there is no page: under Node, WebGL2 by the package `gl` (headless-gl, from version 9 on), WebGPU by the package `webgpu` (Dawn),
// if the user has installed them. They are his to install, for they are compiled code; this package neither brings nor bundles them.

import { DeviceError } from '../../errors.ts';
import type { WebGL2 } from './context.ts';

/** What a page has, and gpu.js asks for, when it looks whether WebGL2 or WebGPU is there. */
export type PageGlobals = Readonly<Record<string, unknown>>;
export interface HeadlessContext {
  readonly gl: WebGL2;
  readonly globals: PageGlobals;
}

interface HeadlessGl {
  (width: number, height: number, attributes: { readonly createWebGL2Context: true }): WebGL2 | null;
  readonly WebGL2RenderingContext?: unknown;
}

/** By a name that is no literal, so that bundlers do not look for it. A string says why it is not there. */
async function imported<Module extends object>(name: string): Promise<Module | string> {
  try {
    return await import(/* @vite-ignore */ name);
  } catch (error) {
    const missing = (error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND';
    return missing ? 'is not installed' : `cannot be loaded (${error})`;
  }
}

const none = (found: string, remedy: string) =>
  new DeviceError(
    `no GPU: this runtime has no canvas, ${found}; ${remedy}; else use a browser with WebGL2, or { device: 'cpu' }, ` +
      "or await chooseDevice('auto'), which takes what there is",
    { found },
  );

/** @throws DeviceError that says what was found and how to get a GPU. */
export async function openHeadless(): Promise<HeadlessContext> {
  const module = await imported<{ readonly default: HeadlessGl }>('gl');
  if (typeof module === 'string') {
    throw none(`and the package gl, which gives Node WebGL2, ${module}`, 'npm install gl@^9.0.0-rc.10');
  }
  const createContext = module.default;
  const { WebGL2RenderingContext } = createContext;
  if (WebGL2RenderingContext === undefined) {
    throw none('and the package gl that is installed has WebGL 1 only', 'npm install gl@^9.0.0-rc.10');
  }
  const create = () => createContext(1, 1, { createWebGL2Context: true });
  const gl = create();
  if (gl === null) {
    const remedy = 'it wants a display and OpenGL: on a server, start Node by xvfb-run, with Mesa installed';
    throw none('and the package gl opens no WebGL2 context', remedy);
  }
  class OffscreenCanvas {
    getContext = create;
  }
  return { gl, globals: { OffscreenCanvas, WebGL2RenderingContext } };
}

/** navigator.gpu as the package `webgpu` makes it, or why it does not. */
export async function createWebGpu<Gpu extends object>(): Promise<Gpu | string> {
  const module = await imported<{ create(options: readonly string[]): Gpu }>('webgpu');
  return typeof module === 'string' ? module : module.create([]);
}

/** Runs `fn` with globals that a page would have, and takes them away again. */
export function withGlobals<T>(globals: PageGlobals, fn: () => T): T {
  const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  try {
    return fn();
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete (globalThis as Record<string, unknown>)[name];
    }
  }
}
