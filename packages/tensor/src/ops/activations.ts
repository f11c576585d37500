// Activation functions as compositions, with PyTorch's names, parameters and defaults. They keep their digits in both tails, and so do
// their derivatives. Two forms make them do so:
//
//   - Where one side of 0 is x itself, the other side's formula is computed from min(x, 0), so that what it does far out on the wrong
//     side, an infinity whose gradient 0 * inf would be NaN, does not arise.
//   - A smooth function that tends to 0 on the left and to x on the right is max(x, 0) plus something in t = -|x| that decays:
//     softplus(x) = max(x, 0) + log(1 + exp(t)), and x S(x) = max(x, 0) + t S(t) if S(x) + S(-x) = 1. Nothing overflows or cancels.
//
// Integers become float32, save in relu6. A kink takes the derivative of its left side, as relu'(0) = 0.

import { floatFor } from '../dtype.ts';
import { DataError } from '../errors.ts';
import type { OperandOf } from './carrier.ts';
import { ElementwiseOps, where } from './elementwise.ts';

/** exp and every gate below is 0 here, even in float64: -infinity may be moved here, where 0 * infinity does not arise. */
const LEAST = -1000;

export abstract class ActivationOps<Self extends ActivationOps<Self>> extends ElementwiseOps<Self> {
  /** x for x > 0, else x * negativeSlope. The slope may be a tensor that broadcasts with x, and learned: PReLU. */
  leakyRelu({ negativeSlope = 0.01 }: { readonly negativeSlope?: OperandOf<Self> } = {}): Self {
    return this._bent((x) => x.mul(negativeSlope));
  }
  /** min(max(x, 0), 6); derivative 0 at both ends. */
  relu6(): Self {
    const x = this.relu();
    return where(x.ge(6), 6, x);
  }
  /** x for x > 0, else alpha (exp(x) - 1) (Clevert et al., arXiv:1511.07289). */
  elu({ alpha = 1 }: { readonly alpha?: number } = {}): Self {
    return this._bent((x) => x.expm1().mul(alpha));
  }
  /** x for x > 0, else alpha (exp(x / alpha) - 1): an elu with slope 1 at 0 for every alpha (Barron, arXiv:1704.07483). */
  celu({ alpha = 1 }: { readonly alpha?: number } = {}): Self {
    return this._bent((x) => x.div(alpha).expm1().mul(alpha));
  }
  /** An elu scaled so that layers keep mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515). */
  selu(): Self {
    return this.elu({ alpha: 1.6732632423543772 }).mul(1.0507009873554805);
  }

  /**
   * x P(X <= x) for a standard normal X (Hendrycks & Gimpel, arXiv:1606.08415): exact by default; with 'tanh' their approximation
   * x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
   * @throws DataError for any other word.
   */
  gelu({ approximate = 'none' }: { readonly approximate?: 'none' | 'tanh' } = {}): Self {
    if (approximate === 'none') return this._gated((t) => t.mul(-Math.SQRT1_2).erfc().mul(0.5));
    if (approximate !== 'tanh') {
      throw new DataError(`gelu: approximate is 'none' or 'tanh', found '${approximate}'`, { approximate });
    }
    // (1 + tanh(y)) / 2 = sigmoid(2y), which does not cancel.
    const slope = 2 * Math.sqrt(2 / Math.PI);
    return this._gated((t) => t.square().mul(0.044715).add(1).mul(t).mul(slope).sigmoid());
  }
  /** x sigmoid(x), also called swish. */
  silu(): Self {
    return this._gated((t) => t.sigmoid());
  }
  /** x tanh(softplus(x)) (Misra, arXiv:1908.08681). */
  mish(): Self {
    const x = this._asFloat();
    const t = x._folded().clamp(LEAST);
    const e = t.exp();
    // tanh(log(1 + exp(x))) is n / (n + 2) for x = t, and 1 - m / (1 + 2e + m) for x = -t.
    const n = e.add(2).mul(e);
    const m = e.square().mul(2);
    const [left, right] = [n.div(n.add(2)), m.div(e.mul(2).add(1).add(m))];
    return where(x.gt(0), x.add(t.mul(right)), t.mul(left));
  }
  /** log(1 + exp(beta x)) / beta, without overflow: PyTorch's threshold is not needed. */
  softplus({ beta = 1 }: { readonly beta?: number } = {}): Self {
    const x = this._asFloat().mul(beta);
    return where(x.gt(0), x, 0).add(x._folded().exp().log1p()).div(beta);
  }
  /** log(sigmoid(x)), without underflow. */
  logSigmoid(): Self {
    return this._asFloat().neg().softplus().neg();
  }
  /** x / (1 + |x|). */
  softsign(): Self {
    const x = this._asFloat();
    const far = x.abs().gt(1);
    const near = where(far, 0, x);
    // Far out, 1 / (sign(x) + 1/x): infinity has a value, and the derivative is no difference of large numbers.
    const inverse = where(far, x, 1).reciprocal();
    return where(far, inverse.add(x.sign()).reciprocal(), near.div(near.abs().add(1)));
  }
  /** relu6(x + 3) / 6 (PyTorch's; ONNX has other constants). */
  hardSigmoid(): Self {
    return this._asFloat().add(3).relu6().div(6);
  }
  /** x hardSigmoid(x) (Howard et al., arXiv:1905.02244). */
  hardSwish(): Self {
    const x = this._asFloat().clamp(-3);
    return x.mul(x.hardSigmoid());
  }

  private _asFloat(): Self {
    return this.cast(floatFor(this.dtype));
  }

  /** x for x > 0, else f(x). */
  private _bent(f: (x: Self) => Self): Self {
    const x = this._asFloat();
    const positive = x.gt(0);
    return where(positive, x, f(where(positive, 0, x)));
  }

  /** -|x|, with derivative 1 at 0: what is computed from it has there the derivatives, of every order, of its formula for x <= 0. */
  private _folded(): Self {
    return where(this.gt(0), this.neg(), this.self);
  }

  /** x S(x), for an S with S(x) + S(-x) = 1 that vanishes on the left. */
  private _gated(gate: (t: Self) => Self): Self {
    const x = this._asFloat();
    const t = x._folded().clamp(LEAST);
    // -0, because 0 + -0 would lose the sign that a zero has coming from the left.
    return where(x.gt(0), x, -0).add(t.mul(gate(t)));
  }
}
