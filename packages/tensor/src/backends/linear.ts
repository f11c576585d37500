// The product in x w' + b as a backend's matmul wants it: rows that make up a matrix are one product, however many axes they are on.

import type { Operand } from '../backend.ts';
import type { Spec } from '../primitives.ts';
import { type Shape, sizeOf } from '../shape.ts';
import { expandView, reshapeView, type View } from '../view.ts';

/** Written out: to spread a view takes as long as a small product. */
const operand = ({ shape, strides, offset }: View, { dtype, storage }: Operand): Operand => ({
  shape,
  strides,
  offset,
  dtype,
  storage,
});

/** Of x [..., k] and w [n, k] the operands of a product with the elements of x w', and its shape and dtype. */
export function asProduct(x: Operand, w: Operand, out: Spec): { a: Operand; b: Operand; of: Spec } {
  const [n, k] = w.shape as [number, number];
  const turned: View = { shape: [k, n], strides: [w.strides[1]!, w.strides[0]!], offset: w.offset };
  if (x.shape.length === 2) return { a: x, b: operand(turned, w), of: out };
  const leading = x.shape.slice(0, -1);
  const of = (shape: Shape): Spec => ({ shape, dtype: out.dtype });
  const rows = reshapeView(x, [sizeOf(leading), k]);
  if (rows !== null) return { a: operand(rows, x), b: operand(turned, w), of: of([sizeOf(leading), n]) };
  return { a: x, b: operand(expandView(turned, [...leading.slice(0, -1), k, n]), w), of: out };
}
