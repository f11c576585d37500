// Matrix products. Small ones, and those of integers, are one dot product for each element. In large ones a fragment computes a block of
// 2 x 2 elements from blocks of 2 x 2: a quarter of a read for each multiplication in place of two. Blocks are packed before and unpacked
// after, each in a pass over its matrix.

import type { Operand } from '../../backend.ts';
import type { Spec } from '../../primitives.ts';
import { sizeOf } from '../../shape.ts';
import type { View } from '../../view.ts';
import { type Kind, kindOf } from './elementwise.ts';
import { merged, type Program, walkCode, walkInts, walkNumbers, walkStart } from './program.ts';
import type { Runtime, Texture } from './runtime.ts';

/** Multiplications from which on packing pays. */
const LARGE = 2 ** 20;

/** One element of a product: the row of a times the column of b. */
export function matmulProgram(kind: Kind, batch: number): Program {
  const product = (i: string) => `aTAt(aP + (${i}) * $aInner) * bTAt(bP + (${i}) * $bInner)`;
  const steps =
    kind === 'int'
      ? `for (int i = 0; i < $inner; i++) total = fit(total + fit(${product('i')}));`
      : `int i = 0;
vec4 four = vec4(0.0);
for (; i + 4 <= $inner; i += 4) four += vec4(${['i', 'i + 1', 'i + 2', 'i + 3'].map(product).join(', ')});
for (; i < $inner; i++) total += ${product('i')};
total += (four.x + four.y) + (four.z + four.w);`;
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
${steps}
return total;`,
  };
}

/** A matrix in blocks of 2 x 2 (x y over z w), row-major; zeros where it has ended. */
export const packProgram = (batch: number): Program => ({
  name: `pack/${batch}`,
  textures: ['xT'],
  ints: ['rows', 'columns', 'row', 'column', ...walkInts(batch, ['x'])],
  block: true,
  body: `${walkStart(['x'])}
int across = ($columns + 1) / 2;
int down = ($rows + 1) / 2;
int left = r / (down * across);
${walkCode(batch, ['x'], 'left')}
int i = r / across % down * 2;
int j = r % across * 2;
xP += i * $row + j * $column;
bool right = j + 1 < $columns;
bool below = i + 1 < $rows;
return vec4(
  xTAt(xP), right ? xTAt(xP + $column) : 0.0,
  below ? xTAt(xP + $row) : 0.0, right && below ? xTAt(xP + $row + $column) : 0.0);`,
});

/** A block of a product of packed matrices: counts are in blocks. */
export const BLOCK_MATMUL: Program = {
  name: 'block matmul',
  textures: [],
  blocks: ['aT', 'bT'],
  ints: ['rows', 'columns', 'inner'],
  block: true,
  body: `int j = r % $columns;
int i = r / $columns;
int a = i * $inner;
int b = i / $rows * $inner * $columns + j;
vec4 total = vec4(0.0);
for (int k = 0; k < $inner; k++) {
  vec4 u = aTAt(a + k);
  vec4 v = bTAt(b + k * $columns);
  total += u.xxzz * v.xyxy + u.yyww * v.zwzw;
}
return total;`,
};

/** The elements of packed matrices. */
export const UNPACK: Program = {
  name: 'unpack',
  textures: [],
  blocks: ['xT'],
  ints: ['rows', 'columns'],
  body: `int j = r % $columns;
int i = r / $columns % $rows;
int matrix = r / $columns / $rows;
int across = ($columns + 1) / 2;
int down = ($rows + 1) / 2;
return xTAt((matrix * down + i / 2) * across + j / 2)[(i & 1) * 2 + (j & 1)];`,
};

const half = (n: number) => Math.ceil(n / 2);

/** [...batch, m, k] x [...batch, k, n], none of them empty. */
export function matmul(
  runtime: Runtime,
  a: Operand,
  b: Operand,
  out: Spec,
  textures: readonly [Texture, Texture],
): Texture {
  const [rows, columns, inner] = [out.shape.at(-2)!, out.shape.at(-1)!, a.shape.at(-1)!];
  const kind = kindOf(out.dtype);
  const batch = out.shape.slice(0, -2);
  const size = sizeOf(out.shape);
  const matrices = sizeOf(batch);
  const outside = (x: View): View => ({ ...x, shape: batch, strides: x.strides.slice(0, -2) });
  if (kind === 'int' || size * inner < LARGE || Math.min(rows, columns, inner) < 4) {
    const walk = merged(batch, [outside(a), outside(b)]);
    const strides = [a.strides.at(-2)!, a.strides.at(-1)!, b.strides.at(-2)!, b.strides.at(-1)!];
    const program = matmulProgram(kind, walk.sizes.length);
    return runtime.run(program, textures, [rows, columns, inner, ...strides, ...walkNumbers(walk)], [], size);
  }
  const pack = (x: View, texture: Texture, m: number, n: number): Texture => {
    const walk = merged(batch, [outside(x)]);
    const numbers = [m, n, x.strides.at(-2)!, x.strides.at(-1)!, ...walkNumbers(walk)];
    return runtime.run(packProgram(walk.sizes.length), [texture], numbers, [], matrices * half(m) * half(n));
  };
  const made: Texture[] = [];
  const kept = (texture: Texture) => {
    made.push(texture);
    return texture;
  };
  try {
    const left = kept(pack(a, textures[0], rows, inner));
    const right = kept(pack(b, textures[1], inner, columns));
    const counts = [half(rows), half(columns), half(inner)];
    const product = kept(runtime.run(BLOCK_MATMUL, [left, right], counts, [], matrices * half(rows) * half(columns)));
    return runtime.run(UNPACK, [product], [rows, columns], [], size);
  } finally {
    for (const texture of made) texture.delete();
  }
}
