// Programs on WebGL2: each result is a texture of floats. What gpu.js is asked for it must have done on the GPU, or this throws.

import { DeviceError, ShapeError } from '../../errors.ts';
import { checkFloats, finished, hasCanvas, openCanvas, rendererOf, type WebGL2 } from './context.ts';
import type { GPU, GpuJs, GpuTexture, KernelRun } from './gpu-js.ts';
import { openHeadless, withGlobals } from './headless.ts';
import { argumentTypes, elementSource, kernelSource, type Program, RESIDENT } from './program.ts';
import { loadGpuJs, type Runtime, type Texture } from './runtime.ts';

/** Opens the GPU. @throws DeviceError that says what was found and how to get one. */
export async function openWebGL2(): Promise<Runtime> {
  if (hasCanvas()) {
    const gl = openCanvas();
    checkFloats(gl);
    return new WebGL2Runtime(await loadGpuJs(), gl);
  }
  const { gl, globals } = await openHeadless();
  checkFloats(gl);
  const library = await loadGpuJs();
  return withGlobals(globals, () => new WebGL2Runtime(library, gl));
}

class WebGL2Runtime implements Runtime {
  readonly name = 'gpu';
  // WebGL2 promises 16.
  readonly mostTextures = 8;
  readonly #gl: WebGL2;
  readonly #maxTextureSize: number;
  readonly #library: GpuJs;
  readonly #gpu: GPU;
  readonly #compiled = new Map<string, KernelRun>();

  constructor(library: GpuJs, gl: WebGL2) {
    this.#gl = gl;
    this.#maxTextureSize = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    this.#library = library;
    // By name: by a context gpu.js takes any ANGLE for WebGL 1.
    this.#gpu = new library.GPU({ mode: 'webgl2' });
    this.#gpu.context = gl;
    // Kernels draw into textures only. The canvas is a stand-in, since gpu.js resizes it to each new output.
    this.#gpu.canvas = { width: 1, height: 1 };
    this.#check(this.#gpu.Kernel, undefined);
  }

  run(
    program: Program,
    textures: readonly Texture[],
    ints: readonly number[],
    floats: readonly number[],
    length: number,
  ) {
    return this.#call(program, [...textures, ...ints, ...floats], length);
  }

  upload(data: Float32Array): Texture {
    return this.#call(UPLOAD, [this.#library.input(data, [data.length])], data.length);
  }

  async read(texture: Texture): Promise<Float32Array> {
    await finished(this.#gl);
    return this.readSync(texture);
  }

  readonly readSync = (texture: Texture): Float32Array => {
    const data = (texture as GpuTexture).toArray();
    this.#alive();
    return data;
  };

  describe() {
    return {
      kernels: 'WebGL2 through gpu.js',
      renderer: rendererOf(this.#gl),
      'largest texture': `${this.#maxTextureSize} x ${this.#maxTextureSize}`,
      'programs compiled': String(this.#compiled.size),
    };
  }

  #call(program: Program, values: readonly unknown[], length: number): Texture {
    this.#alive();
    this.#fits(length);
    const known = this.#compiled.get(program.name);
    const run = known ?? this.#compile(program, length);
    // A kernel would draw into its last texture again, or (where that is an argument now) into one from before that, of whatever size
    // the output then had. Here each run has a new texture, and the result alone owns it.
    known?.setOutput([length]);
    const texture = run(...values);
    this.#check(run.kernel.constructor, run.kernel.fallbackReason);
    run.kernel.texture.delete();
    if (texture?.type !== (program.block ? BLOCKS : ELEMENTS)) {
      throw new DeviceError(`gpu: the kernel '${program.name}' gave no texture`, { kernel: program.name });
    }
    return texture;
  }

  #compile(program: Program, length: number): KernelRun {
    const returnType = program.block ? 'Array(4)' : 'Number';
    const run = this.#gpu.createKernel(kernelSource(program), {
      output: [length],
      argumentTypes: argumentTypes(program, { textures: program === UPLOAD ? 'Input' : ELEMENTS, blocks: BLOCKS }),
      nativeFunctions: [{ name: 'element', source: elementSource(program), returnType }],
      returnType,
      precision: 'single',
      // Else gpu.js takes less where it thinks that this is enough.
      tactic: 'precision',
      // For loops that gpu.js translates, of which there are none here.
      loopMaxIterations: 1,
      ...RESIDENT,
      optimizeFloatMemory: false,
      fixIntegerDivisionAccuracy: false,
    });
    this.#compiled.set(program.name, run);
    return run;
  }

  /** gpu.js degrades in silence; this does not. */
  #check(kernel: unknown, fallbackReason: string | null | undefined): void {
    if (kernel === this.#library.WebGL2Kernel && !fallbackReason) return;
    const found = (kernel as { name?: string } | null)?.name ?? String(kernel);
    throw new DeviceError(
      `gpu: gpu.js ran a kernel elsewhere (${found}${fallbackReason ? `: ${fallbackReason}` : ''})`,
      {
        found,
        fallbackReason,
      },
    );
  }

  #alive(): void {
    if (this.#gl.isContextLost()) {
      throw new DeviceError(
        'gpu: the browser took the WebGL context back (the GPU was reset, or ran out of memory), and with it all ' +
          'tensors on it; reload the page, or keep fewer tensors',
        { renderer: rendererOf(this.#gl) },
      );
    }
  }

  #fits(length: number): void {
    if (length <= this.#maxTextureSize * (this.#maxTextureSize - 1)) return;
    throw new ShapeError(
      `gpu: ${length} elements do not fit a texture, which holds ${this.#maxTextureSize} x ${this.#maxTextureSize} here; ` +
        "split the tensor or use { device: 'cpu' }",
      { length, maxTextureSize: this.#maxTextureSize },
    );
  }
}

/** The names by which gpu.js knows textures of one element to a texel, and of four. */
const ELEMENTS = 'ArrayTexture(1)';
const BLOCKS = 'ArrayTexture(4)';

/** What gpu.js uploads has four elements to a texel; results have one. */
const UPLOAD: Program = {
  name: 'upload',
  textures: ['data'],
  ints: [],
  body: 'int t = r >> 2; return texelFetch($data, ivec2(t % $dataSize.x, t / $dataSize.x), 0)[r & 3];',
};
