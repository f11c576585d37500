// A module as a function of its parameters, f(theta, x): what transforms want to differentiate
// (torch.func.functional_call). The module is not touched. While it runs, its own parameters and buffers read as the
// ones given, and a buffer that it assigns changes the one given.

import { errors, Tensor } from '@gemlab/tensor';
import { kindOf, wantArray } from './checks.ts';
import { ModuleError } from './errors.ts';
import { current, mode, within } from './mode.ts';
import type { Module } from './nn/module.ts';
import { Variable } from './variable.ts';

/**
 * The module's output with `parameters` in place of its own, by their paths as in `namedParameters` and `namedBuffers`;
 * those not given stay. A parameter used in several places is replaced in all of them.
 *
 *     const theta = Object.fromEntries(model.namedParameters());
 *     grad((p: typeof theta) => losses.crossEntropy(functionalCall(model, p, x), y))(theta);
 *
 * @throws ModuleError for a name that the module does not have; DataError, ShapeError or DTypeError if a value does not fit.
 */
export function functionalCall<M extends Module>(
  module: M,
  parameters: Readonly<Record<string, Variable | Tensor>>,
  ...inputs: Parameters<M['forward']>
): ReturnType<M['forward']> {
  // Entries of an iterator would be no names, but none at all.
  if (typeof parameters !== 'object' || parameters === null || Symbol.iterator in parameters) {
    throw new ModuleError(
      `functionalCall: wants the parameters by name, found ${kindOf(parameters)}; did you mean Object.fromEntries(model.namedParameters())?`,
      { parameters },
    );
  }
  const own = new Map<string, Variable>([...module.namedParameters(), ...module.namedBuffers()]);
  const substitutes = new Map(mode().substitutes);
  for (const [name, given] of Object.entries(parameters)) {
    const parameter = own.get(name);
    if (parameter === undefined) {
      throw new ModuleError(
        `functionalCall: no parameter or buffer is named ${name}; there are ${[...own.keys()].join(', ')}`,
        {
          name,
          names: [...own.keys()],
        },
      );
    }
    wantArray(`functionalCall: ${name}`, given);
    if (errors.shapeText(given.shape) !== errors.shapeText(parameter.shape)) {
      throw new errors.ShapeError(
        `functionalCall: ${name} is ${errors.shapeText(parameter.shape)}, found ${errors.shapeText(given.shape)}`,
        { name, found: given.shape, expected: parameter.shape },
      );
    }
    if (given.dtype !== parameter.dtype) {
      throw new errors.DTypeError(`functionalCall: ${name} is ${parameter.dtype}, found ${given.dtype}`, {
        name,
        found: given.dtype,
        expected: parameter.dtype,
      });
    }
    // What stands for another here reads as that: a replacement may itself be replaced outside.
    substitutes.set(parameter, given instanceof Tensor ? new Variable(given, false) : current(given));
  }
  return within('functionalCall', { substitutes }, () =>
    module.forward(...(inputs as Parameters<Module['forward']>)),
  ) as ReturnType<M['forward']>;
}
