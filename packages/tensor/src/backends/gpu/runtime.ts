// What the backend wants of whatever runs its programs: WebGL2 (webgl2.ts) or WebGPU (webgpu.ts), both through gpu.js. gpu.js is large, so
// it comes by a dynamic import: who uses only the cpu neither loads nor bundles it.

import { DeviceError } from '../../errors.ts';
import type { View } from '../../view.ts';
import type { GpuJs, GpuJsModule } from './gpu-js.ts';
import type { Program } from './program.ts';

/** A result that stays on the device: a texture of WebGL2, a buffer of WebGPU. */
export interface Texture {
  delete(): void;
}

/** A texture, and the view through which to read it. */
export type Textured = View & { readonly texture: Texture };

export interface Runtime {
  /** The name of the device, which begins the messages of errors. */
  readonly name: 'gpu' | 'webgpu';
  /** The most textures that one program may read. */
  readonly mostTextures: number;
  /** Runs a program for each of `length` elements. The texture is the caller's to delete. @throws DeviceError, ShapeError */
  run(
    program: Program,
    textures: readonly Texture[],
    ints: readonly number[],
    floats: readonly number[],
    length: number,
  ): Texture;
  /** Host elements as a texture. @throws DeviceError, ShapeError */
  upload(data: Float32Array): Texture;
  /** The elements of a texture, which may be deleted as soon as they are there. @throws DeviceError */
  read(texture: Texture): Promise<Float32Array>;
  /** The same at once, or null where nothing can be read at once. */
  readonly readSync: ((texture: Texture) => Float32Array) | null;
  describe(): Readonly<Record<string, string>>;
}

export async function loadGpuJs(): Promise<GpuJs> {
  const { default: library } = (await import('gpu.js')) as unknown as GpuJsModule;
  const loaded = (library?.default ?? library ?? (globalThis as { GPU?: GpuJs }).GPU) as GpuJs | undefined;
  if (typeof loaded?.GPU !== 'function') {
    throw new DeviceError('no GPU: the module gpu.js was found but is not gpu.js 2', { found: typeof loaded });
  }
  return loaded;
}
