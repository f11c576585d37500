// Buffer: state of a layer that is not trained, such as the running mean of a batch normalisation. A layer declares one
// as a property and replaces its value with assign; it is saved and loaded with the parameters (PyTorch's nn.Buffer).
//
//     readonly runningMean = new Buffer(zeros([features]));
//     this.runningMean.assign(this.runningMean.value.mul(0.9).add(mean.value.mul(0.1)));

import { keep, type Tensor } from '@gemlab/tensor';
import { Variable } from '../variable.ts';

/** A constant in every op; of any dtype. */
export class Buffer extends Variable {
  /** Bundlers give a class another name where a global has this one. */
  static override readonly name: string = 'Buffer';

  constructor(value: Tensor) {
    super(value, false);
  }

  /**
   * Gives the buffer a new value of the same shape and dtype, which outlives the scopes that are open now.
   * @throws ShapeError or DTypeError if the value does not fit.
   */
  override assign(value: Tensor): void {
    super.assign(value);
    keep(value);
  }
}
