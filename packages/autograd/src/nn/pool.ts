// Layers of pooling: the ops of the same names, with their settings kept. They have no parameters.

import type { AdaptiveSize, AvgPoolOptions, PerAxis, PoolOptions } from '@gemlab/tensor';
import type { Variable } from '../variable.ts';
import { Module } from './module.ts';

abstract class MaxPool extends Module {
  readonly kernelSize: PerAxis;
  readonly options: PoolOptions;
  constructor(kernelSize: PerAxis, options: PoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }
}

/** x.maxPool1d: [N, C, L] to [N, C, L']. */
export class MaxPool1d extends MaxPool {
  override forward(x: Variable): Variable {
    return x.maxPool1d(this.kernelSize, this.options);
  }
}

/** x.maxPool2d: [N, C, H, W] to [N, C, H', W']. */
export class MaxPool2d extends MaxPool {
  override forward(x: Variable): Variable {
    return x.maxPool2d(this.kernelSize, this.options);
  }
}

/** x.maxPool3d: [N, C, D, H, W] to [N, C, D', H', W']. */
export class MaxPool3d extends MaxPool {
  override forward(x: Variable): Variable {
    return x.maxPool3d(this.kernelSize, this.options);
  }
}

abstract class AvgPool extends Module {
  readonly kernelSize: PerAxis;
  readonly options: AvgPoolOptions;
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }
}

/** x.avgPool1d: [N, C, L] to [N, C, L']. */
export class AvgPool1d extends AvgPool {
  override forward(x: Variable): Variable {
    return x.avgPool1d(this.kernelSize, this.options);
  }
}

/** x.avgPool2d: [N, C, H, W] to [N, C, H', W']. */
export class AvgPool2d extends AvgPool {
  override forward(x: Variable): Variable {
    return x.avgPool2d(this.kernelSize, this.options);
  }
}

/** x.avgPool3d: [N, C, D, H, W] to [N, C, D', H', W']. */
export class AvgPool3d extends AvgPool {
  override forward(x: Variable): Variable {
    return x.avgPool3d(this.kernelSize, this.options);
  }
}

abstract class AdaptivePool extends Module {
  readonly outputSize: AdaptiveSize;
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }
}

/** x.adaptiveAvgPool1d: [N, C, L] to [N, C, outputSize]. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  override forward(x: Variable): Variable {
    return x.adaptiveAvgPool1d(this.outputSize);
  }
}

/** x.adaptiveAvgPool2d: [N, C, H, W] to [N, C, ...outputSize]. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  override forward(x: Variable): Variable {
    return x.adaptiveAvgPool2d(this.outputSize);
  }
}

/** x.adaptiveMaxPool1d: [N, C, L] to [N, C, outputSize]. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  override forward(x: Variable): Variable {
    return x.adaptiveMaxPool1d(this.outputSize);
  }
}

/** x.adaptiveMaxPool2d: [N, C, H, W] to [N, C, ...outputSize]. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  override forward(x: Variable): Variable {
    return x.adaptiveMaxPool2d(this.outputSize);
  }
}

/** x.globalAvgPool: [N, C, ...spatial] to [N, C, 1, ...]. */
export class GlobalAvgPool extends Module {
  override forward(x: Variable): Variable {
    return x.globalAvgPool();
  }
}

/** x.globalMaxPool: [N, C, ...spatial] to [N, C, 1, ...]. */
export class GlobalMaxPool extends Module {
  override forward(x: Variable): Variable {
    return x.globalMaxPool();
  }
}
