// Hostile bytes: whatever is done to a file, reading it ends in tensors or in a FormatError, soon, and without asking for more
// memory than the file's own size accounts for. Memory is watched where it is asked for, at the array constructors.

import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type Bytes, FormatError, readNpy, readNpz, readSafetensors } from '../../src/index.ts';
import { archive, type Ending, type Member, member } from './archive.ts';
import { ascii, fixture } from './cases.ts';

// Before any import, because a module may remember the constructors it finds.
const memory = vi.hoisted(() => {
  const spent = { bytes: 0 };
  const names = [
    ...['ArrayBuffer', 'Uint8Array', 'Int8Array', 'Uint16Array', 'Int16Array', 'Uint32Array', 'Int32Array'],
    ...['Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
  ] as const;
  const originals = names.map((name) => [name, globalThis[name as 'Uint8Array']] as const);
  for (const [name, original] of originals) {
    const watched = new Proxy(original, {
      construct(target, args: [unknown], newTarget) {
        const made = Reflect.construct(target, args, newTarget === watched ? target : newTarget) as Uint8Array;
        // A view of a buffer that exists is free; a length, or elements to copy, is not.
        if (!(args[0] instanceof ArrayBuffer)) spent.bytes += made.byteLength;
        return made;
      },
    });
    Object.assign(globalThis, { [name]: watched });
  }
  return { spent, restore: () => Object.assign(globalThis, Object.fromEntries(originals)) };
});

afterAll(() => memory.restore());

/** Reads bytes that may be anything; true if they are a file. Any other error than FormatError fails the test. */
function survives(read: (file: Bytes) => unknown, bytes: Uint8Array, most: number): boolean {
  memory.spent.bytes = 0;
  try {
    read(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    expect(error.offset).toBeGreaterThanOrEqual(0);
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
    return false;
  } finally {
    expect(memory.spent.bytes, 'bytes asked for').toBeLessThanOrEqual(most);
  }
}

const files = {
  npy: fixture('npy').cases.filter(({ shape }) => shape.length < 8),
  npz: fixture('npz').cases,
  safetensors: fixture('safetensors').cases,
};

const LIMIT = 2 ** 20;
const formats = [
  { format: 'npy', read: readNpy, most: (size: number) => 8 * size + 2 ** 10 },
  { format: 'safetensors', read: readSafetensors, most: (size: number) => 8 * size + 2 ** 10 },
  {
    format: 'npz',
    read: (file: Bytes) => readNpz(file, { maxInflatedBytes: LIMIT }),
    // The tables of inflate, for each of up to 20 entries; what they inflate to, and the tensors of it.
    most: (size: number) => 8 * (size + LIMIT) + 20 * 2 ** 20,
  },
] as const;

/** Bytes that mean something somewhere. */
const telling = fc.constantFrom(...ascii('{}[]()\'":,\\ \n0129<>|ftLuTF\x00\x01\x7f\x80\xff'));
const numbers = fc.constantFrom(0, 1, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff);

type Edit = (file: Uint8Array, at: number) => Uint8Array;
const cut = (file: Uint8Array, at: number, drop: number, insert: Uint8Array) =>
  Buffer.concat([file.subarray(0, at), insert, file.subarray(Math.min(file.length, at + drop))]);
const edits: fc.Arbitrary<Edit> = fc.oneof(
  fc.oneof(telling, fc.nat(255)).map(
    (byte): Edit =>
      (file, at) =>
        cut(file, at, 1, Buffer.of(byte)),
  ),
  fc.nat(7).map(
    (bit): Edit =>
      (file, at) =>
        cut(file, at, 1, Buffer.of((file[at] ?? 0) ^ (1 << bit))),
  ),
  fc.uint8Array({ maxLength: 8 }).map(
    (bytes): Edit =>
      (file, at) =>
        cut(file, at, 0, bytes),
  ),
  numbers.map(
    (n): Edit =>
      (file, at) =>
        cut(file, at, 4, Buffer.from(Uint32Array.of(n).buffer)),
  ),
  fc.nat(40).map(
    (n): Edit =>
      (file, at) =>
        cut(file, at, n, Buffer.alloc(0)),
  ),
  fc.nat(40).map(
    (n): Edit =>
      (file, at) =>
        cut(file, at, 0, file.subarray(at, at + n)),
  ),
  fc.constant<Edit>((file, at) => file.subarray(0, at)),
);
/** Where: mostly near one of the ends, where formats keep what they say of themselves. */
const places = fc.oneof(
  fc.nat(160).map((n) => (size: number) => n % size),
  fc.nat(400).map((n) => (size: number) => Math.max(0, size - 1 - n)),
  fc.nat().map((n) => (size: number) => n % size),
);

describe.each(formats)('$format', ({ format, read, most }) => {
  const originals = files[format].map(({ file }) => Buffer.from(file, 'base64'));

  it('whole files ask for no more than the bound', () => {
    for (const file of originals) {
      const fits = survives(read, file, most(file.length));
      if (!fits) expect(format).toBe('npy');
    }
  });

  it('truncated anywhere: an error', () => {
    for (const file of originals.slice(0, 4)) {
      for (let length = 0; length < file.length; length++) {
        expect(survives(read, file.subarray(0, length), most(length))).toBe(false);
      }
    }
  });

  it('mutated: tensors or an error', () => {
    let files = 0;
    const mutations = fc.array(fc.tuple(edits, places), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...originals), mutations, (original, mutation) => {
        const file = mutation.reduce<Uint8Array>((b, [edit, place]) => edit(b, place(Math.max(1, b.length))), original);
        if (survives(read, file, most(file.length))) files++;
      }),
      { numRuns: 3000 },
    );
    // Else the fuzz would only ever reach the first check.
    expect(files).toBeGreaterThan(0);
  });

  it('random bytes: an error', () => {
    const start = originals[0]!.subarray(0, 10);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, headed) => {
        const file = headed ? Buffer.concat([start, bytes]) : bytes;
        expect(survives(read, file, most(file.length))).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('headers of random tokens', () => {
  const header = (tokens: readonly string[], wrap: [string, string]) =>
    fc.array(fc.constantFrom(...tokens), { maxLength: 24 }).map((words) => wrap[0] + words.join('') + wrap[1]);

  it('npy: tensors or an error', () => {
    const words = ['{', '}', '(', ')', '[', ',', ':', ' ', "'descr'", "'shape'", "'fortran_order'", "'<f4'", '"|b1"'];
    const values = ['True', 'False', 'None', '0', '1', '2', '2L', '-1', '1.5', "'''", '#', '\n', '\\', '__import__'];
    const headers = fc.oneof(header([...words, ...values], ['', '']), header(values, ["{'shape': (", ')}']));
    fc.assert(
      fc.property(headers, fc.nat(16), (text, data) => {
        const file = Buffer.concat([
          ascii('\x93NUMPY\x01\x00'),
          Buffer.of(text.length, 0),
          ascii(text),
          Buffer.alloc(data),
        ]);
        survives(readNpy, file, 8 * file.length + 2 ** 10);
      }),
      { numRuns: 2000 },
    );
  });

  it('safetensors: what is accepted, JSON.parse reads the same way', () => {
    const info = (shape: string, at: string) => `{"dtype":"I32","shape":${shape},"data_offsets":${at}}`;
    const words = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ' ',
      '"a"',
      '"b"',
      '"\\u0061"',
      '"__metadata__"',
      '{"a":"b"}',
      '{}',
      '1',
    ];
    const tensors = [
      '"a":',
      '"b":',
      info('[]', '[0,4]'),
      info('[1]', '[4,8]'),
      info('[2]', '[0,8]'),
      info('[0]', '[4,4]'),
    ];
    const headers = fc.oneof(header([...words, ...tensors], ['{', '}']), header([...tensors, ',', ','], ['{', '}']));
    let accepted = 0;
    fc.assert(
      fc.property(headers, fc.constantFrom(0, 4, 8), (text, data) => {
        const file = Buffer.concat([
          Buffer.of(text.length, text.length >> 8, 0, 0, 0, 0, 0, 0),
          ascii(text),
          Buffer.alloc(data),
        ]);
        if (!survives(readSafetensors, file, 8 * file.length + 2 ** 10)) return;
        accepted++;
        const { __metadata__ = {}, ...expected } = JSON.parse(text) as Record<string, { shape: number[] }>;
        const { tensors, metadata } = readSafetensors(file);
        expect(Object.fromEntries(metadata)).toEqual(__metadata__);
        expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
        for (const [name, t] of tensors) expect(t.shape).toEqual(expected[name]!.shape);
      }),
      { numRuns: 4000 },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});

describe('archives of random lies', () => {
  const file = Buffer.from(fixture('npy').cases[0]!.file, 'base64');
  const lie = fc.record<Partial<Member>>(
    {
      size: fc.oneof(numbers, fc.nat(2000)),
      crc: numbers,
      method: fc.constantFrom(0, 8, 9),
      flags: fc.constantFrom(0, 1, 8, 0x800, 0xffff),
      localName: fc.string({ maxLength: 3 }),
      packedSize: fc.oneof(numbers, fc.nat(2000)),
      localOffset: fc.oneof(numbers, fc.nat(2000)),
      packed: fc.uint8Array({ maxLength: 200 }),
      extra: fc.uint8Array({ maxLength: 20 }),
    } as never,
    { requiredKeys: [] },
  );
  const members = fc.array(
    fc.tuple(fc.constantFrom('a', 'b.npy', 'c/', ''), fc.boolean(), fc.oneof(fc.constant({}), lie)),
    { maxLength: 4 },
  );
  const endings = fc.record<Ending>(
    { count: fc.nat(5), directory: fc.nat(2000), directorySize: fc.nat(400), commentLength: fc.nat(3) } as never,
    { requiredKeys: [] },
  );

  it('arrays or an error', () => {
    const { read, most } = formats[2];
    let archives = 0;
    fc.assert(
      fc.property(members, fc.oneof(fc.constant({}), endings), (list, ending) => {
        const bytes = archive(
          list.map(([name, deflated, lies]) => member(name, file, deflated, lies)),
          ending,
        );
        if (survives(read, bytes, most(bytes.length))) archives++;
      }),
      { numRuns: 2000 },
    );
    expect(archives).toBeGreaterThan(0);
  });

  it('deflate data of any kind, behind a true header', () => {
    const { read, most } = formats[2];
    const data = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.tuple(edits, fc.nat(200)));
    const honest = member('a', file);
    fc.assert(
      fc.property(data, fc.nat(5000), (change, size) => {
        const packed = Array.isArray(change) ? change[0](Buffer.from(honest.packed), change[1]) : change;
        const bytes = archive([{ ...honest, packed, size }]);
        survives(read, bytes, most(bytes.length));
      }),
      { numRuns: 2000 },
    );
  });
});
