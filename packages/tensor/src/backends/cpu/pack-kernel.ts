/**
 * What finds the zeros for sparse.ts, on matrices in WebAssembly memory: countNonzero, compress and transpose of sparse-loops.ts, with the
 * same results in a tenth of the time. Zeros come in no order that a processor could guess, so none of the loops asks: an element is written
 * where the next one belongs, and the place moves on if it is not 0.
 */
import {
  advance,
  type Code,
  f32,
  f32x4,
  i32,
  i32s,
  i32x4,
  type ModuleBuilder,
  select,
  v128,
  wasmModule,
  whileLoop,
} from './assembler.ts';
import { K_BLOCK } from './gemm-loops.ts';
import { instantiate, type WasmMemory } from './module.ts';

const constant = i32.const;
const times4 = (x: Code): Code => i32.shl(x, constant(2));
const times8 = (x: Code): Code => i32.shl(x, constant(3));

/** How many elements of the `vectors` vectors from `p` on are not 0, or -1 if one is not finite. */
const count = (module: ModuleBuilder) =>
  module.func({
    export: 'count',
    params: i32s('p', 'vectors'),
    result: 'i32',
    body: ({ p, vectors }, local) => {
      const [x, counts, sum, zero] = [local('v128'), local('v128'), local('v128'), local('v128')];
      return [
        whileLoop(vectors, [
          x.set(v128.load(p)),
          // All bits of a lane are -1.
          counts.set(i32x4.sub(counts, f32x4.ne(x, zero))),
          // x times 0 is 0, or NaN.
          sum.set(f32x4.add(sum, f32x4.mul(x, zero))),
          advance(p, constant(16)),
          advance(vectors, constant(-1)),
        ]),
        select(
          v128.anyTrue(f32x4.ne(sum, sum)),
          constant(-1),
          i32.add(
            i32.add(i32x4.lane(counts, 0), i32x4.lane(counts, 1)),
            i32.add(i32x4.lane(counts, 2), i32x4.lane(counts, 3)),
          ),
        ),
      ];
    },
  });

/** The nonzero elements of a matrix. One more is written behind the last of them. */
const compress = (module: ModuleBuilder) =>
  module.func({
    export: 'compress',
    params: i32s('dense', 'rows', 'width', 'elements', 'starts'),
    body: ({ dense, rows, width, elements, starts }, local) => {
      const [p, at, row, left] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const [block, end, j, vectors, are] = [local('i32'), local('i32'), local('i32'), local('i32'), local('i32')];
      const [x, xs, pairs] = [local('f32'), local('v128'), local('v128')];
      const [zero, ahead, columns] = [local('v128'), local('v128'), local('v128')];
      const start = [i32.store(starts, i32.shrU(i32.sub(at, elements), constant(3))), advance(starts, constant(4))];
      /** The pair of element i of four, if it is not 0. */
      const one = (i: 0 | 1 | 2 | 3): Code => [
        v128.store64Lane(at, pairs, i & 1),
        advance(at, i32.and(i32.shl(are, constant(3 - i)), constant(8))),
      ];
      return [
        at.set(elements),
        [1, 2, 3].map((lane) => ahead.set(i32x4.withLane(ahead, lane, constant(lane)))),
        whileLoop(i32.ltU(block, width), [
          end.set(i32.add(block, constant(K_BLOCK))),
          end.set(select(i32.ltU(end, width), end, width)),
          row.set(i32.add(dense, times4(block))),
          left.set(rows),
          whileLoop(left, [
            start,
            p.set(row),
            columns.set(i32x4.add(ahead, i32x4.splat(block))),
            vectors.set(i32.shrU(i32.sub(end, block), constant(2))),
            j.set(i32.add(block, times4(vectors))),
            whileLoop(vectors, [
              xs.set(v128.load(p)),
              are.set(i32x4.bitmask(f32x4.ne(xs, zero))),
              pairs.set(f32x4.shuffle(columns, xs, [0, 4, 1, 5])),
              one(0),
              one(1),
              pairs.set(f32x4.shuffle(columns, xs, [2, 6, 3, 7])),
              one(2),
              one(3),
              columns.set(i32x4.add(columns, i32x4.splat(constant(4)))),
              advance(p, constant(16)),
              advance(vectors, constant(-1)),
            ]),
            whileLoop(i32.ltU(j, end), [
              x.set(f32.load(p)),
              i32.store(at, j),
              f32.store(at, x, 4),
              advance(at, times8(f32.ne(x, f32.const(0)))),
              advance(p, constant(4)),
              advance(j, constant(1)),
            ]),
            advance(row, times4(width)),
            advance(left, constant(-1)),
          ]),
          block.set(end),
        ]),
        start,
      ];
    },
  });

/**
 * The transpose [width, k] of some rows of a matrix, whose first row's elements in the first of its `blocks` blocks begin at the first of `starts`.
 * First a cell's start, that is one of a row and block of the transpose, is how many elements it has (it begins as 0), then where they end; then
 * they are written from the last to the first, and it moves down to where they begin.
 */
const transpose = (module: ModuleBuilder) =>
  module.func({
    export: 'transpose',
    params: i32s('k', 'to', 'toStarts', 'width', 'elements', 'starts', 'rows', 'blocks'),
    body: ({ k, to, toStarts, width, elements, starts, rows, blocks }, local) => {
      const [i, e, end, at, block] = [local('i32'), local('i32'), local('i32'), local('i32'), local('i32')];
      const [base, cell, sum, cells] = [local('i32'), local('i32'), local('i32'), local('i32')];
      const place = (first: Code, number: Code): Code => i32.add(first, times8(number));
      const startOfRow = place(elements, i32.load(i32.add(starts, times4(i32.add(i32.mul(block, rows), i)))));
      const cellsOfRow = i32.add(toStarts, times4(i32.mul(i32.divU(i, constant(K_BLOCK)), width)));
      const cellOf = cell.set(i32.add(base, times4(i32.load(e))));
      return [
        whileLoop(i32.ltU(block, blocks), [
          i.set(constant(0)),
          e.set(startOfRow),
          whileLoop(i32.ltU(i, k), [
            base.set(cellsOfRow),
            advance(i, constant(1)),
            end.set(startOfRow),
            whileLoop(i32.ltU(e, end), [
              cellOf,
              i32.store(cell, i32.add(i32.load(cell), constant(1))),
              advance(e, constant(8)),
            ]),
          ]),
          advance(block, constant(1)),
        ]),
        cell.set(toStarts),
        cells.set(i32.mul(width, i32.divU(i32.add(k, constant(K_BLOCK - 1)), constant(K_BLOCK)))),
        whileLoop(cells, [
          sum.set(i32.add(sum, i32.load(cell))),
          i32.store(cell, sum),
          advance(cell, constant(4)),
          advance(cells, constant(-1)),
        ]),
        i32.store(cell, sum),
        whileLoop(block, [
          advance(block, constant(-1)),
          i.set(k),
          e.set(startOfRow),
          whileLoop(i, [
            advance(i, constant(-1)),
            base.set(cellsOfRow),
            end.set(startOfRow),
            whileLoop(i32.gtU(e, end), [
              advance(e, constant(-8)),
              cellOf,
              sum.set(i32.sub(i32.load(cell), constant(1))),
              i32.store(cell, sum),
              at.set(place(to, sum)),
              i32.store(at, i),
              f32.store(at, f32.load(e, 4), 4),
            ]),
          ]),
        ]),
      ];
    },
  });

/** Pointers in bytes. */
export interface PackKernel {
  count(p: number, vectors: number): number;
  compress(dense: number, rows: number, width: number, elements: number, starts: number): void;
  transpose(
    k: number,
    to: number,
    toStarts: number,
    width: number,
    elements: number,
    starts: number,
    rows: number,
    blocks: number,
  ): void;
}

/** Compiles the kernels over `memory`; undefined where the engine has no such vectors. */
export const compilePack = (memory: WasmMemory): PackKernel | undefined => {
  const module = wasmModule();
  count(module);
  compress(module);
  transpose(module);
  return instantiate<PackKernel>(module, memory);
};
