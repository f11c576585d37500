/**
 * A WebAssembly assembler whose kernels read like formulas.
 *
 * WebAssembly is a stack machine: the code of `a * b + c` is the code of a, the code of b, `mul`, the code of c, `add`. So code here
 * is a nested list of bytes, an operator is a function that appends its opcode to the code of its operands, and a kernel is a
 * nested expression, `f32x4.add(f32x4.mul(a, b), c)`, flattened once when the module is encoded. A local variable is itself the
 * code that reads it, so it stands in an expression under its own name; `x.set(value)` writes it. Loops and branches are
 * structured, so nobody counts label depths. Types are not checked here: the engine validates each module and names the fault.
 *
 * Encoding and opcodes: WebAssembly core specification 2.0, section 5 (https://www.w3.org/TR/wasm-core-2/);
 * relaxed multiply-add: https://github.com/WebAssembly/relaxed-simd.
 */

/** Bytes, nested as deep as the expression that made them. */
export type Code = number | readonly Code[];

const TYPES = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

export type ValueType = keyof typeof TYPES;

/** A local variable. As code it reads itself; `set` writes it, `tee` writes it and is the value written. */
export type Local = readonly Code[] & { set(value: Code): Code; tee(value: Code): Code };

/** `[0x20, number]`: kernels have hundreds of them, and methods of their own would be most of what these take. */
class Variable extends Array<Code> {
  set(value: Code): Code {
    return [value, 0x21, this[1]!];
  }
  tee(value: Code): Code {
    return [value, 0x22, this[1]!];
  }
}

// --- Operators -------------------------------------------------------------------------------------------------------------

/** LEB128, the variable-length integers of the format: seven bits per byte, low bits first, the top bit says "more follow". */
const unsigned = (n: number): Code => (n < 0x80 ? n : [(n & 0x7f) | 0x80, unsigned(n >>> 7)]);
const signed = (n: number): Code => (n >= -0x40 && n < 0x40 ? n & 0x7f : [(n & 0x7f) | 0x80, signed(n >> 7)]);

/** Vector instructions are numbered on their own, behind a prefix byte. */
const simd = (opcode: number): Code => [0xfd, unsigned(opcode)];

const unary = (opcode: Code) => (a: Code) => [a, opcode] as Code;
const binary = (opcode: Code) => (a: Code, b: Code) => [a, b, opcode] as Code;
const ternary = (opcode: Code) => (a: Code, b: Code, c: Code) => [a, b, c, opcode] as Code;
const simdUnary = (opcode: number) => unary(simd(opcode));
const simdBinary = (opcode: number) => binary(simd(opcode));

/** Memory operands are a promise of alignment (none, so that any address is right; engines on x64 and arm64 ignore it) and an offset. */
const UNALIGNED = 0;
const load =
  (opcode: Code) =>
  (address: Code, offset = 0) =>
    [address, opcode, UNALIGNED, unsigned(offset)] as Code;
const store =
  (opcode: Code) =>
  (address: Code, value: Code, offset = 0) =>
    [address, value, opcode, UNALIGNED, unsigned(offset)] as Code;
const storeLane =
  (opcode: Code) =>
  (address: Code, vector: Code, lane: number, offset = 0) =>
    [address, vector, opcode, UNALIGNED, unsigned(offset), lane] as Code;

/** Operators whose opcodes follow one another: the specification numbers every number type in the same order. */
const family = <Name extends string, Operator>(
  make: (opcode: number) => Operator,
  first: number,
  names: readonly Name[],
) => Object.fromEntries(names.map((name, i) => [name, make(first + i)])) as Record<Name, Operator>;

const ARITHMETIC = ['add', 'sub', 'mul', 'div', 'min', 'max'] as const;
const COMPARISONS = ['eq', 'ne', 'lt', 'gt', 'le', 'ge'] as const;
const ROUNDINGS = ['ceil', 'floor', 'trunc', 'nearest'] as const;

const scalarFloat = (firstComparison: number, firstArithmetic: number) => ({
  ...family(binary, firstComparison, COMPARISONS),
  ...family(unary, firstArithmetic, ['abs', 'neg', ...ROUNDINGS, 'sqrt']),
  ...family(binary, firstArithmetic + 7, ARITHMETIC),
});

/** Vectors of floats. `pmin(a, b)` is `b < a ? b : a`, `pmax(a, b)` is `a < b ? b : a`: faster, and a where either is NaN. */
const vectorFloat = (firstComparison: number, firstArithmetic: number) => ({
  ...family(simdBinary, firstComparison, COMPARISONS),
  ...family(simdUnary, firstArithmetic, ['abs', 'neg']),
  sqrt: simdUnary(firstArithmetic + 3),
  ...family(simdBinary, firstArithmetic + 4, [...ARITHMETIC, 'pmin', 'pmax']),
});

const bytesOf = (value: Float32Array | Float64Array): Code => [...new Uint8Array(value.buffer)];

export const i32 = {
  const: (value: number): Code => [0x41, signed(value)],
  load: load(0x28),
  /** One byte, zeros above; the low byte. */
  load8U: load(0x2d),
  store8: store(0x3a),
  store: store(0x36),
  eqz: unary(0x45),
  ...family(binary, 0x46, ['eq', 'ne', 'ltS', 'ltU', 'gtS', 'gtU', 'leS', 'leU', 'geS', 'geU']),
  ...family(binary, 0x6a, [
    'add',
    'sub',
    'mul',
    'divS',
    'divU',
    'remS',
    'remU',
    'and',
    'or',
    'xor',
    'shl',
    'shrS',
    'shrU',
  ]),
};

export const f32 = {
  const: (value: number): Code => [0x43, bytesOf(Float32Array.of(value))],
  load: load(0x2a),
  store: store(0x38),
  ...scalarFloat(0x5b, 0x8b),
  fromI32: unary(0xb2),
  fromF64: unary(0xb6),
};

export const f64 = {
  const: (value: number): Code => [0x44, bytesOf(Float64Array.of(value))],
  load: load(0x2b),
  store: store(0x39),
  ...scalarFloat(0x61, 0x99),
  fromI32: unary(0xb7),
  fromF32: unary(0xbb),
};

export const v128 = {
  load: load(simd(0x00)),
  store: store(simd(0x0b)),
  ...family(simdBinary, 0x4e, ['and', 'andnot', 'or', 'xor']),
  not: simdUnary(0x4d),
  /** Bit by bit `mask ? a : b`. */
  select: ternary(simd(0x52)),
  anyTrue: simdUnary(0x53),
  /** Four bytes into one lane of `vector`, the other lanes kept. */
  load32Lane: (address: Code, vector: Code, lane: number): Code => [address, vector, simd(0x56), UNALIGNED, 0, lane],
  store32Lane: storeLane(simd(0x5a)),
  store64Lane: storeLane(simd(0x5b)),
  /** Four, eight bytes into the low lanes, zeros above. */
  load32Zero: load(simd(0x5c)),
  load64Zero: load(simd(0x5d)),
};

export const f32x4 = {
  loadSplat: load(simd(0x09)),
  splat: simdUnary(0x13),
  lane: (vector: Code, lane: number): Code => [vector, simd(0x1f), lane],
  ...vectorFloat(0x41, 0xe0),
  ...family(simdUnary, 0x67, ROUNDINGS),
  fromI32x4: simdUnary(0xfa),
  fromF64x2: simdUnary(0x5e),
  /** Four of the eight lanes of a (0 to 3) and b (4 to 7). */
  shuffle: (a: Code, b: Code, lanes: readonly [number, number, number, number]): Code => [
    a,
    b,
    simd(0x0d),
    lanes.map((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]),
  ],
  /** a * b + c, rounded once or twice as the machine likes: relaxed SIMD, not every engine has it and not every machine agrees. */
  relaxedMadd: ternary(simd(0x105)),
};

export const f64x2 = {
  loadSplat: load(simd(0x0a)),
  splat: simdUnary(0x14),
  lane: (vector: Code, lane: number): Code => [vector, simd(0x21), lane],
  ...vectorFloat(0x47, 0xec),
  /** The two low lanes of a vector of f32, of i32. */
  fromLowF32x4: simdUnary(0x5f),
  fromLowI32x4: simdUnary(0xfe),
  /** As `f32x4.relaxedMadd`. */
  relaxedMadd: ternary(simd(0x107)),
};

export const i32x4 = {
  splat: simdUnary(0x11),
  lane: (vector: Code, lane: number): Code => [vector, simd(0x1b), lane],
  withLane: (vector: Code, lane: number, value: Code): Code => [vector, value, simd(0x1c), lane],
  eq: simdBinary(0x37),
  /** A bit for each lane, its highest. */
  bitmask: simdUnary(0xa4),
  /** The four low, the four high lanes of eight bytes loaded by `i16x8.load8x8U`. */
  fromLowI16x8: simdUnary(0xa9),
  fromHighI16x8: simdUnary(0xaa),
  add: simdBinary(0xae),
  sub: simdBinary(0xb1),
  /** Shift counts are i32 scalars. */
  ...family(simdBinary, 0xab, ['shl', 'shrS', 'shrU']),
  fromF32x4: simdUnary(0xf8),
};

export const i64x2 = {
  /** As those of `i32x4`. */
  shl: simdBinary(0xcb),
  shrU: simdBinary(0xcd),
  /** The whole products of the two low, the two high lanes of vectors of unsigned i32. */
  mulLowU32x4: simdBinary(0xde),
  mulHighU32x4: simdBinary(0xdf),
};

export const i16x8 = {
  /** Eight bytes, each with zeros above. */
  load8x8U: load(simd(0x02)),
  /** The lanes of a, then those of b; what does not fit becomes the nearest that does. */
  fromI32x4: simdBinary(0x85),
};

export const i8x16 = {
  splat: simdUnary(0x0f),
  /** As `i16x8.fromI32x4`. */
  fromI16x8: simdBinary(0x65),
};

// --- Control ---------------------------------------------------------------------------------------------------------------

const NO_RESULT = 0x40;
const END = 0x0b;

/** `if (condition) { then } else { otherwise }`. */
export const when = (condition: Code, then: Code, otherwise: Code = []): Code => {
  return [condition, 0x04, NO_RESULT, then, 0x05, otherwise, END];
};

/** `while (condition) { body }`, turned into a test before and a test after the body: one branch per round. */
export const whileLoop = (condition: Code, body: Code): Code => {
  const branchToStart = [0x0d, 0];
  return when(condition, [0x03, NO_RESULT, body, condition, branchToStart, END]);
};

/** `variable += step`. */
export const advance = (variable: Local, step: Code): Code => variable.set(i32.add(variable, step));

/** `for (; left >= step; left -= step) body`: what is left over stays in `left`. */
export const repeat = (left: Local, step: number, body: Code): Code =>
  whileLoop(i32.geS(left, i32.const(step)), [body, advance(left, i32.const(-step))]);

/** `condition ? a : b` on scalars; both are computed. */
export const select = (condition: Code, a: Code, b: Code): Code => [a, b, condition, 0x1b];

/** Stores the first one, two or three lanes of `vector`; `are` tells whether they are so many. */
export const storeSome = (address: Code, vector: Code, offset: number, are: (lanes: number) => Code): Code => [
  when(are(1), v128.store32Lane(address, vector, 0, offset), v128.store64Lane(address, vector, 0, offset)),
  when(are(3), v128.store32Lane(address, vector, 2, offset + 8)),
];

// --- Modules ---------------------------------------------------------------------------------------------------------------

/** The code that calls a function. */
export type Call = (...args: Code[]) => Code;

/** The types of parameters that are all addresses, counts and steps. */
export const i32s = <P extends string>(...names: readonly P[]): Readonly<Record<P, 'i32'>> =>
  Object.fromEntries(names.map((name) => [name, 'i32'])) as Record<P, 'i32'>;

interface FunctionSpec<P extends string> {
  /** Under which the host finds it; without one the function can be called only inside the module. */
  readonly export?: string;
  /** Name and type of each parameter, in call order. */
  readonly params: Readonly<Record<P, ValueType>>;
  readonly result?: ValueType;
  /** `local` makes a variable, zero at entry. */
  readonly body: (params: Readonly<Record<P, Local>>, local: (type: ValueType) => Local) => Code;
}

export interface ModuleBuilder {
  /** Adds a function and gives the code that calls it: a function is defined before its callers. */
  func<P extends string>(spec: FunctionSpec<P>): Call;
  /** The module, over a memory that threads share or one that they do not. */
  bytes(shared?: boolean): Uint8Array<ArrayBuffer>;
}

/** A shared memory has a largest size, in pages of 64 KiB; this is the largest of all, and only address space. */
export const SHARED_PAGES = 65536;

const list = (items: readonly Code[]): readonly Code[] => [unsigned(items.length), items];
const text = (value: string): Code => list([...value].map((letter) => letter.charCodeAt(0)));

/**
 * Writes the bytes of `code` from `at` on, as far as `out` goes, and gives where they end. The first kernels are encoded before any of this has
 * been compiled: hence no iterator.
 */
const write = (code: readonly Code[], out: Uint8Array, at: number): number => {
  for (let i = 0; i < code.length; i++) {
    const part = code[i]!;
    if (typeof part === 'number') out[at++] = part;
    else at = write(part, out, at);
  }
  return at;
};

type Bytes = Uint8Array<ArrayBuffer>;

/** Most functions have fewer bytes. */
const ROOM = 2048;

const flatten = (code: readonly Code[]): Bytes => {
  const out = new Uint8Array(ROOM);
  const size = write(code, out, 0);
  if (size <= ROOM) return out.subarray(0, size);
  const all = new Uint8Array(size);
  write(code, all, 0);
  return all;
};

const joined = (parts: readonly Bytes[]): Bytes => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** A module over the memory that the host passes as `env.memory`, so that several modules can work in the same one. */
export const wasmModule = (): ModuleBuilder => {
  const types: Code[] = [];
  const exported: Code[] = [];
  const bodies: Bytes[] = [];
  return {
    func(spec) {
      const index = bodies.length;
      const declared: ValueType[] = [];
      const local = (type: ValueType): Local => new Variable(0x20, unsigned(declared.push(type) - 1));
      const names = Object.keys(spec.params) as (keyof typeof spec.params)[];
      const params = Object.fromEntries(names.map((name) => [name, local(spec.params[name])])) as Parameters<
        typeof spec.body
      >[0];
      const body = spec.body(params, local);
      const typeBytes = declared.map((type) => TYPES[type]);
      const results = spec.result === undefined ? [] : [TYPES[spec.result]];
      types.push([0x60, list(typeBytes.slice(0, names.length)), list(results)]);
      bodies.push(flatten([list(typeBytes.slice(names.length).map((type) => [1, type])), body, END]));
      if (spec.export !== undefined) exported.push([text(spec.export), 0x00, unsigned(index)]);
      return (...args) => [args, 0x10, unsigned(index)];
    },
    bytes(shared = false) {
      const sized = (content: Bytes, id: readonly Code[] = []) => [flatten([id, unsigned(content.length)]), content];
      const section = (id: number, items: readonly Code[]) => sized(flatten(list(items)), [id]);
      const magicAndVersion = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
      const limits = shared ? [0x03, 0, unsigned(SHARED_PAGES)] : [0x00, 0];
      return joined([
        magicAndVersion,
        ...section(1, types),
        ...section(2, [[text('env'), text('memory'), 0x02, limits]]),
        ...section(
          3,
          bodies.map((_, index) => unsigned(index)),
        ),
        ...section(7, exported),
        // The bodies are nearly all of it, and flat already.
        ...sized(joined([flatten([unsigned(bodies.length)]), ...bodies.flatMap((body) => sized(body))]), [10]),
      ]);
    },
  };
};
