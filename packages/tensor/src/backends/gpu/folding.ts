// Kernels that fold lines of elements: each output element is one fragment, which loops over what it is made of.

import type { ArgReduce, Reduce, Scan } from '../../primitives.ts';
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
return ${kind === 'int' ? 'isNaN(best) ? best : ' : ''}float(at);`,
  };
}

/** Output element r stands at place i of its line, and folds all of the line up to there. */
export function scanProgram(op: Scan, kind: Kind, outer: number): Program {
  const step = op === 'cumsum' ? 'total + v' : 'total * v';
  return {
    name: `${op}/${kind}/${outer}`,
    textures: ['xT'],
    ints: ['length', 'step', 'after', ...walkInts(outer, ['x'])],
    body: `${walkStart(['x'])}
int last = (r / $after) % $length;
int left = r / ($after * $length) * $after + r % $after;
${walkCode(outer, ['x'], 'left')}
float total = ${op === 'cumsum' ? '0.0' : '1.0'};
for (int i = 0; i <= last; i++) {
  float v = xTAt(xP + i * $step);
  total = ${kind === 'int' ? `fit(${step})` : step};
}
return total;`,
  };
}

/** How many elements of its line stand before each element when sorted: those that belong there, and equal ones before it. */
export function rankProgram(kind: Kind, descending: boolean, outer: number): Program {
  const before = (a: string, b: string) =>
    descending
      ? `(isNaN(${a}) ? !isNaN(${b}) : !isNaN(${b}) && ${a} > ${b})`
      : `(isNaN(${b}) ? !isNaN(${a}) : !isNaN(${a}) && ${a} < ${b})`;
  return {
    name: `rank/${kind}/${descending}/${outer}`,
    textures: ['xT'],
    ints: ['length', 'step', 'after', ...walkInts(outer, ['x'])],
    body: `${walkStart(['x'])}
int here = (r / $after) % $length;
int left = r / ($after * $length) * $after + r % $after;
${walkCode(outer, ['x'], 'left')}
float own = xTAt(xP + here * $step);
${kind === 'int' ? 'if (isNaN(own)) return own;' : ''}
int count = 0;
for (int i = 0; i < $length; i++) {
  float v = xTAt(xP + i * $step);
  if (${before('v', 'own')} || (i < here && !${before('own', 'v')})) count++;
}
return float(count);`,
  };
}

/** Which element of its line has the rank that this place is: the permutation, inverted. NaN where a rank is missing. */
export const INVERT: Program = {
  name: 'invert',
  textures: ['xT'],
  ints: ['length', 'after'],
  body: `int here = (r / $after) % $length;
int start = r - here * $after;
for (int i = 0; i < $length; i++) if (xTAt(start + i * $after) == float(here)) return float(i);
return nan();`,
};

/** One element of a product: the row of a times the column of b. */
export function matmulProgram(kind: Kind, batch: number): Program {
  const step = 'total + aTAt(aP + i * $aInner) * bTAt(bP + i * $bInner)';
  const exact = `fit(total + fit(aTAt(aP + i * $aInner) * bTAt(bP + i * $bInner)))`;
  return {
    name: `matmul/${kind}/${batch}`,
    textures: ['aT', 'bT'],
    ints: ['rows', 'columns', 'inner', 'aRow', 'aInner', 'bInner', 'bColumn', ...walkInts(batch, ['a', 'b'])],
    body: `${walkStart(['a', 'b'])}
int left = r / ($rows * $columns);
${walkCode(batch, ['a', 'b'], 'left')}
aP += (r / $columns) % $rows * $aRow;
bP += r % $columns * $bColumn;
float total = 0.0;
for (int i = 0; i < $inner; i++) total = ${kind === 'int' ? exact : step};
return total;`,
  };
}
