// Layers of convolutions and of their adjoints, with filters laid out as in PyTorch: [out, in / groups, ...kernel], and transposed
// [in, out / groups, ...kernel]. They start uniform on +-1/sqrt(fan_in), as PyTorch's do (its kaiming_uniform with a = sqrt(5)).

import { type ConvTransposeOptions, type PerAxis, type Rng, rand, type WindowOptions } from '@gemlab/tensor';
import { withRng } from '../checks.ts';
import { ModuleError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';
import { gain, kaimingUniform } from './init.ts';
import { Module } from './module.ts';

export interface ConvLayerOptions extends WindowOptions {
  /** Draws the initial weights. */
  readonly rng: Rng;
  /** Channels are cut into so many groups with filters of their own. Default 1. */
  readonly groups?: number;
  readonly bias?: boolean;
  readonly dtype?: 'float32' | 'float64';
}
export interface ConvTransposeLayerOptions extends ConvLayerOptions {
  /** Elements added behind each axis. */
  readonly outputPadding?: PerAxis;
}

/** What the layers below share: parameters, and how windows lie. */
abstract class ConvLayer extends Module {
  readonly weight: Variable;
  /** [out], or null. */
  readonly bias: Variable | null;
  readonly #settings: Omit<ConvTransposeOptions<Variable>, 'bias'>;

  /** @param channels the weight's first two sizes, before the second is cut into groups */
  constructor(
    d: number,
    channels: readonly [number, number],
    outChannels: number,
    kernelSize: PerAxis,
    options: ConvTransposeLayerOptions,
  ) {
    super();
    const { rng, bias = true, dtype = 'float32', ...settings } = withRng(this.constructor.name, options);
    const { groups = 1 } = settings;
    const size = typeof kernelSize === 'number' ? new Array<number>(d).fill(kernelSize) : kernelSize;
    const whole = [...channels, groups, ...size].every((n) => Number.isInteger(n) && n >= 1);
    if (!whole || size.length !== d || channels.some((n) => n % groups !== 0)) {
      throw new ModuleError(
        `${this.constructor.name}: wants positive integers, groups that divide the channels, and a kernel of ${d} ` +
          `${d === 1 ? 'size' : 'sizes'}; found channels ${channels.join(' and ')}, groups ${groups}, kernel [${size}]`,
        { channels, groups, kernelSize },
      );
    }
    const shape = [channels[0], channels[1] / groups, ...size];
    const start = kaimingUniform(shape, rng, { gain: gain('leakyRelu', Math.sqrt(5)), dtype });
    this.weight = variable(start, { requiresGrad: true });
    const bound = Math.sqrt(channels[0] / start.size);
    const startBias = () => rand([outChannels], rng, { low: -bound, high: bound, dtype });
    this.bias = bias ? variable(startBias(), { requiresGrad: true }) : null;
    this.#settings = settings;
  }

  protected get options(): ConvTransposeOptions<Variable> {
    return { ...this.#settings, bias: this.bias };
  }
}

/** x.conv1d with filters of its own: [N, in, L] to [N, out, L']. */
export class Conv1d extends ConvLayer {
  /** @throws ModuleError for sizes that are no positive integers, groups that do not divide the channels, or without a generator. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions) {
    super(1, [outChannels, inChannels], outChannels, kernelSize, options);
  }
  override forward(x: Variable): Variable {
    return x.conv1d(this.weight, this.options);
  }
}

/** x.conv2d with filters of its own: [N, in, H, W] to [N, out, H', W']. */
export class Conv2d extends ConvLayer {
  /** @throws ModuleError as Conv1d. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions) {
    super(2, [outChannels, inChannels], outChannels, kernelSize, options);
  }
  override forward(x: Variable): Variable {
    return x.conv2d(this.weight, this.options);
  }
}

/** x.conv3d with filters of its own: [N, in, D, H, W] to [N, out, D', H', W']. */
export class Conv3d extends ConvLayer {
  /** @throws ModuleError as Conv1d. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions) {
    super(3, [outChannels, inChannels], outChannels, kernelSize, options);
  }
  override forward(x: Variable): Variable {
    return x.conv3d(this.weight, this.options);
  }
}

/** x.convTranspose1d with filters of its own: [N, in, L] to [N, out, L']. */
export class ConvTranspose1d extends ConvLayer {
  /** @throws ModuleError as Conv1d. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions) {
    super(1, [inChannels, outChannels], outChannels, kernelSize, options);
  }
  override forward(x: Variable): Variable {
    return x.convTranspose1d(this.weight, this.options);
  }
}

/** x.convTranspose2d with filters of its own: [N, in, H, W] to [N, out, H', W']. */
export class ConvTranspose2d extends ConvLayer {
  /** @throws ModuleError as Conv1d. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions) {
    super(2, [inChannels, outChannels], outChannels, kernelSize, options);
  }
  override forward(x: Variable): Variable {
    return x.convTranspose2d(this.weight, this.options);
  }
}

/** x.convTranspose3d with filters of its own: [N, in, D, H, W] to [N, out, D', H', W']. */
export class ConvTranspose3d extends ConvLayer {
  /** @throws ModuleError as Conv1d. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions) {
    super(3, [inChannels, outChannels], outChannels, kernelSize, options);
  }
  override forward(x: Variable): Variable {
    return x.convTranspose3d(this.weight, this.options);
  }
}
