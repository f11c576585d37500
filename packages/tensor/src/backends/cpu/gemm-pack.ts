/**
 * Packing for gemm-tiles.ts: lines of a matrix (rows of A, columns of B) interleaved into panels, so that the values of one step of k lie
 * side by side, whatever the strides were.
 */
import {
  advance,
  type Call,
  type Code,
  f32,
  f32x4,
  i32,
  i32s,
  type ModuleBuilder,
  repeat,
  v128,
  when,
  whileLoop,
} from './assembler.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const constant = i32.const;

/** A function that interleaves `lines` lines of length k, `width` at a time: target[panel][k][w] = source[panel * width + w][k]. */
export const packer = (module: ModuleBuilder, width: number, name?: string): Call =>
  module.func({
    ...(name === undefined ? {} : { export: name }),
    params: i32s('lines', 'k', 'source', 'lineStep', 'kStep', 'target'),
    body: ({ lines, k, source, lineStep, kStep, target }, local) => {
      const line = range(width).map(() => local('i32'));
      const vectors = range(8).map(() => local('v128'));
      const left = local('i32');
      const gather = (w: number): Code =>
        [1, 2, 3].reduce((v: Code, lane) => v128.load32Lane(line[w + lane], v, lane), v128.load32Zero(line[w]));
      const quads = range(width >> 2).map((i) => v128.store(target, gather(4 * i), 16 * i));
      const rest = range(width & 3).map((i) => f32.store(target, f32.load(line[width - 1 - i]), 4 * (width - 1 - i)));
      // A line that does not exist repeats the one before; what is computed from it is never stored.
      const stepTo = (w: number): Code => i32.mul(lineStep, i32.gtS(lines, constant(w)));
      const oneByOne = repeat(left, 1, [
        quads,
        rest,
        line.map((p) => advance(p, kStep)),
        advance(target, constant(4 * width)),
      ]);
      // Lines side by side: what one step takes is in one piece.
      const tail = 16 * (width >> 2);
      const pieces = repeat(left, 1, [
        range(width >> 2).map((i) => v128.store(target, v128.load(line[0], 16 * i), 16 * i)),
        width & 2 ? v128.store64Lane(target, v128.load64Zero(line[0], tail), 0, tail) : [],
        width & 1 ? f32.store(target, f32.load(line[0], 4 * (width - 1)), 4 * (width - 1)) : [],
        advance(line[0], kStep),
        advance(target, constant(4 * width)),
      ]);
      // Elements of a line side by side: four steps of four lines are a square, transposed in registers.
      const square = (w: number): Code => {
        const [a, b, c, d, ab, cd, abHigh, cdHigh] = vectors;
        const store = (step: number, v: Code) => v128.store(target, v, 4 * (step * width + w));
        return [
          [a, b, c, d].map((v, i) => v.set(v128.load(line[w + i]))),
          ab.set(f32x4.shuffle(a, b, [0, 4, 1, 5])),
          cd.set(f32x4.shuffle(c, d, [0, 4, 1, 5])),
          abHigh.set(f32x4.shuffle(a, b, [2, 6, 3, 7])),
          cdHigh.set(f32x4.shuffle(c, d, [2, 6, 3, 7])),
          store(0, f32x4.shuffle(ab, cd, [0, 1, 4, 5])),
          store(1, f32x4.shuffle(ab, cd, [2, 3, 6, 7])),
          store(2, f32x4.shuffle(abHigh, cdHigh, [0, 1, 4, 5])),
          store(3, f32x4.shuffle(abHigh, cdHigh, [2, 3, 6, 7])),
        ];
      };
      const squares =
        width % 4 === 0
          ? when(
              i32.eq(kStep, constant(4)),
              repeat(left, 4, [
                range(width >> 2).map((i) => square(4 * i)),
                line.map((p) => advance(p, constant(16))),
                advance(target, constant(16 * width)),
              ]),
            )
          : [];
      return whileLoop(i32.gtS(lines, constant(0)), [
        line.map((p, w) => p.set(w === 0 ? source : i32.add(line[w - 1], stepTo(w)))),
        left.set(k),
        when(i32.and(i32.eq(lineStep, constant(4)), i32.geS(lines, constant(width))), pieces, [squares, oneByOne]),
        advance(source, i32.mul(lineStep, constant(width))),
        advance(lines, constant(-width)),
      ]);
    },
  });

/**
 * The same for lines that lie side by side, all panels at once: the elements of one step are in one piece, and how long the pieces
 * are that memory is read in is what counts for a matrix that is not in cache.
 */
export const sidePacker = (module: ModuleBuilder, width: number, name: string, pack: Call): Call =>
  module.func({
    export: name,
    params: i32s('lines', 'k', 'source', 'kStep', 'target'),
    body: ({ lines, k, source, kStep, target }, local) => {
      const [whole, left, steps, from, to] = range(5).map(() => local('i32'));
      const [from0, to0, panel] = range(3).map(() => local('i32'));
      const step = constant(4 * width);
      const [tail, last] = [16 * (width >> 2), 4 * (width - 1)];
      const piece = [
        range(width >> 2).map((i) => v128.store(to, v128.load(from, 16 * i), 16 * i)),
        width & 2 ? v128.store64Lane(to, v128.load64Zero(from, tail), 0, tail) : [],
        width & 1 ? f32.store(to, f32.load(from, last), last) : [],
      ];
      return [
        panel.set(i32.mul(k, step)),
        whole.set(i32.sub(lines, i32.remU(lines, constant(width)))),
        steps.set(k),
        from0.set(source),
        to0.set(target),
        repeat(steps, 1, [
          from.set(from0),
          to.set(to0),
          left.set(whole),
          repeat(left, width, [piece, advance(from, step), advance(to, panel)]),
          advance(from0, kStep),
          advance(to0, step),
        ]),
        // Lines that fill no panel.
        advance(source, i32.mul(whole, constant(4))),
        advance(target, i32.mul(i32.mul(whole, k), constant(4))),
        pack(i32.sub(lines, whole), k, source, constant(4), kStep, target),
      ];
    },
  });
