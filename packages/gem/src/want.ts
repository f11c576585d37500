// What an argument must be, asked in one line.

import { InvalidOptionError } from './errors.ts';

/** @throws InvalidOptionError unless it holds. */
export function want(
  holds: boolean,
  operation: string,
  option: string,
  value: unknown,
  expected: string,
): asserts holds {
  if (!holds) throw new InvalidOptionError(operation, option, value, expected);
}
