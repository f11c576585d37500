// softmax and its logarithm along an axis, shifted by the largest element of each line:
//
//     y_i = exp(x_i - m) / s,   log y_i = (x_i - m) - log s,   m = max_j x_j,   s = sum_j exp(x_j - m)
//
// A few short lines, as the class scores of a batch, take one pass: each element goes over its line twice. Others are folded, and
// then mapped: five passes. Where m is infinite or NaN nothing is shifted.

import type { Reduce, Softmax } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import { contiguousView, expandView, type View } from '../../view.ts';
import type { Line } from './lines.ts';
import { type Program, walkCode, walkInts, walkStart } from './program.ts';
import type { Runtime, Texture, Textured } from './runtime.ts';

/** The most exponentials that one pass may take, each element those of its line: so many cost less than four passes more. */
const FEW = 2 ** 16;

const shortProgram = (op: Softmax, outer: number): Program => ({
  name: `${op}/${outer}`,
  textures: ['xT'],
  ints: ['length', 'step', 'after', ...walkInts(outer, ['x'])],
  body: `${walkStart(['x'])}
int here = (r / $after) % $length;
int left = r / ($after * $length) * $after + r % $after;
${walkCode(outer, ['x'], 'left')}
float most = -inf();
for (int i = 0; i < $length; i++) most = maxOf(most, xTAt(xP + i * $step));
float shift = isNaN(most) || isInf(most) ? 0.0 : most;
float total = 0.0;
for (int i = 0; i < $length; i++) total += expOf(xTAt(xP + i * $step) - shift);
float own = xTAt(xP + here * $step) - shift;
return ${op === 'softmax' ? 'expOf(own) / total' : 'own - logOf(total)'};`,
});

/** What long lines are made of. */
export interface Steps {
  readonly map: (name: string, value: string, inputs: readonly Textured[]) => Texture;
  readonly fold: (op: Reduce, x: View, texture: Texture) => Texture;
}

/** Of a view that is not empty. */
export function softmax(
  runtime: Runtime,
  op: Softmax,
  x: Textured,
  axis: number,
  line: Line,
  { map, fold }: Steps,
): Texture {
  const { shape } = x;
  if (sizeOf(shape) * line.length <= FEW) {
    const program = shortProgram(op, line.rank);
    return runtime.run(program, [x.texture], [line.length, line.step, line.after, ...line.walk], [], sizeOf(shape));
  }
  const made: Texture[] = [];
  const kept = (texture: Texture, view = contiguousView(shape)) => {
    made.push(texture);
    return { ...view, texture };
  };
  /** A fold of each line, in all of its places. */
  const folded = (how: Reduce, a: Textured) =>
    kept(fold(how, a, a.texture), expandView(contiguousView(shape.with(axis, 1)), shape));
  try {
    const shifted = kept(map('softmax shift', 'isNaN(b) || isInf(b) ? a : a - b', [x, folded('max', x)]));
    const exps = kept(map('softmax exp', 'expOf(a)', [shifted]));
    const sums = folded('sum', exps);
    return op === 'softmax'
      ? map('softmax quotient', 'a / b', [exps, sums])
      : map('softmax log', 'a - logOf(b)', [shifted, sums]);
  } finally {
    for (const texture of made) texture.delete();
  }
}
