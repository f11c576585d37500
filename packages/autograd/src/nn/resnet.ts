// Residual networks (He et al. 2016): each block adds what it computes to what came in,
//
//     y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))
//
// where the shortcut is x itself, or a 1x1 convolution where the block changes the shape. ResNet18 has the layout for small images of the
// GEM paper's CIFAR experiment (Lopez-Paz & Ranzato 2017; its code's model/common.py): a 3x3 convolution without pooling in front, then
// four stages of two blocks with f, 2f, 4f and 8f filters, f = 20. Members are named as there, so that its state dicts fit.

import type { Rng } from '@gemlab/tensor';
import { withRng } from '../checks.ts';
import type { Variable } from '../variable.ts';
import { BatchNorm2d } from './batch-norm.ts';
import { Conv2d } from './conv.ts';
import { Linear, Sequential } from './layers.ts';
import { Module } from './module.ts';

interface BlockOptions {
  /** Draws the initial weights. */
  readonly rng: Rng;
  readonly dtype?: 'float32' | 'float64';
}

const conv3x3 = (from: number, to: number, stride: number, options: BlockOptions) =>
  new Conv2d(from, to, 3, { ...options, stride, padding: 1, bias: false });

/** Two 3x3 convolutions and a way around them: [N, from, H, W] to [N, to, ceil(H / stride), ceil(W / stride)]. */
export class ResidualBlock extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly shortcut: Sequential;

  /** @throws ModuleError as Conv2d. */
  constructor(from: number, to: number, given: BlockOptions & { readonly stride?: number }) {
    super();
    const { stride = 1, ...options } = withRng('ResidualBlock', given);
    this.conv1 = conv3x3(from, to, stride, options);
    this.bn1 = new BatchNorm2d(to, options);
    this.conv2 = conv3x3(to, to, 1, options);
    this.bn2 = new BatchNorm2d(to, options);
    const same = stride === 1 && from === to;
    this.shortcut = same
      ? new Sequential()
      : new Sequential(new Conv2d(from, to, 1, { ...options, stride, bias: false }), new BatchNorm2d(to, options));
  }

  override forward(x: Variable): Variable {
    const y = this.bn1.forward(this.conv1.forward(x)).relu();
    return this.bn2.forward(this.conv2.forward(y)).add(this.shortcut.forward(x)).relu();
  }
}

export interface ResNetOptions extends BlockOptions {
  /** Filters of the first stage. Default 20; 64 is the full network's. */
  readonly filters?: number;
  /** Channels of the images. Default 3. */
  readonly channels?: number;
}

/** [N, channels, H, W] to [N, classes]. Images of 32x32 end as 4x4, and the mean of those goes to the linear layer. */
export class ResNet18 extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly linear: Linear;

  /** @throws ModuleError as Conv2d and Linear. */
  constructor(classes: number, given: ResNetOptions) {
    super();
    const { filters = 20, channels = 3, ...options } = withRng('ResNet18', given);
    const stage = (from: number, to: number, stride: number) =>
      new Sequential(new ResidualBlock(from, to, { ...options, stride }), new ResidualBlock(to, to, options));
    this.conv1 = conv3x3(channels, filters, 1, options);
    this.bn1 = new BatchNorm2d(filters, options);
    this.layer1 = stage(filters, filters, 1);
    this.layer2 = stage(filters, 2 * filters, 2);
    this.layer3 = stage(2 * filters, 4 * filters, 2);
    this.layer4 = stage(4 * filters, 8 * filters, 2);
    this.linear = new Linear(8 * filters, classes, options);
  }

  override forward(x: Variable): Variable {
    const y = this.bn1.forward(this.conv1.forward(x)).relu();
    const deep = [this.layer1, this.layer2, this.layer3, this.layer4].reduce((v, layer) => layer.forward(v), y);
    return this.linear.forward(deep.globalAvgPool().flatten(1));
  }
}
