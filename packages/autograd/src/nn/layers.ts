// The layers a multilayer perceptron needs: affine maps y = x W' + b with ReLU between them, one after another. Weights
// lie as in PyTorch, [out, in], so that its state dicts fit.

import { errors, type Rng, rand, zeros } from '@gemlab/tensor';
import { kindOf, withRng } from '../checks.ts';
import { ModuleError } from '../errors.ts';
import { type Variable, variable } from '../variable.ts';
import { xavierUniform } from './init.ts';
import { Module, type Task } from './module.ts';

export interface LinearOptions {
  /** Draws the initial weights. */
  readonly rng: Rng;
  readonly bias?: boolean;
  /**
   * 'torch' (default): weights and bias uniform on +-1/sqrt(in), as PyTorch's nn.Linear. 'xavier': Xavier-uniform
   * weights and zero bias, as the GEM paper's network.
   */
  readonly init?: 'torch' | 'xavier';
  readonly dtype?: 'float32' | 'float64';
}

/** y = x W' + b, with x [..., in], W [out, in], b [out] and y [..., out] (PyTorch's layout). */
export class Linear extends Module {
  readonly weight: Variable;
  readonly bias: Variable | null;

  /** @throws ModuleError for features that are no positive integers, or without a generator. */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions) {
    super();
    for (const n of [inFeatures, outFeatures]) {
      if (!Number.isInteger(n) || n < 1) {
        throw new ModuleError(`Linear: features must be positive integers, found ${inFeatures} and ${outFeatures}`, {
          inFeatures,
          outFeatures,
        });
      }
    }
    const { rng, bias = true, init = 'torch', dtype = 'float32' } = withRng('Linear', options);
    const shape = [outFeatures, inFeatures];
    const bound = 1 / Math.sqrt(inFeatures);
    const uniform = (size: readonly number[]) => rand(size, rng, { low: -bound, high: bound, dtype });
    const weight = init === 'xavier' ? xavierUniform(shape, rng, { dtype }) : uniform(shape);
    this.weight = variable(weight, { requiresGrad: true });
    const start = () => (init === 'xavier' ? zeros([outFeatures], { dtype }) : uniform([outFeatures]));
    this.bias = bias ? variable(start(), { requiresGrad: true }) : null;
  }

  /** @throws ModuleError if the last axis of x is not `inFeatures` long. */
  override forward(x: Variable): Variable {
    const [outFeatures, inFeatures] = this.weight.shape;
    if (x.shape.at(-1) !== inFeatures) {
      throw new ModuleError(
        `Linear(${inFeatures}, ${outFeatures}): the input ${errors.shapeText(x.shape)} must end in ${inFeatures}`,
        { shape: x.shape, inFeatures },
      );
    }
    return x.linear(this.weight, this.bias);
  }
}

/** max(x, 0), elementwise. */
export class ReLU extends Module {
  override forward(x: Variable): Variable {
    return x.relu();
  }
}

/** Modules one after another. Paths name them by their place, as in PyTorch: '0.weight'. */
export class Sequential extends Module {
  readonly layers: readonly Module[];

  constructor(...layers: readonly Module[]) {
    super();
    this.layers = layers;
  }

  protected override nameOf(place: string): string {
    return place.replace(/^layers\./, '');
  }

  override forward(x: Variable, task?: Task): Variable {
    return this.layers.reduce((y, layer) => layer.forward(y, task), x);
  }
}

/**
 * Linear layers of the given sizes with ReLU between them: `new MLP([784, 100, 100, 10], { rng })`. Each sample is
 * flattened first.
 */
export class MLP extends Sequential {
  /** @throws ModuleError for fewer than two sizes; as Linear. */
  constructor(sizes: readonly number[], options: LinearOptions) {
    if (!Array.isArray(sizes) || sizes.length < 2) {
      const found = Array.isArray(sizes) ? `[${sizes.join(', ')}]` : kindOf(sizes);
      throw new ModuleError(`MLP: wants the sizes of input, hidden layers and output, found ${found}`, {
        sizes,
      });
    }
    const layers = sizes.slice(1).flatMap((out, i) => {
      const linear = new Linear(sizes[i]!, out, options);
      return i === 0 ? [linear] : [new ReLU(), linear];
    });
    super(...layers);
  }

  override forward(x: Variable): Variable {
    return super.forward(x.rank > 2 ? x.flatten(1) : x);
  }
}
