// Kernels that fold lines of elements: each output element is one fragment, which loops over what it is made of.

import type { ArgReduce, Reduce } from '../../primitives.ts';
import type { Kind } from './elementwise.ts';
import { type Program, walkCode, walkInts, walkStart } from './program.ts';

const START: { readonly [P in Reduce]: string } = { sum: '0.0', max: '-inf()', min: 'inf()' };
const STEP: { readonly [P in Reduce]: (kind: Kind) => string } = {
  sum: (kind) => (kind === 'int' ? 'fit(total + v)' : 'total + v'),
  max: () => 'maxOf(total, v)',
  min: () => 'minOf(total, v)',
};

/**
 * A part of a reduction: output element r folds the elements from $part * (r mod $parts) on, $part of them at most, of the line that
 * r / $parts says. Lines are walked along `outer` axes (n), the elements in them along `inner` axes (m).
 */
export function reduceProgram(op: Reduce, kind: Kind, outer: number, inner: number): Program {
  return {
    name: `${op}/${kind}/${outer}/${inner}`,
    textures: ['xT'],
    ints: ['length', 'part', 'parts', ...walkInts(outer, ['x']), ...walkInts(inner, ['y'], 'm')],
    body: `${walkStart(['x'])}
int line = r / $parts;
${walkCode(outer, ['x'], 'line')}
int from = (r % $parts) * $part;
int to = min(from + $part, $length);
float total = ${START[op]};
for (int i = from; i < to; i++) {
  int yP = xP + $yStart;
  int left = i;
  ${walkCode(inner, ['y'], 'left', 'm')}
  float v = xTAt(yP);
  total = ${STEP[op](kind)};
}
return total;`,
  };
}

/** NaN counts as the extreme, and of equals the first stays; where an integer did not fit, the place is not known. */
export function argReduceProgram(op: ArgReduce, kind: Kind, outer: number): Program {
  return {
    name: `${op}/${kind}/${outer}`,
    textures: ['xT'],
    ints: ['length', 'step', ...walkInts(outer, ['x'])],
    body: `${walkStart(['x'])}
int left = r;
${walkCode(outer, ['x'], 'left')}
int at = 0;
float best = xTAt(xP);
for (int i = 1; i < $length && !isNaN(best); i++) {
  float v = xTAt(xP + i * $step);
  if (isNaN(v) || ${op === 'argmax' ? 'v > best' : 'v < best'}) { best = v; at = i; }
}
return ${kind === 'int' ? 'isNaN(best) ? best : ' : ''}fit(float(at));`,
  };
}
