// The register of laws. A primitive without one does not compile; what each device must do with them is in primitives.test.ts.

import type { Primitive } from '../../src/index.ts';
import type { Law } from './case.ts';
import { elementwise } from './elementwise.ts';
import { folding } from './folding.ts';
import { moving } from './moving.ts';
import { sorting } from './sorting.ts';
import { windows } from './windows.ts';

export const laws: { readonly [P in Primitive]: Law<P> } = {
  ...elementwise,
  ...folding,
  ...moving,
  ...sorting,
  ...windows,
};
