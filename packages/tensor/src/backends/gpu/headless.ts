// WebGL2 where there is no page: under Node, by the package `gl` (headless-gl), if the user has installed it. It is his to install, for it
// is compiled code; this package neither brings nor bundles it. WebGL2 is in version 9 of it and later.

import { DeviceError } from '../../errors.ts';
import type { WebGL2 } from './context.ts';

/** What a page has, and gpu.js asks for, when it looks whether WebGL2 is there. */
export interface PageGlobals {
  readonly OffscreenCanvas: unknown;
  readonly WebGL2RenderingContext: unknown;
}
export interface HeadlessContext {
  readonly gl: WebGL2;
  readonly globals: PageGlobals;
}

interface HeadlessGl {
  (width: number, height: number, attributes: { readonly createWebGL2Context: true }): WebGL2 | null;
  readonly WebGL2RenderingContext?: unknown;
}

// A name that is no literal, so that bundlers do not look for it.
const PACKAGE = 'gl';

const none = (found: string, remedy: string) =>
  new DeviceError(
    `no GPU: this runtime has no canvas, ${found}; ${remedy}; else use a browser with WebGL2, or { device: 'cpu' }, ` +
      "or await chooseDevice('auto'), which takes what there is",
    { found },
  );

/** @throws DeviceError that says what was found and how to get a GPU. */
export async function openHeadless(): Promise<HeadlessContext> {
  const { default: createContext } = (await import(/* @vite-ignore */ PACKAGE).catch((error: unknown) => {
    const why =
      (error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND'
        ? 'is not installed'
        : `cannot be loaded (${error})`;
    throw none(`and the package gl, which gives Node WebGL2, ${why}`, 'npm install gl@^9.0.0-rc.10');
  })) as { default: HeadlessGl };
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

/** Runs `fn` with globals that a page would have, and takes them away again. */
export function withGlobals<T>(globals: PageGlobals, fn: () => T): T {
  const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  Object.assign(globalThis, globals);
  try {
    return fn();
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete (globalThis as Record<string, unknown>)[name];
    }
  }
}
