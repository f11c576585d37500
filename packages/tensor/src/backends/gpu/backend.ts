// The gpu backends: the primitives as programs for WebGL2 or WebGPU, through gpu.js. Elements stay in textures (on WebGPU: in buffers, which
// are called textures here, too) from op to op; they cross over only in upload and read. Views are resolved inside the programs. What a texture of floats cannot hold is refused by name.

import { type Backend, type Kernel, type Kernels, kernelsFor, type Operand } from '../../backend.ts';
import { arrayType, convert, type DType, type TypedArray } from '../../dtype.ts';
import { DeviceError, DTypeError } from '../../errors.ts';
import {
  ARG_REDUCE,
  BINARY,
  COMPARE,
  REDUCE,
  type Reduce,
  SCAN,
  SOFTMAX,
  type Softmax,
  type Spec,
  UNARY,
} from '../../primitives.ts';
import { contiguousStrides, reducedShape, sizeOf } from '../../shape.ts';
import type { Storage } from '../../storage.ts';
import { contiguousView, expandView, isContiguous, type View } from '../../view.ts';
import { asProduct } from '../linear.ts';
import * as elementwise from './elementwise.ts';
import { kindOf } from './elementwise.ts';
import * as folding from './folding.ts';
import { argsort, linesOf, scan } from './lines.ts';
import { matmul as matmulOf } from './matmul.ts';
import { embedProgram, FILL, foldProgram, gatherProgram, join, scatterProgram } from './moving.ts';
import { merged, type Program, walkNumbers } from './program.ts';
import type { Runtime, Texture, Textured } from './runtime.ts';
import { softmax as softmaxOf } from './softmax.ts';
import { TextureStorages } from './texture-storage.ts';
import { openWebGL2 } from './webgl2.ts';
import { openWebGpu } from './webgpu.ts';

/** Folded in one go; longer lines are folded in parts, and then the parts. */
const PART = 256;
/** Row-major strides of a view's axes but one, which has stride 0. */
const without = (view: View, axis: number): View => ({
  ...view,
  strides: view.strides.map((s, i) => (i === axis ? 0 : s)),
});

/** Starts the GPU. @throws DeviceError that says what was found and how to get one. */
export async function createGpuBackend(name: Runtime['name']): Promise<Backend> {
  return gpuBackend(await (name === 'gpu' ? openWebGL2() : openWebGpu()));
}

function gpuBackend(runtime: Runtime): Backend {
  const { name } = runtime;
  const storages = new TextureStorages(name);
  /** Where nothing can be read at once: integers that were uploaded, for an index is checked by reading it. */
  const known = new WeakMap<Storage, TypedArray>();
  const textureOf = (x: Operand) => storages.textureOf(x.storage);

  const holds = (dtype: DType): void => {
    if (dtype !== 'float64') return;
    throw new DTypeError(`${name}: float64 does not exist on this device; cast to 'float32', or move to the cpu`, {
      dtype,
    });
  };

  /** The elements of a result, by a program or, if there are none, by nobody. */
  const produce = (out: Spec, make: (length: number) => Texture): Storage => {
    holds(out.dtype);
    const length = sizeOf(out.shape);
    return storages.hold(out.dtype, length === 0 ? null : make(length), length);
  };
  const execute = (out: Spec, program: Program, inputs: readonly Operand[], ints: number[], floats: number[] = []) =>
    produce(out, (length) => runtime.run(program, inputs.map(textureOf), ints, floats, length));
  const filled = (out: Spec, value: number) => execute(out, FILL, [], [], [value]);

  const withTexture = (x: Operand): Textured => ({
    shape: x.shape,
    strides: x.strides,
    offset: x.offset,
    texture: textureOf(x),
  });
  const mapTextures = (name: string, names: readonly string[], value: string, inputs: readonly Textured[]) => {
    const walk = merged(inputs[0]!.shape, inputs);
    const program = elementwise.mapProgram(name, names, value, walk.sizes.length);
    const textures = inputs.map((x) => x.texture);
    return runtime.run(program, textures, walkNumbers(walk), [], sizeOf(inputs[0]!.shape));
  };
  const mapped = (name: string, names: readonly string[], value: string, inputs: readonly Operand[], out: Spec) =>
    produce(out, () => mapTextures(name, names, value, inputs.map(withTexture)));
  const copied = (x: Operand) => mapTextures('copy', ['x'], 'x', [withTexture(x)]);

  /** The axes that stay and those that fold, as walks. */
  const foldWalks = (x: View, axes: readonly number[]) => {
    const pick = (keep: boolean) => {
      const chosen = x.shape.map((_, i) => i).filter((i) => axes.includes(i) !== keep);
      const view = { shape: chosen.map((i) => x.shape[i]!), strides: chosen.map((i) => x.strides[i]!) };
      return merged(view.shape, [{ ...view, offset: keep ? x.offset : 0 }]);
    };
    return { outer: pick(true), inner: pick(false) };
  };

  const foldParts = (op: Reduce, dtype: DType, texture: Texture, x: View, axes: readonly number[]): Texture => {
    const { outer, inner } = foldWalks(x, axes);
    const length = sizeOf(axes.map((a) => x.shape[a]!));
    // About as many parts as elements in each, so that neither loop is long.
    const part = length <= PART ? length : Math.max(PART, Math.ceil(Math.sqrt(length)));
    const parts = Math.ceil(length / part);
    const lines = sizeOf(reducedShape(x.shape, axes, false));
    const program = folding.reduceProgram(op, kindOf(dtype), outer.sizes.length, inner.sizes.length);
    const numbers = [length, part, parts, ...walkNumbers(outer), ...walkNumbers(inner)];
    const folded = runtime.run(program, [texture], numbers, [], lines * parts);
    if (parts === 1) return folded;
    try {
      return foldParts(op, dtype, folded, contiguousView([lines, parts]), [1]);
    } finally {
      folded.delete();
    }
  };

  const matmul: Kernel<'matmul'> = (_, [a, b], out) => {
    holds(out.dtype);
    if (a!.shape.at(-1) === 0) return filled(out, 0);
    return produce(out, () => matmulOf(runtime, a!, b!, out, [textureOf(a!), textureOf(b!)]));
  };

  const linear: Kernel<'linear'> = (_, [x, w, bias], out) => {
    holds(out.dtype);
    const shift = bias && withTexture({ ...bias, ...expandView(bias, out.shape) });
    if (w!.shape[1] === 0) return shift ? produce(out, () => mapTextures('copy', ['x'], 'x', [shift])) : filled(out, 0);
    return produce(out, () => {
      const { a, b, of } = asProduct(x!, w!, out);
      const product = matmulOf(runtime, a, b, of, [textureOf(a), textureOf(b)]);
      if (shift === undefined) return product;
      try {
        const kind = kindOf(out.dtype);
        const rows = { ...contiguousView(out.shape), texture: product };
        return mapTextures(`add/${kind}`, ['a', 'b'], elementwise.binaryGlsl('add', kind), [rows, shift]);
      } finally {
        product.delete();
      }
    });
  };

  const gather: Kernel<'gather'> = ({ axis }, [x, index], out) => {
    const walk = merged(index!.shape, [index!, { ...without(x!, axis), shape: index!.shape }]);
    const numbers = [x!.strides[axis]!, ...walkNumbers(walk)];
    return execute(out, gatherProgram(walk.sizes.length), [index!, x!], numbers);
  };

  const scatter: Kernel<'scatter'> = ({ axis, mode }, [base, index, updates], out) => {
    if (sizeOf(index!.shape) === 0) return produce(out, () => copied(base!));
    const program = scatterProgram(mode, kindOf(out.dtype), out.shape.length, axis);
    const steps = [base!, index!, updates!].flatMap((x) => [x.offset, ...x.strides]);
    return execute(out, program, [base!, index!, updates!], [...out.shape, ...index!.shape, ...steps]);
  };

  const softmax =
    (op: Softmax): Kernel<Softmax> =>
    ({ axis }, [x], out) =>
      produce(out, () =>
        softmaxOf(runtime, op, withTexture(x!), axis, linesOf(x!, axis), {
          map: (name, value, inputs) => mapTextures(name, ['a', 'b'].slice(0, inputs.length), value, inputs),
          fold: (how, view, texture) => foldParts(how, out.dtype, texture, view, [axis]),
        }),
      );

  const concat: Kernel<'concat'> = ({ axis }, inputs, out) =>
    produce(out, () => {
      const full = inputs.filter((x) => sizeOf(x.shape) > 0);
      return join(runtime, full.map(withTexture), axis);
    });

  const embed: Kernel<'embed'> = ({ ranges, fill }, [x], out) => {
    const value = convert(fill, out.dtype);
    if (sizeOf(x!.shape) === 0) return filled(out, value);
    const windows = [...ranges.map((r) => r.start), ...ranges.map((r) => r.step), ...x!.shape];
    const numbers = [...out.shape, ...windows, x!.offset, ...x!.strides];
    return execute(out, embedProgram(out.shape.length), [x!], numbers, [value]);
  };

  const fold: Kernel<'fold'> = ({ windows }, [x], out) => {
    if (sizeOf(x!.shape) === 0) return filled(out, 0);
    const axes = windows.map((w) => w.axis);
    const numbers = [
      ...windows.map((w) => w.size),
      ...windows.map((w) => w.stride),
      ...windows.map((w) => w.dilation),
      ...axes.map((axis) => x!.shape[axis]!),
    ];
    const program = foldProgram(kindOf(out.dtype), out.shape.length, axes);
    return execute(out, program, [x!], [...out.shape, ...numbers, x!.offset, ...x!.strides]);
  };

  const kernels: Kernels = {
    ...kernelsFor(
      UNARY,
      (op) =>
        (_, [x], out) =>
          mapped(op, ['x'], elementwise.UNARY_GLSL[op], [x!], out),
    ),
    ...kernelsFor(BINARY, (op) => (_, inputs, out) => {
      const kind = kindOf(out.dtype);
      return mapped(`${op}/${kind}`, ['a', 'b'], elementwise.binaryGlsl(op, kind), inputs, out);
    }),
    ...kernelsFor(COMPARE, (op) => (_, inputs, out) => {
      const kind = kindOf(inputs[0]!.dtype);
      return mapped(`${op}/${kind}`, ['a', 'b'], elementwise.compareGlsl(op, kind), inputs, out);
    }),
    ...kernelsFor(REDUCE, (op) => ({ axes }, [x], out) => {
      // The op layer refuses extremes of nothing, so this is a sum.
      if (sizeOf(x!.shape) === 0) return filled(out, 0);
      return produce(out, () => foldParts(op, out.dtype, textureOf(x!), x!, axes));
    }),
    ...kernelsFor(ARG_REDUCE, (op) => ({ axis }, [x], out) => {
      const { rank, length, step, walk } = linesOf(x!, axis);
      return execute(out, folding.argReduceProgram(op, kindOf(x!.dtype), rank), [x!], [length, step, ...walk]);
    }),
    ...kernelsFor(
      SCAN,
      (op) =>
        ({ axis }, [x], out) =>
          produce(out, (length) => scan(runtime, op, x!, axis, textureOf(x!), () => copied(x!), length)),
    ),
    ...kernelsFor(SOFTMAX, softmax),
    addScaled: ({ scale }, inputs, out) =>
      produce(out, () => {
        const walk = merged(out.shape, inputs);
        const program = elementwise.addScaledProgram(walk.sizes.length);
        return runtime.run(program, inputs.map(textureOf), walkNumbers(walk), [scale], sizeOf(out.shape));
      }),
    reluBackward: (_, inputs, out) => mapped('reluBackward', ['x', 'g'], elementwise.RELU_BACKWARD_GLSL, inputs, out),
    where: (_, inputs, out) => mapped('where', ['c', 'a', 'b'], elementwise.WHERE_GLSL, inputs, out),
    argsort: ({ axis, descending }, [x], out) =>
      produce(out, (length) => argsort(runtime, x!, axis, descending, textureOf(x!), length)),
    matmul,
    linear,
    gather,
    scatter,
    concat,
    embed,
    fold,
    cast: ({ dtype }, [x], out) => {
      holds(dtype);
      return mapped(`cast/${x!.dtype}/${dtype}`, ['x'], elementwise.castGlsl(x!.dtype, dtype), [x!], out);
    },
    copy: (_, [x], out) => produce(out, () => copied(x!)),
  };

  const fromFloats = (floats: Float32Array, dtype: DType): TypedArray => {
    if (dtype === 'float32') return floats;
    if (floats.some(Number.isNaN)) {
      throw new DTypeError(
        `${name}: ${dtype} is held exactly below 2^24 only, and an op has led beyond (or joined what had); ` +
          "cast to 'float32' before it, or compute this on the cpu",
        { dtype },
      );
    }
    return arrayType(dtype).from(floats);
  };
  const readSync = (x: Operand): TypedArray => {
    const own = textureOf(x);
    if (own === null || sizeOf(x.shape) === 0) return new (arrayType(x.dtype))(0);
    if (runtime.readSync === null) {
      const host = known.get(x.storage);
      if (host !== undefined) return elementsOf(x, host);
      throw new DeviceError(
        `${name}: nothing can be read at once on this device; await x.data(), or compute on the gpu (WebGL2) or the cpu. ` +
          'An index is checked by reading it, so here it must be one that was uploaded',
        { shape: x.shape, dtype: x.dtype },
      );
    }
    if (x.offset === 0 && x.storage.length === sizeOf(x.shape) && isContiguous(x)) {
      return fromFloats(runtime.readSync(own), x.dtype);
    }
    const texture = copied(x);
    try {
      return fromFloats(runtime.readSync(texture), x.dtype);
    } finally {
      texture.delete();
    }
  };

  return {
    name,
    kernels,
    upload: (data, dtype) => {
      holds(dtype);
      if (dtype === 'int32') {
        const found = data.find((v) => Math.abs(v) >= 2 ** 24);
        if (found !== undefined) {
          throw new DTypeError(
            `${name}: int32 is held exactly below 2^24 only, found ${found}; cast to 'float32' on the cpu before, or compute there`,
            { dtype, found },
          );
        }
      }
      const length = data.length;
      const floats = data instanceof Float32Array ? data : Float32Array.from(data);
      const storage = storages.hold(dtype, length === 0 ? null : runtime.upload(floats), length);
      if (runtime.readSync === null && dtype !== 'float32') known.set(storage, data);
      return storage;
    },
    read: async (x) => {
      // The texture of a released storage would be gone: what is read is a copy.
      if (textureOf(x) === null || sizeOf(x.shape) === 0) return new (arrayType(x.dtype))(0);
      const texture = copied(x);
      try {
        return fromFloats(await runtime.read(texture), x.dtype);
      } finally {
        texture.delete();
      }
    },
    readSync,
    describe: () => ({
      ...runtime.describe(),
      'int32 and bool': 'held as floats: integers below 2^24 only',
      float64: 'refused',
      'textures held by tensors': String(storages.live),
      'on the host': 'nothing but uploads and reads; the checks of gather and scatter read their index',
    }),
  };
}

/** The elements of a view of a host array, in row-major order. */
function elementsOf(x: Operand, data: TypedArray): TypedArray {
  const strides = contiguousStrides(x.shape);
  const place = (i: number) =>
    x.strides.reduce((at, step, axis) => at + (Math.floor(i / strides[axis]!) % x.shape[axis]!) * step, x.offset);
  const elements = new (arrayType(x.dtype))(sizeOf(x.shape));
  return elements.map((_, i) => data[place(i)]!);
}
