// gpu.js as this folder uses it: tsconfig.json puts these types in place of its own, which want the DOM's and know `input` only as a
// type.

/** A result that stays on the device. Several may share one GL texture, which goes when the last of them is deleted. */
export interface Texture {
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
  readonly returnType: 'Number';
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
  (...values: unknown[]): Texture;
  setOutput(output: readonly number[]): unknown;
  destroy(): void;
  /** What runs when this is called: gpu.js exchanges it for another kind of kernel when it sees fit. */
  readonly kernel: {
    readonly constructor: unknown;
    readonly fallbackReason?: string | null;
    readonly texture: Texture;
  };
}

export type KernelClass = { readonly mode: string };

export class GPU {
  constructor(settings: { readonly canvas: unknown; readonly context: unknown });
  readonly Kernel: KernelClass;
  createKernel(source: string, settings: KernelSettings): KernelRun;
  destroy(): Promise<void>;
}

export interface GpuJs {
  readonly GPU: typeof GPU;
  readonly WebGL2Kernel: KernelClass;
  readonly input: (value: Float32Array, size: readonly number[]) => unknown;
}

declare const library: GpuJs & { readonly default?: GpuJs };
export default library;
