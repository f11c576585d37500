// The WebGL2 context that the kernels run in. It is made here and handed to gpu.js, which then can only use it or fail: left to
// itself, gpu.js calls WebAssembly and plain loops a GPU, too.

import { DeviceError } from '../../errors.ts';

/** The part of WebGL2RenderingContext that this backend calls itself. */
export interface WebGL2 {
  readonly MAX_TEXTURE_SIZE: number;
  readonly RENDERER: number;
  readonly SYNC_GPU_COMMANDS_COMPLETE: number;
  readonly TIMEOUT_EXPIRED: number;
  getParameter(name: number): unknown;
  getExtension(name: string): { readonly UNMASKED_RENDERER_WEBGL?: number } | null;
  isContextLost(): boolean;
  fenceSync(condition: number, flags: number): unknown;
  clientWaitSync(sync: unknown, flags: number, timeout: number): number;
  deleteSync(sync: unknown): void;
  flush(): void;
}

interface Timers {
  setTimeout(run: () => void): unknown;
}
interface Canvas {
  getContext(kind: 'webgl2', attributes: object): WebGL2 | null;
}
interface Page {
  readonly OffscreenCanvas?: new (width: number, height: number) => Canvas;
  readonly document?: { createElement(tag: 'canvas'): Canvas };
}

const REMEDY =
  "a GPU needs WebGL2 (is hardware acceleration switched on?); elsewhere use { device: 'cpu' }, " +
  "or await chooseDevice('auto'), which takes what there is";

/** @throws DeviceError that says what was found and how to get a GPU. */
export function openCanvas(): WebGL2 {
  const { OffscreenCanvas, document } = globalThis as Page;
  const canvas = OffscreenCanvas ? new OffscreenCanvas(1, 1) : document!.createElement('canvas');
  const gl = canvas.getContext('webgl2', { alpha: false, depth: false, antialias: false });
  if (gl === null) {
    throw new DeviceError(`no GPU: this runtime has a canvas but gives no WebGL2 context; ${REMEDY}`, {
      found: 'no WebGL2 context',
    });
  }
  return gl;
}

/** Whether this runtime has anything that a page draws on. */
export const hasCanvas = () => {
  const { OffscreenCanvas, document } = globalThis as Page;
  return OffscreenCanvas !== undefined || document !== undefined;
};

/** @throws DeviceError if the context cannot compute in float32. */
export function checkFloats(gl: WebGL2): void {
  if (gl.getExtension('EXT_color_buffer_float') === null) {
    throw new DeviceError(
      `no GPU: WebGL2 on '${rendererOf(gl)}' cannot draw into float textures (EXT_color_buffer_float); ${REMEDY}`,
      { found: 'no EXT_color_buffer_float' },
    );
  }
}

/** The GPU's name as the driver gives it. */
export function rendererOf(gl: WebGL2): string {
  const unmasked = gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL;
  return String(gl.getParameter(unmasked ?? gl.RENDERER));
}

/** Resolves when the GPU has done everything asked of it so far. */
export async function finished(gl: WebGL2): Promise<void> {
  const { setTimeout } = globalThis as unknown as Timers;
  const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  gl.flush();
  // A wait would block the very thread that this is to keep free.
  while (!gl.isContextLost() && gl.clientWaitSync(sync, 0, 0) === gl.TIMEOUT_EXPIRED) {
    await new Promise<void>((resolve) => setTimeout(resolve));
  }
  gl.deleteSync(sync);
}
