// The multimodal baseline (Lopez-Paz & Ranzato 2017, section 5.2): a multilayer perceptron with an input layer for each task, and all other
// layers shared. It undoes what sets permuted tasks apart, and must be told the task: the stream must tell task labels.

import { nn } from '@gemlab/autograd';
import { InvalidOptionError } from '../errors.ts';
import { wantCount } from './options.ts';

/**
 * nn.MLP(sizes) with `tasks` first layers, for task labels 0 to tasks - 1.
 * @throws InvalidOptionError for fewer than three sizes: there must be a layer to share.
 */
export function multimodalMLP(
  sizes: readonly number[],
  { tasks, ...options }: nn.LinearOptions & { readonly tasks: number },
): nn.Sequential {
  wantCount('multimodalMLP', 'tasks', tasks);
  const [inputs, hidden, ...rest] = sizes;
  if (inputs === undefined || hidden === undefined || rest.length === 0) {
    throw new InvalidOptionError(
      'multimodalMLP',
      'sizes',
      `[${sizes}]`,
      'inputs, hidden layers and outputs, three at least',
    );
  }
  const first = Array.from({ length: tasks }, () => new nn.MLP([inputs, hidden], options));
  return new nn.Sequential(new nn.MultiHead(first), new nn.ReLU(), new nn.MLP([hidden, ...rest], options));
}
