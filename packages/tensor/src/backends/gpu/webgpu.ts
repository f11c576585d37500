// Programs on WebGPU: each result is a buffer. There gpu.js computes behind promises, where ops return tensors at once: so what is asked for
// waits in a queue, in order, and a buffer is filled when its turn has come. Nothing can be read at once.

import { DeviceError, GemlabError, ShapeError } from '../../errors.ts';
import type { GpuBuffer, GpuJs, WebGpuKernel } from './gpu-js.ts';
import { createWebGpu, withGlobals } from './headless.ts';
import { FILL } from './moving.ts';
import { argumentTypes, kernelSource, type Program, RESIDENT } from './program.ts';
import { loadGpuJs, type Runtime, type Texture } from './runtime.ts';
import { wgslSource } from './wgsl.ts';

/** The part of WebGPU that this backend calls itself. */
interface Adapter {
  readonly info?: { readonly vendor: string; readonly architecture: string };
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
}
interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

const none = (found: string) =>
  new DeviceError(
    `no WebGPU: ${found}; chooseDevice('gpu') takes WebGL2, { device: 'cpu' } is everywhere, and ` +
      "await chooseDevice('auto') takes what there is",
    { found },
  );

/** Opens WebGPU, and has it compute something. @throws DeviceError that says what was found. */
export async function openWebGpu(): Promise<Runtime> {
  const here = (globalThis as { readonly navigator?: { readonly gpu?: Gpu } }).navigator?.gpu;
  const gpu = here ?? (await createWebGpu<Gpu>());
  if (typeof gpu === 'string') {
    const node = `under Node the package webgpu gives it, which ${gpu} (npm install webgpu)`;
    throw none(`this runtime has no navigator.gpu: browsers have it for pages by https or from localhost; ${node}`);
  }
  const adapter = await gpu.requestAdapter();
  if (adapter === null)
    throw none('there is no adapter: the runtime knows no GPU (under Linux: no Vulkan) that it would use');
  const library = await loadGpuJs();
  // It asks for a device once, and keeps it.
  const acquire = () => library.WebGPUContext.acquire();
  await (here ? acquire() : withGlobals({ navigator: { gpu } }, acquire)).catch((error: unknown) => {
    throw none(`the adapter gives no device (${error})`);
  });
  const runtime = new WebGpuRuntime(library, gpu, adapter);
  const [found] = await runtime.read(runtime.run(FILL, [], [], [0.5], 1));
  if (found !== 0.5) throw none(`a kernel that should give 0.5 gave ${found}`);
  return runtime;
}

class QueuedBuffer implements Texture {
  /** Once filled: the result, or why there is none. */
  result: GpuBuffer | Error | null = null;
  readonly #deleted: () => void;

  constructor(deleted: (buffer: QueuedBuffer) => void) {
    this.#deleted = () => deleted(this);
  }

  get filled(): GpuBuffer {
    if (this.result === null || this.result instanceof Error) {
      throw this.result ?? new DeviceError('webgpu: a buffer was read before it was filled');
    }
    return this.result;
  }

  delete(): void {
    this.#deleted();
  }
}

class WebGpuRuntime implements Runtime {
  readonly name = 'webgpu';
  // A program may have 8 storage buffers, and one is the result's.
  readonly mostTextures = 7;
  readonly readSync = null;
  readonly #library: GpuJs;
  /** Under Node nobody else would keep it. */
  readonly gpu: Gpu;
  readonly #adapter: Adapter;
  readonly #compiled = new Map<string, WebGpuKernel>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(library: GpuJs, gpu: Gpu, adapter: Adapter) {
    this.#library = library;
    this.gpu = gpu;
    this.#adapter = adapter;
  }

  run(
    program: Program,
    textures: readonly Texture[],
    ints: readonly number[],
    floats: readonly number[],
    length: number,
  ): Texture {
    return this.#call(program, length, () => [
      ...(textures as readonly QueuedBuffer[]).map((t) => t.filled),
      ...ints,
      ...floats,
    ]);
  }

  upload(data: Float32Array): Texture {
    return this.#call(UPLOAD, data.length, () => [this.#library.input(data, [data.length])]);
  }

  async read(texture: Texture): Promise<Float32Array> {
    // What is copied is copied in order; others need not wait until it has come.
    const { pending } = await this.#enqueue(() => ({ pending: (texture as QueuedBuffer).filled.toArray() }));
    return pending.catch((error: unknown) => {
      throw namedError(error);
    });
  }

  describe() {
    const { info, limits } = this.#adapter;
    return {
      kernels: 'WebGPU through gpu.js, behind promises: await data(), for nothing is read at once',
      renderer: [info?.vendor, info?.architecture].filter(Boolean).join(' ') || 'unknown',
      'largest buffer': `${Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize)} bytes`,
      'programs compiled': String(this.#compiled.size),
    };
  }

  #enqueue<T>(job: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(job);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #call(program: Program, length: number, values: () => unknown[]): Texture {
    this.#fits(length * (program.block ? 4 : 1));
    const texture = new QueuedBuffer((buffer) => {
      void this.#enqueue(() => (buffer.result as Partial<GpuBuffer> | null)?.delete?.());
    });
    this.#enqueue(async () => {
      const kernel = this.#compiled.get(program.name) ?? this.#compile(program);
      kernel.setOutput([length]);
      const result = await kernel.run(...values());
      // A kernel would hold on to its last result. Here the tensor alone owns it.
      if (kernel.outputBuffer !== null) kernel.outputBuffer._refs--;
      kernel.outputBuffer = null;
      texture.result = program.block ? this.#flat(result, 4 * length) : result;
    }).catch((error: unknown) => {
      texture.result = namedError(error);
    });
    return texture;
  }

  /** Blocks as so many elements: gpu.js takes no other as an argument. */
  #flat(blocks: GpuBuffer, length: number): GpuBuffer {
    const { buffer, context, kernel } = blocks;
    const elements = new this.#library.WebGPUBufferResult({ buffer, context, kernel, output: [length] });
    blocks.delete();
    return elements;
  }

  #compile(program: Program): WebGpuKernel {
    const { block } = program;
    // gpu.js takes no native functions here; but what it makes of a kernel's source it puts where these put WGSL.
    class Kernel extends this.#library.WebGPUKernel {
      override translateSource(): void {
        this.translatedFunctions = program === UPLOAD ? UPLOAD_WGSL : wgslSource(program);
        const lanes = [0, 1, 2, 3].map((lane) => `result[4 * data_index + ${lane}] = block[${lane}];`);
        this.translatedBody = block
          ? `let block = f_element(data_index);\n${lanes.join('\n')}`
          : 'result[data_index] = f_element(data_index);';
        this.returnType = block ? 'Array(4)' : 'Number';
        this.componentCount = block ? 4 : 1;
      }
    }
    const kernel = new Kernel(kernelSource(program), {
      output: [1],
      argumentTypes: argumentTypes(program, { textures: program === UPLOAD ? 'Input' : BUFFER, blocks: BUFFER }),
      ...RESIDENT,
    });
    this.#compiled.set(program.name, kernel);
    return kernel;
  }

  #fits(length: number): void {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#adapter.limits;
    const most = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 4);
    if (length <= most) return;
    throw new ShapeError(
      `webgpu: ${length} elements do not fit a buffer, which holds ${most} here; split the tensor or use { device: 'cpu' }`,
      { length, most },
    );
  }
}

const namedError = (error: unknown): Error => {
  if (error instanceof GemlabError) return error;
  return new DeviceError(`webgpu: ${error instanceof Error ? error.message : String(error)}`, { error });
};

/** gpu.js's name for what a kernel leaves on the device. */
const BUFFER = 'WebGPUBuffer';

const UPLOAD: Program = { name: 'upload', textures: ['data'], ints: [], body: '' };
const UPLOAD_WGSL = 'fn f_element(i: i32) -> f32 { return user_data[i]; }';
