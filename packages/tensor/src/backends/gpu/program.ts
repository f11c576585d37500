// The template of a kernel. gpu.js takes a kernel as JavaScript source, which it translates; here that source is one call of a
// function in GLSL ES 3.00, for only there are integers integers, and NaN can be seen. All sizes, strides and offsets are arguments, so a
// kernel is compiled once for all shapes. (Literals and names of arguments are all that a template is filled with.)

import type { View } from '../../view.ts';
import { libraryFor } from './library.ts';

export interface Program {
  /** Tells it from all others: it is compiled once. */
  readonly name: string;
  /** The names of its arguments: textures are read by `nameAt(i)`, numbers are `$name`. Those in blocks have four elements to each i. */
  readonly textures: readonly string[];
  readonly blocks?: readonly string[];
  readonly ints: readonly string[];
  readonly floats?: readonly string[];
  /** GLSL statements that return the element at the flat index `r`. */
  readonly body: string;
  /** Whether it returns a block: a vec4. */
  readonly block?: boolean;
}

/** JavaScript source for gpu.js: the names and order of the arguments, and the call. */
export function kernelSource({ textures, blocks = [], ints, floats = [] }: Program): string {
  return `function (${[...textures, ...blocks, ...ints, ...floats].join(', ')}) { return element(); }`;
}

/** What gpu.js is told of the arguments, in their order, where textures and blocks are held as so named. */
export const argumentTypes = (
  { textures, blocks = [], ints, floats = [] }: Program,
  held: { readonly textures: string; readonly blocks: string },
): string[] => [
  ...textures.map(() => held.textures),
  ...blocks.map(() => held.blocks),
  ...ints.map(() => 'Integer'),
  ...floats.map(() => 'Float'),
];

/** For each kernel: results stay on the device, each in a texture of its own, and sizes change from call to call. */
export const RESIDENT = { pipeline: true, immutable: true, dynamicOutput: true, dynamicArguments: true } as const;

/** The GLSL behind `element`. */
export function elementSource({ textures, blocks = [], body, block }: Program): string {
  // gpu.js calls the uniform of argument `a` user_a, and the size of its texture user_aSize.
  const read = (t: string) => `texelFetch(user_${t}, ivec2(i % user_${t}Size.x, i / user_${t}Size.x), 0)`;
  const reads = textures.map((t) => `float ${t}At(int i) { return ${read(t)}.r; }`);
  const blockReads = blocks.map((t) => `vec4 ${t}At(int i) { return ${read(t)}; }`);
  const code = body.replaceAll('$', 'user_');
  // Where the fragment stands says exactly which element it is; gpu.js's own index is interpolated.
  const here = 'int r = int(gl_FragCoord.x) + int(gl_FragCoord.y) * uTexSize.x;';
  const element = `${block ? 'vec4' : 'float'} element() {\n${here}\n${code}\n}`;
  return [...libraryFor(code), ...reads, ...blockReads, element].join('\n');
}

/** Statements, one for each of n. */
export const times = (n: number, statement: (i: number) => string) =>
  Array.from({ length: n }, (_, i) => statement(i)).join('\n');

/** How several operands are walked together: the sizes of the axes, and each operand's start and strides. */
export interface Walk {
  readonly sizes: readonly number[];
  readonly starts: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/**
 * Operands seen as views of one shape. Neighbouring axes that every operand walks with one stride become one, and axes of size 1
 * vanish, so that few programs are enough: contiguous tensors of any rank have one axis.
 */
export function merged(shape: readonly number[], views: readonly View[]): Walk {
  const sizes: number[] = [];
  const strides: number[][] = views.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const merges = last >= 0 && views.every((v, i) => strides[i]![last] === v.strides[axis]! * size);
    if (merges) sizes[last]! *= size;
    else sizes.push(size);
    views.forEach((v, i) => {
      if (merges) strides[i]![last] = v.strides[axis]!;
      else strides[i]!.push(v.strides[axis]!);
    });
  });
  return { sizes, strides, starts: views.map((v) => v.offset) };
}

/** The numbers of a walk, in the order of `walkInts`. */
export const walkNumbers = ({ sizes, starts, strides }: Walk): number[] => [
  ...sizes,
  ...starts.flatMap((start, i) => [start, ...strides[i]!]),
];

/** The arguments that say a walk of so many axes by the named operands; `p` tells several walks of one program apart. */
export const walkInts = (rank: number, operands: readonly string[], p = 'n'): string[] => [
  ...Array.from({ length: rank }, (_, k) => `${p}${k}`),
  ...operands.flatMap((x) => [`${x}Start`, ...Array.from({ length: rank }, (_, k) => `${x}Step${k}`)]),
];

/** GLSL: from the flat row-major index in `index` (which it uses up), where each operand reads: adds to ints named `<operand>P`. */
export const walkCode = (rank: number, operands: readonly string[], index: string, p = 'n'): string =>
  times(rank, (i) => {
    const k = rank - 1 - i;
    const coordinate = k === 0 ? index : `${index} % $${p}${k}`;
    const add = operands.map((x) => `${x}P += c * $${x}Step${k};`).join(' ');
    return `{ int c = ${coordinate}; ${index} /= $${p}${k}; ${add} }`;
  });

/** GLSL: the ints that `walkCode` adds to. */
export const walkStart = (operands: readonly string[]): string =>
  operands.map((x) => `int ${x}P = $${x}Start;`).join(' ');
