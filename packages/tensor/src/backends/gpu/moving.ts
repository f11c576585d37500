// Kernels that move elements, or add them up where they meet. Shapes are not merged here: the axis that is indexed, joined or stepped must be told from others.

import { sizeOf } from '../../shape.ts';
import { contiguousView } from '../../view.ts';
import type { Kind } from './elementwise.ts';
import { type Program, times, walkCode, walkInts, walkStart } from './program.ts';
import type { Runtime, Texture, Textured } from './runtime.ts';

export const FILL: Program = { name: 'fill', textures: [], ints: [], floats: ['value'], body: 'return $value;' };

/** x at the place that the index says: `x` is walked with stride 0 along the axis, along which it has $step. */
export function gatherProgram(rank: number): Program {
  return {
    name: `gather/${rank}`,
    textures: ['iT', 'xT'],
    ints: ['step', ...walkInts(rank, ['i', 'x'])],
    body: `${walkStart(['i', 'x'])}
int left = r;
${walkCode(rank, ['i', 'x'], 'left')}
float at = iTAt(iP);
return isNaN(at) ? at : xTAt(xP + int(at) * $step);`,
  };
}

/** GLSL: the flat index apart into the ints c0, c1, ... */
const coordinates = (rank: number): string =>
  `int left = r;\n${times(rank, (i) => {
    const k = rank - 1 - i;
    return `int c${k} = ${k === 0 ? 'left' : `left % $n${k}`}; left /= $n${k};`;
  })}`;
const sizes = (rank: number, p: string) => Array.from({ length: rank }, (_, k) => `${p}${k}`);
const steps = (rank: number, x: string) => [`${x}Start`, ...sizes(rank, `${x}Step`)];
const place = (rank: number, x: string) =>
  [`$${x}Start`, ...sizes(rank, '').map((k) => `c${k} * $${x}Step${k}`)].join(' + ');

/** Each element of the result looks for its updates along its line of the index: all of them add up, or the last one stays. */
export function scatterProgram(mode: 'set' | 'add', kind: Kind, rank: number, axis: number): Program {
  const add = kind === 'int' ? 'fit(total + u)' : 'total + u';
  const along = sizes(rank, '').filter((k) => Number(k) !== axis);
  const inside = ['true', ...along.map((k) => `c${k} < $m${k}`)].join(' && ');
  return {
    name: `scatter/${mode}/${kind}/${rank}/${axis}`,
    textures: ['xT', 'iT', 'uT'],
    ints: [...sizes(rank, 'n'), ...sizes(rank, 'm'), ...steps(rank, 'x'), ...steps(rank, 'i'), ...steps(rank, 'u')],
    body: `${coordinates(rank)}
float total = xTAt(${place(rank, 'x')});
if (!(${inside})) return total;
int own = c${axis};
for (c${axis} = 0; c${axis} < $m${axis}; c${axis}++) {
  float at = iTAt(${place(rank, 'i')});
  if (isNaN(at)) return at;
  if (int(at) != own) continue;
  float u = uTAt(${place(rank, 'u')});
  total = ${mode === 'add' ? add : 'u'};
}
return total;`,
  };
}

/** So many operands one after another along an axis. */
export function concatProgram(count: number, rank: number, axis: number): Program {
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  return {
    name: `concat/${count}/${rank}/${axis}`,
    textures: names.map((x) => `${x}T`),
    ints: [...sizes(rank, 'n'), ...names.flatMap((x) => [`${x}Length`, ...steps(rank, x)])],
    body: `${coordinates(rank)}
${names.map((x) => `if (c${axis} < $${x}Length) return ${x}TAt(${place(rank, x)});\nc${axis} -= $${x}Length;`).join('\n')}
return 0.0;`,
  };
}

/** x where the result's coordinates are in its ranges, else the fill. */
export function embedProgram(rank: number): Program {
  const into = times(
    rank,
    (k) => `c${k} -= $from${k};
{ int q = c${k} / $by${k}; if (q * $by${k} != c${k} || q < 0 || q >= $m${k}) return $value; c${k} = q; }`,
  );
  return {
    name: `embed/${rank}`,
    textures: ['xT'],
    ints: [...sizes(rank, 'n'), ...sizes(rank, 'from'), ...sizes(rank, 'by'), ...sizes(rank, 'm'), ...steps(rank, 'x')],
    floats: ['value'],
    body: `${coordinates(rank)}
${into}
return xTAt(${place(rank, 'x')});`,
  };
}

/**
 * The sum of all windows that lie over an element: of window w on axis a, element d lies on c when c = i stride + d dilation for some
 * window i, so for each d there is at most one. The operand's last axes are the windows, in their order.
 */
export function foldProgram(kind: Kind, rank: number, axes: readonly number[]): Program {
  const all = rank + axes.length;
  const at = ['$xStart', ...sizes(all, '').map((k) => `i${k} * $xStep${k}`)].join(' + ');
  const inner = `float v = xTAt(${at});
total = ${kind === 'int' ? 'fit(total + v)' : 'total + v'};`;
  const loops = axes.reduceRight(
    (body, axis, w) => `for (int i${rank + w} = 0; i${rank + w} < $size${w}; i${rank + w}++) {
  int q${w} = c${axis} - i${rank + w} * $dilation${w};
  int i${axis} = q${w} / $stride${w};
  if (q${w} < 0 || i${axis} * $stride${w} != q${w} || i${axis} >= $count${w}) continue;
  ${body}
}`,
    inner,
  );
  const whole = sizes(rank, '').filter((k) => !axes.includes(Number(k)));
  const numbers = ['size', 'stride', 'dilation', 'count'].flatMap((p) => sizes(axes.length, p));
  return {
    name: `fold/${kind}/${rank}/${axes.join()}`,
    textures: ['xT'],
    ints: [...sizes(rank, 'n'), ...numbers, ...steps(all, 'x')],
    body: `${coordinates(rank)}
${whole.map((k) => `int i${k} = c${k};`).join(' ')}
float total = 0.0;
${loops}
return total;`,
  };
}

/** Joins textures, many of them in rounds of a few. */
export function join(runtime: Runtime, inputs: readonly Textured[], axis: number): Texture {
  const shape = inputs[0]!.shape.with(
    axis,
    inputs.reduce((n, x) => n + x.shape[axis]!, 0),
  );
  if (inputs.length <= runtime.mostTextures) {
    const numbers = inputs.flatMap((x) => [x.shape[axis]!, x.offset, ...x.strides]);
    const program = concatProgram(inputs.length, shape.length, axis);
    const textures = inputs.map((x) => x.texture);
    return runtime.run(program, textures, [...shape, ...numbers], [], sizeOf(shape));
  }
  const made: Texture[] = [];
  try {
    const parts: (typeof inputs)[number][] = [];
    for (let i = 0; i < inputs.length; i += runtime.mostTextures) {
      const some = inputs.slice(i, i + runtime.mostTextures);
      const size = some.reduce((n, x) => n + x.shape[axis]!, 0);
      made.push(join(runtime, some, axis));
      parts.push({ ...contiguousView(shape.with(axis, size)), texture: made.at(-1)! });
    }
    return join(runtime, parts, axis);
  } finally {
    for (const texture of made) texture.delete();
  }
}
