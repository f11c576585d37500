// Running sums, and sorting, along an axis: in passes over all elements, as many as the logarithm of a line's length.

import type { Operand } from '../../backend.ts';
import type { Scan } from '../../primitives.ts';
import { contiguousStrides } from '../../shape.ts';
import type { View } from '../../view.ts';
import { type Kind, kindOf } from './elementwise.ts';
import { merged, type Program, walkCode, walkInts, walkNumbers, walkStart } from './program.ts';
import type { Runtime, Texture } from './runtime.ts';

/** Output element r stands at place i of its line, and folds all of the line up to there: n^2 / 2 steps, in order. */
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

/** How many sums of spans `cumsumProgram` adds up. */
export const SPANS = 16;
/**
 * A step of a running sum of contiguous lines (Hillis and Steele 1986): where each element is the sum of a span of $span elements that ends
 * there, $span times 16 as long a span. Lines of n elements take log16(n) such steps.
 */
export const cumsumProgram = (kind: Kind): Program => ({
  name: `span sums/${kind}`,
  textures: ['xT'],
  ints: ['length', 'after', 'span'],
  body: `int here = (r / $after) % $length;
float total = 0.0;
for (int i = ${SPANS - 1}; i >= 0; i--) {
  int back = i * $span;
  if (back > here) continue;
  float v = xTAt(r - back * $after);
  total = ${kind === 'int' ? 'fit(total + v)' : 'total + v'};
}
return total;`,
});

/** GLSL: whether a stands before b when sorted. */
const before = (a: string, b: string, descending: boolean) =>
  descending
    ? `(isNaN(${a}) ? !isNaN(${b}) : !isNaN(${b}) && ${a} > ${b})`
    : `(isNaN(${b}) ? !isNaN(${a}) : !isNaN(${a}) && ${a} < ${b})`;

/** How many elements of its block of the line stand before each element when sorted: those that belong there, and equal ones before it. */
export function rankProgram(kind: Kind, descending: boolean, outer: number): Program {
  return {
    name: `rank/${kind}/${descending}/${outer}`,
    textures: ['xT'],
    ints: ['length', 'step', 'after', 'block', ...walkInts(outer, ['x'])],
    body: `${walkStart(['x'])}
int here = (r / $after) % $length;
int left = r / ($after * $length) * $after + r % $after;
${walkCode(outer, ['x'], 'left')}
float own = xTAt(xP + here * $step);
${kind === 'int' ? 'if (isNaN(own)) return own;' : ''}
int count = 0;
int from = here / $block * $block;
int to = min(from + $block, $length);
for (int i = from; i < to; i++) {
  float v = xTAt(xP + i * $step);
  if (${before('v', 'own', descending)} || (i < here && !${before('own', 'v', descending)})) count++;
}
return float(count);`,
  };
}

/** Which element of its line has, within its block, the rank that this place is: the permutation, inverted. NaN where a rank is missing. */
export const INVERT: Program = {
  name: 'invert',
  textures: ['xT'],
  ints: ['length', 'after', 'block'],
  body: `int here = (r / $after) % $length;
int line = r - here * $after;
int from = here / $block * $block;
int to = min(from + $block, $length);
for (int i = from; i < to; i++) if (xTAt(line + i * $after) == float(here - from)) return fit(float(i));
return nan();`,
};

/**
 * Merges neighbouring blocks of an order (which elements of its line stand where, sorted within blocks of $block). How many of the first
 * block stand before a place of both is found by bisection (the merge path: Odeh, Green, Mwassi, Shmueli and Birk 2012).
 */
export function mergeProgram(kind: Kind, descending: boolean, outer: number): Program {
  const value = (v: string, order: string, place: string) =>
    `float ${order} = oTAt(line + (${place}) * $after); float ${v} = isNaN(${order}) ? ${order} : xTAt(xP + int(${order}) * $step);`;
  return {
    name: `merge/${kind}/${descending}/${outer}`,
    textures: ['oT', 'xT'],
    ints: ['length', 'step', 'after', 'block', ...walkInts(outer, ['x'])],
    body: `${walkStart(['x'])}
int here = (r / $after) % $length;
int line = r - here * $after;
int left = r / ($after * $length) * $after + r % $after;
${walkCode(outer, ['x'], 'left')}
int a = here / (2 * $block) * 2 * $block;
int b = min(a + $block, $length);
int aSize = b - a;
int bSize = min(b + $block, $length) - b;
int k = here - a;
int low = max(0, k - bSize);
int high = min(k, aSize);
while (low < high) {
  int middle = (low + high) / 2;
  ${value('u', 'uO', 'a + middle')}
  ${value('v', 'vO', 'b + k - 1 - middle')}
  if (${before('v', 'u', descending)}) high = middle; else low = middle + 1;
}
int other = k - low;
if (low == aSize) return oTAt(line + (b + other) * $after);
${value('u', 'uO', 'a + low')}
if (other == bSize) return uO;
${value('v', 'vO', 'b + other')}
return ${before('v', 'u', descending)} ? vO : uO;`,
  };
}

/** What programs that number the elements of a line want to know: the lines are walked along all other axes. */
export interface Line {
  /** Of the walk from line to line. */
  readonly rank: number;
  readonly walk: number[];
  readonly length: number;
  readonly step: number;
  /** Elements between neighbours of a line in the result. */
  readonly after: number;
}
export function linesOf(x: View, axis: number): Line {
  const others = x.shape.map((_, i) => i).filter((i) => i !== axis);
  const pick = (from: readonly number[]) => others.map((i) => from[i]!);
  const walk = merged(pick(x.shape), [{ shape: pick(x.shape), strides: pick(x.strides), offset: x.offset }]);
  const after = contiguousStrides(x.shape)[axis]!;
  return { rank: walk.sizes.length, length: x.shape[axis]!, step: x.strides[axis]!, after, walk: walkNumbers(walk) };
}

/** Runs passes, each on what the one before has made, and keeps only the last. */
function chain(first: Texture, passes: readonly ((x: Texture) => Texture)[]): Texture {
  let texture = first;
  for (const pass of passes) {
    try {
      const next = pass(texture);
      texture.delete();
      texture = next;
    } catch (error) {
      texture.delete();
      throw error;
    }
  }
  return texture;
}

/** `copied` makes it contiguous. A product that led beyond what a float holds and then met 0 would be NaN in any other order. */
export function scan(
  runtime: Runtime,
  op: Scan,
  x: Operand,
  axis: number,
  texture: Texture,
  copied: () => Texture,
  size: number,
) {
  const { rank, length, step, after, walk } = linesOf(x, axis);
  const kind = kindOf(x.dtype);
  if (op === 'cumprod' || length <= 4 * SPANS) {
    return runtime.run(scanProgram(op, kind, rank), [texture], [length, step, after, ...walk], [], size);
  }
  const spans: number[] = [];
  for (let span = 1; span < length; span *= SPANS) spans.push(span);
  return chain(
    copied(),
    spans.map((span) => (sums) => runtime.run(cumsumProgram(kind), [sums], [length, after, span], [], size)),
  );
}

/** Elements that are sorted by comparing each with each, before blocks of them are merged. */
const BLOCK = 64;

export function argsort(
  runtime: Runtime,
  x: Operand,
  axis: number,
  descending: boolean,
  texture: Texture,
  size: number,
) {
  const { rank, length, step, after, walk } = linesOf(x, axis);
  const kind = kindOf(x.dtype);
  const merge = mergeProgram(kind, descending, rank);
  const blocks: number[] = [];
  for (let block = BLOCK; block < length; block *= 2) blocks.push(block);
  return chain(
    runtime.run(rankProgram(kind, descending, rank), [texture], [length, step, after, BLOCK, ...walk], [], size),
    [
      (ranks) => runtime.run(INVERT, [ranks], [length, after, BLOCK], [], size),
      ...blocks.map(
        (block) => (order: Texture) =>
          runtime.run(merge, [order, texture], [length, step, after, block, ...walk], [], size),
      ),
    ],
  );
}
