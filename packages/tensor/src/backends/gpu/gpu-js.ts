// gpu.js as this folder uses it. Its own types want the DOM's and know `input` only as a type, so what it is imported as is cast to these;
// in the build of this package (tsconfig.json) they are not looked at, either.

/** A result that stays on the device. Several may share one GL texture, which goes when the last of them is deleted. */
export interface GpuTexture {
  readonly type?: string;
  toArray(): Float32Array;
  delete(): void;
}

export interface NativeFunction {
  readonly name: string;
  readonly source: string;
  readonly returnType: string;
}

export interface KernelSettings {
  readonly output: readonly number[];
  readonly argumentTypes: readonly string[];
  readonly nativeFunctions: readonly NativeFunction[];
  readonly returnType: 'Number' | 'Array(4)';
  readonly precision: 'single';
  readonly tactic: 'precision';
  readonly loopMaxIterations: number;
  readonly pipeline: true;
  readonly immutable: true;
  readonly dynamicOutput: true;
  readonly dynamicArguments: true;
  readonly optimizeFloatMemory: false;
  readonly fixIntegerDivisionAccuracy: false;
}

export interface KernelRun {
  (...values: unknown[]): GpuTexture;
  setOutput(output: readonly number[]): unknown;
  /** What runs when this is called: gpu.js exchanges it for another kind of kernel when it sees fit. */
  readonly kernel: {
    readonly constructor: unknown;
    readonly fallbackReason?: string | null;
    readonly texture: GpuTexture;
  };
}

/** A result in a buffer of WebGPU. Several may share one buffer, which goes when the last of them is deleted. */
export interface GpuBuffer {
  readonly buffer: object;
  readonly context: object;
  readonly kernel: object;
  toArray(): Promise<Float32Array>;
  delete(): void;
}
export interface WebGpuSettings {
  readonly output: readonly number[];
  readonly argumentTypes: readonly string[];
  readonly pipeline: true;
  readonly immutable: true;
  readonly dynamicOutput: true;
  readonly dynamicArguments: true;
}
/** gpu.js's own kernel, of which this folder makes subclasses: what they override translates the source, which here is WGSL already. */
export interface WebGpuKernel {
  translatedFunctions: string;
  translatedBody: string;
  returnType: string;
  componentCount: number;
  outputBuffer: { _refs: number } | null;
  translateSource(): void;
  setOutput(output: readonly number[]): unknown;
  run(...values: unknown[]): Promise<GpuBuffer>;
}

export type KernelClass = { readonly mode: string };

export interface GPU {
  readonly Kernel: KernelClass;
  canvas: unknown;
  context: unknown;
  createKernel(source: string, settings: KernelSettings): KernelRun;
}

export interface GpuJs {
  readonly GPU: new (settings: { readonly mode: 'webgl2' }) => GPU;
  readonly WebGL2Kernel: KernelClass;
  readonly WebGPUContext: { acquire(): Promise<unknown> };
  readonly WebGPUKernel: new (source: string, settings: WebGpuSettings) => WebGpuKernel;
  readonly WebGPUBufferResult: new (settings: {
    readonly buffer: object;
    readonly context: object;
    readonly kernel: object;
    readonly output: readonly number[];
  }) => GpuBuffer;
  readonly input: (value: Float32Array, size: readonly number[]) => unknown;
}

/** What `import('gpu.js')` gives: CommonJS under Node; in a browser that imports it unbundled a script, which leaves one global. */
export interface GpuJsModule {
  readonly default?: Partial<GpuJs> & { readonly default?: GpuJs };
}
