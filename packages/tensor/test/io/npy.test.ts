// .npy is held to NumPy: every stored type, byte order, layout and version as NumPy writes them, and our files equal to its own
// byte for byte (fixtures/io/make_io.py).

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errors, FormatError, readNpy, scope, tensor, writeNpy, zeros } from '../../src/index.ts';
import { anySample, dtypes, shapes } from '../support/samples.ts';
import { ascii, bytesOf, expectRecorded, expectSame, fixture, fromRecorded, refusal, unaligned } from './cases.ts';

const { cases, refused, everyHalfAsFloat32 } = fixture('npy');

/** A version 1.0 file around a header; `data` bytes of zeros follow. */
function npy(header: string, data = 0, version = 1): Uint8Array {
  const length = version === 1 ? Buffer.alloc(2) : Buffer.alloc(4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([ascii('\x93NUMPY'), Buffer.of(version, 0), length, ascii(header), Buffer.alloc(data)]);
}

const header = (shape: string, descr = '<f4', order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

describe('readNpy gives what NumPy saved', () => {
  it.each(cases)('$name', ({ file, options, ...recorded }) => {
    expectRecorded(readNpy(unaligned(file), options), recorded);
  });

  it('every float16, to the bit', () => {
    const halves = Buffer.from(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
    const read = readNpy(Buffer.concat([npy(header('(65536,)', '<f2')), halves]));
    expect(createHash('sha256').update(bytesOf(read)).digest('hex')).toBe(everyHalfAsFloat32);
  });

  it('from an ArrayBuffer, a view of one, and shared memory', () => {
    const file = writeNpy(tensor([1, 2, 3]));
    const shared = new Uint8Array(new SharedArrayBuffer(file.length));
    shared.set(file);
    for (const bytes of [file.buffer, new DataView(file.buffer), Buffer.from(file), shared, shared.buffer]) {
      expect(readNpy(bytes).toArray()).toEqual([1, 2, 3]);
    }
  });

  it('as a tensor of its own: neither side sees what the other does next', () => {
    const file = writeNpy(tensor([1, 2, 3]));
    const t = readNpy(file);
    file.fill(0xff);
    expect(t.toArray()).toEqual([1, 2, 3]);
  });

  it('on the device asked for, and as any other tensor in a scope', () => {
    const file = writeNpy(tensor([1, 2]));
    expect(readNpy(file, { device: 'reference' }).device).toBe('reference');
    expect(scope(() => readNpy(file)).toArray()).toEqual([1, 2]);
  });

  it('with any byte but 0 as true, as NumPy does', () => {
    expect(readNpy(Buffer.concat([npy(header('(3,)', '|b1')), Buffer.of(0, 2, 255)])).toArray()).toEqual([
      false,
      true,
      true,
    ]);
  });

  it.each([
    ['unpadded', header('(2,)')],
    ['spaced', " {\t'descr':'<f4','fortran_order' :False , 'shape': ( 2 , ) }\n\n"],
    ['in another order', "{'shape': (2,), 'descr': '<f4', 'fortran_order': False}"],
    ['in double quotes', `{"descr": "<f4", "fortran_order": False, "shape": (2,)}`],
    ['from Python 2', header('(2L,)')],
    ['with more axes', header('(1, 2, 1)')],
    ['with a trailing comma', header('(1, 2,)')],
  ])('with a header %s', (_, text) => {
    expect(readNpy(npy(text, 8)).dataSync()).toEqual(new Float32Array(2));
  });

  it('with byte orders that do not matter', () => {
    for (const descr of ['<i1', '>i1', '|i1']) expect(readNpy(npy(header('(2,)', descr), 2)).toArray()).toEqual([0, 0]);
  });
});

describe('writeNpy', () => {
  it.each(cases.filter((c) => c.written))('writes the bytes of np.save: $name', ({ file, ...recorded }) => {
    expect(Buffer.from(writeNpy(fromRecorded(recorded))).toString('base64')).toBe(file);
  });

  it('and readNpy give back any tensor, whatever its strides', () => {
    fc.assert(
      fc.property(
        anySample(dtypes, shapes(0, 4)),
        fc.constantFrom('cpu' as const, 'reference' as const),
        (x, device) => {
          const t = x.on(device);
          expectSame(readNpy(writeNpy(t)), t);
        },
      ),
    );
  });

  it('keeps the bits of every float', () => {
    const bits = fc.uint8Array({ minLength: 8, maxLength: 64 }).map((bytes) => bytes.slice(0, bytes.length & -8));
    fc.assert(
      fc.property(bits, fc.constantFrom('f4', 'f8'), (bytes, type) => {
        const count = bytes.length / Number(type[1]);
        const file = Buffer.concat([writeNpy(zeros([count], { dtype: type === 'f4' ? 'float32' : 'float64' }))]);
        file.set(bytes, file.length - bytes.length);
        expect(Buffer.from(writeNpy(readNpy(file)))).toEqual(file);
      }),
    );
  });

  it('starts the elements at a multiple of 64 bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 8 }), (sizes) => {
        expect(writeNpy(zeros([...sizes, 0])).length % 64).toBe(0);
      }),
    );
  });

  it('says what it cannot write', () => {
    expect(() => writeNpy([1, 2] as never)).toThrow(errors.DataError);
    expect(() => writeNpy([1, 2] as never)).toThrow('writeNpy: expected a tensor, found an array of 2');
    expect(() => writeNpy(zeros(new Array(65).fill(1)))).toThrow(errors.ShapeError);
  });
});

describe('readNpy refuses', () => {
  it.each(refused)('$name', ({ file, message }) => {
    const error = refusal(() => readNpy(unaligned(file)));
    expect(error.message).toContain(message);
    expect(error).toMatchObject({
      name: 'FormatError',
      format: 'npy',
      fields: { format: 'npy', offset: error.offset },
    });
  });

  const good = header('(2,)');
  it.each<[string, Uint8Array, string | RegExp, number]>([
    ['nothing', new Uint8Array(), 'not a .npy file', 0],
    ['another file', ascii('PK\x03\x04'), 'not a .npy file', 0],
    ['the magic alone', ascii('\x93NUMPY'), 'version 0.0', 6],
    ['no length', ascii('\x93NUMPY\x01\x00'), 'ends inside the length', 8],
    ['half a length', ascii('\x93NUMPY\x02\x00\x00\x00'), 'ends inside the length', 10],
    ['version 4', ascii('\x93NUMPY\x04\x00\x00\x00\x00\x00'), 'version 4.0', 6],
    ['version 1.1', ascii('\x93NUMPY\x01\x01\x00\x00'), 'version 1.1', 6],
    ['a header longer than the file', npy(good).subarray(0, 40), /header of \d+ bytes is declared, and 30 follow/, 8],
    ['a header of 4 GiB', ascii('\x93NUMPY\x02\x00\xff\xff\xff\xff{'), 'header of 4294967295 bytes', 8],
    ['a header beyond the limit', npy(good.padEnd(10001), 8, 2), 'limit', 8],
    ['an empty header', npy(''), "expected '{', found the end", 10],
    ['a list', npy('[]'), "expected '{'", 10],
    ['an expression', npy("{'descr': '<f4', 'shape': (2,), 'fortran_order': 1 == 1}", 8), 'expected True or False', 59],
    ['a call', npy("{'descr': __import__('os').system('true')}"), "expected a string, found '_'", 20],
    ['an open brace', npy("{'descr': '<f4'"), "expected ',', found the end", 25],
    ['an open string', npy("{'descr"), 'a string that does not end', 11],
    ['a string that escapes its end', npy("{'descr\\'"), 'a string that does not end', 11],
    ['escapes', npy(header('(2,)', '\\x3cf4'), 8), 'plain printable', 20],
    ['a key with escapes', npy("{'d\\x65scr': '<f4'}"), 'plain printable', 11],
    ['bytes that are not UTF-8', npy(header('(2,)', '\xff')), 'not UTF-8', 21],
    ['a number for a key', npy('{1: 2}'), "expected a string, found '1'", 11],
    ['a stray byte', npy('{\x00}'), 'found the byte 0x00', 11],
    ['text after the header', npy(`${good}x`, 8), "expected nothing more, found 'x'", 67],
    ['no commas', npy("{'descr': '<f4' 'shape': (2,)}"), "expected ','", 26],
    ['two commas', npy("{'descr': '<f4',, }"), 'expected a string', 26],
    ['a comma alone', npy('{,}'), 'expected a string', 11],
    ['no descr', npy("{'fortran_order': False, 'shape': (2,)}"), "lacks the key 'descr'", 10],
    ['no order', npy("{'descr': '<f4', 'shape': (2,)}"), "lacks the key 'fortran_order'", 10],
    ['no shape', npy("{'descr': '<f4', 'fortran_order': False}"), "lacks the key 'shape'", 10],
    ['a key twice', npy(`${good.slice(0, -1)}'shape': (1,)}`, 8), "the key 'shape' twice", 66],
    ['another key', npy(`${good.slice(0, -1)}'x': (1,)}`, 8), 'the key "x"', 66],
    ['a key that objects have', npy("{'__proto__': (1,)}"), 'the key "__proto__"', 11],
    ['lower-case booleans', npy(header('(2,)', '<f4', 'false'), 8), 'expected True or False', 44],
    ['a number for a shape', npy(header('2'), 8), "expected '(', found '2'", 60],
    ['a number in parentheses', npy(header('(2)'), 8), 'a shape is (2,)', 59],
    ['a list for a shape', npy(header('[2]'), 8), "expected '('", 60],
    ['a comma for a shape', npy(header('(,)'), 8), 'expected a non-negative integer', 61],
    ['a negative size', npy(header('(-2,)'), 8), "expected a non-negative integer, found '-'", 61],
    ['a fraction', npy(header('(2.0,)'), 8), "expected ',', found '.'", 62],
    ['an exponent', npy(header('(2e0,)'), 8), "expected ','", 62],
    ['underscores', npy(header('(1_0,)'), 40), "expected ','", 62],
    ['hexadecimals', npy(header('(0x2,)'), 8), "expected ','", 62],
    ['leading zeros', npy(header('(02,)'), 8), 'expected a non-negative integer', 61],
    ['True for a size', npy(header('(True,)'), 8), 'expected a non-negative integer', 61],
    ['None for a size', npy(header('(None,)'), 8), 'expected a non-negative integer', 61],
    ['long integers in version 3', npy(header('(2L,)'), 8, 3), "expected ',', found 'L'", 64],
    ['2^53', npy(header('(9007199254740992,)')), 'too large for a size', 61],
    ['endless digits', npy(header(`(${'9'.repeat(9000)},)`)), 'too large for a size', 61],
    ['too many axes', npy(header(`(${'1, '.repeat(65)})`), 4), 'more than 64 axes', 59],
    ['nested tuples', npy(header(`${'('.repeat(5000)}`)), 'expected a non-negative integer', 61],
    ['a petabyte', npy(header('(1000000000000000,)')), 'needs 4000000000000000 bytes of elements, and 0 follow', 10],
    ['more than can be counted', npy(header('(4294967296, 4294967296)')), 'more bytes than can be counted', 10],
    ['more than a float can hold', npy(header(`(${'9007199254740991, '.repeat(64)})`)), 'than can be counted', 10],
    ['the same beside a 0', npy(header(`(${'9007199254740991, '.repeat(63)}0)`)), 'than can be counted', 10],
    ['one byte less', npy(good, 7), 'shape [2] needs 8 bytes of elements, and 7 follow', 10],
    ['one byte more', npy(good, 9), '1 bytes follow the elements', 75],
    ['bytes for an empty array', npy(header('(0,)'), 4), '4 bytes follow the elements', 67],
    ['no byte for a scalar', npy(header('()')), 'shape [] needs 4 bytes', 10],
    ['no type', npy(header('(2,)', ''), 8), 'type ""', 10],
    ['no byte order', npy(header('(2,)', 'f4'), 8), 'type "f4"', 10],
    ['the machine for a byte order', npy(header('(2,)', '=f4'), 8), 'type "=f4"', 10],
    ['no byte order for many bytes', npy(header('(2,)', '|f4'), 8), 'type "|f4"', 10],
    ['16-byte floats', npy(header('(2,)', '<f16'), 32), 'type "<f16"', 10],
    ['3-byte integers', npy(header('(2,)', '<i3'), 6), 'type "<i3"', 10],
    ['0-byte integers', npy(header('(2,)', '<i0')), 'type "<i0"', 10],
    ['leading zeros in a type', npy(header('(2,)', '<f04'), 8), 'type "<f04"', 10],
    ['more after a type', npy(header('(2,)', '<f4x'), 8), 'type "<f4x"', 10],
    ['an absurd width', npy(header('(2,)', `<f${'4'.repeat(5000)}`), 8), /type "<f4{58}\.\.\."/, 10],
    ['a type that objects have', npy(header('(2,)', 'constructor'), 8), 'type "constructor"', 10],
    ['a subarray', npy("{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (2,)}", 16), 'structured', 20],
  ])('%s', (_, file, message, offset) => {
    const error = refusal(() => readNpy(file));
    expect(error.message).toMatch(message);
    expect(error.offset).toBe(offset);
  });

  it('and never runs a pickle', () => {
    const error = refusal(() => readNpy(npy(header('()', '|O'), 20)));
    expect(error.message).toContain('Python objects, that is a pickle: a program to run, which is never done here');
  });

  it('what is no file at all, as an error of the call', () => {
    for (const input of [undefined, null, 'file.npy', 3, [1, 2], {}, tensor([1])]) {
      expect(() => readNpy(input as never)).toThrow(errors.DataError);
    }
    expect(new FormatError('npy', 'x', 3)).toBeInstanceOf(errors.GemlabError);
  });
});
