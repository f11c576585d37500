// safetensors is held to files made by the book (fixtures/io/make_io.py), which the reference implementation reads, and writes alike.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  errors,
  type NamedTensors,
  readSafetensors,
  type Tensor,
  tensor,
  writeSafetensors,
  zeros,
} from '../../src/index.ts';
import { anySample, dtypes, shapes } from '../support/samples.ts';
import { ascii, expectRecorded, expectSame, fixture, fromRecorded, refusal, unaligned } from './cases.ts';

const { cases } = fixture('safetensors');

/** A file of a header and `data` zeros. */
function file(header: string, data = 0): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(data)]);
}

const info = (shape: string, offsets: string, dtype = 'F32') =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

describe('readSafetensors gives what was written', () => {
  it.each(cases)('$name', ({ file, tensors, metadata = {} }) => {
    const read = readSafetensors(unaligned(file));
    expect([...read.tensors.keys()]).toEqual(tensors.map((t) => t.name));
    for (const t of tensors) expectRecorded(read.tensors.get(t.name)!, t);
    expect(Object.fromEntries(read.metadata)).toEqual(metadata);
  });

  it('on the device asked for', () => {
    const bytes = writeSafetensors({ a: tensor([1]) });
    expect(readSafetensors(bytes, { device: 'reference' }).tensors.get('a')!.device).toBe('reference');
  });

  it('with wide integers as float64 if asked', () => {
    const bytes = file(`{"a":${info('[1]', '[0,8]', 'U64')},"b":${info('[1]', '[8,9]', 'U8')}}`, 9);
    bytes.fill(255, bytes.length - 9);
    const { tensors } = readSafetensors(bytes, { wideIntegers: 'float64' });
    expect([tensors.get('a')!.dtype, tensors.get('a')!.item()]).toEqual(['float64', 2 ** 64]);
    expect([tensors.get('b')!.dtype, tensors.get('b')!.item()]).toEqual(['int32', 255]);
    const error = refusal(() => readSafetensors(bytes));
    expect(error.message).toContain(
      `"a": element 0 (in stored order) is 18446744073709551615, which int32 cannot hold`,
    );
    expect(error.fields).toMatchObject({ tensor: 'a', value: 2n ** 64n - 1n });
  });
});

describe('writeSafetensors', () => {
  it.each(cases.filter((c) => c.written))('writes the bytes of the reference: $name', (c) => {
    // Given in an order of no meaning.
    const tensors = new Map(c.tensors.toReversed().map((t) => [t.name, fromRecorded(t)]));
    const bytes = writeSafetensors(tensors, c.metadata ? { metadata: new Map(Object.entries(c.metadata)) } : {});
    expect(Buffer.from(bytes).toString('base64')).toBe(c.file);
  });

  it('and readSafetensors give back any tensors, names and metadata', () => {
    const text = fc.string({ unit: 'grapheme' });
    const names = text.filter((name) => name !== '__metadata__');
    const named = fc.uniqueArray(fc.tuple(names, anySample(dtypes, shapes(0, 3))), { selector: ([name]) => name });
    fc.assert(
      fc.property(named, fc.uniqueArray(fc.tuple(text, text), { selector: ([key]) => key }), (pairs, lines) => {
        const tensors = new Map(pairs.map(([name, x]) => [name, x.on('cpu')]));
        const read = readSafetensors(writeSafetensors(tensors, { metadata: new Map(lines) }));
        expect([...read.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
        for (const [name, t] of tensors) expectSame(read.tensors.get(name)!, t);
        expect([...read.metadata]).toEqual(lines);
      }),
    );
  });

  it('writes the same file for the same tensors in any order, aligned to their elements', () => {
    const named = fc.uniqueArray(fc.tuple(fc.string(), anySample(dtypes, shapes(0, 2))), {
      selector: ([name]) => name,
    });
    fc.assert(
      fc.property(named, (pairs) => {
        const tensors = pairs.map(([name, x]): [string, Tensor] => [name, x.on('cpu')]);
        const bytes = writeSafetensors(new Map(tensors));
        expect(writeSafetensors(new Map(tensors.toReversed()))).toEqual(bytes);
        expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0);
      }),
    );
  });

  it.each<[string, NamedTensors, Record<string, string> | undefined, string]>([
    ['a tensor without a name', tensor([1]) as never, undefined, 'expected tensors by name'],
    ['nothing', undefined as never, undefined, 'expected tensors by name'],
    ['numbers', { a: [1] } as never, undefined, 'expected a tensor, "a" is an array of 1'],
    ['half a character', { '\ud800': tensor([1]) }, undefined, 'surrogate'],
    ['a name that is no text', new Map([[1, tensor([1])]]) as never, undefined, 'a name must be a string'],
    ['the reserved name', { __metadata__: tensor([1]) }, undefined, "'__metadata__' is the format's own"],
    ['metadata that is no text', {}, { a: 1 } as never, 'the metadata "a" must be a string'],
    ['metadata of half a character', {}, { a: '\udc00' }, 'surrogate'],
  ])('refuses %s', (_, tensors, metadata, message) => {
    const write = () => writeSafetensors(tensors, metadata ? { metadata } : {});
    expect(write).toThrow(errors.DataError);
    expect(write).toThrow(message);
  });

  it('refuses ranks that could not be read back', () => {
    expect(() => writeSafetensors({ a: zeros(new Array(65).fill(1)) })).toThrow(errors.ShapeError);
  });
});

describe('readSafetensors refuses', () => {
  const a = info('[2]', '[0,8]');
  it.each<[string, Uint8Array, string | RegExp, number]>([
    ['nothing', new Uint8Array(), 'ends inside the length', 0],
    ['half a length', new Uint8Array(7), 'ends inside the length', 7],
    ['a length of 0', new Uint8Array(8), "expected '{', found the end", 8],
    ['a header longer than the file', file('{}').subarray(0, 9), 'a header of 2 bytes is declared, and 1 follow', 0],
    ['a header of 2^64 - 1 bytes', new Uint8Array(16).fill(255), 'limit is 100000000', 0],
    ['a header beyond the limit', Buffer.of(1, 0xe1, 0xf5, 5, 0, 0, 0, 0), 'a header of 100000001 bytes', 0],
    ['a header of 100 MB in a small file', Buffer.of(0, 0xe1, 0xf5, 5, 0, 0, 0, 0), 'and 0 follow', 0],
    ['space before the header', file(' {}'), "expected '{', found ' '", 8],
    ['a byte order mark', file('\ufeff{}'), "expected '{', found the byte 0xef", 8],
    ['no object', file('[]'), "expected '{'", 8],
    ['an open object', file('{'), 'expected a string, found the end', 9],
    ['text after the object', file('{}{}'), 'expected nothing more', 10],
    ['zeros for padding', file('{}\0\0'), 'found the byte 0x00', 10],
    ['a comment', file('{/**/}'), 'expected a string', 9],
    ['a comma at the end', file(`{"a":${a},}`, 8), "expected a string, found '}'", 62],
    ['single quotes', file("{'a':1}"), 'expected a string', 9],
    ['a deep nest', file('{"a":'.repeat(100000)), 'has a field "a"', 14],
    ['a deep list', file(`{"a":{"shape":${'['.repeat(100000)}`), 'expected a non-negative integer', 23],
    ['an open string', file('{"a'), 'a string that does not end', 9],
    ['a newline in a string', file('{"a\n":1}'), 'control character', 9],
    ['an unknown escape', file('{"\\x41":1}'), 'an escape that JSON does not have', 9],
    ['half an escape', file('{"\\u00":1}'), 'an escape that JSON does not have', 9],
    ['half a character', file('{"\\ud800":1}'), 'half of a surrogate pair', 9],
    ['bytes that are not UTF-8', Buffer.concat([file('{"a').fill(5, 0, 1), ascii('\xff"')]), 'not UTF-8', 10],
    ['a tensor that is no object', file('{"a":1}'), "expected '{', found '1'", 13],
    ['a tensor that is null', file('{"a":null}'), "expected '{', found 'n'", 13],
    ['a name given twice', file(`{"a":${a},"a":${a}}`, 8), 'the key "a" is given twice', 62],
    ['a name given twice, once escaped', file(`{"a":${a},"\\u0061":${a}}`, 8), 'the key "a" is given twice', 62],
    ['a field given twice', file('{"a":{"dtype":"F32","dtype":"F64"}}'), 'the key "dtype" is given twice', 28],
    ['metadata given twice', file('{"__metadata__":{},"__metadata__":{}}'), 'given twice', 27],
    ['a metadata key given twice', file('{"__metadata__":{"a":"","a":""}}'), 'given twice', 32],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), "expected a string, found '1'", 29],
    ['metadata that nests', file('{"__metadata__":{"a":{}}}'), "expected a string, found '{'", 29],
    ['metadata that is null', file('{"__metadata__":null}'), "expected '{'", 24],
    ['no dtype', file('{"a":{"shape":[],"data_offsets":[0,4]}}', 4), `"a" lacks the field 'dtype'`, 13],
    ['no shape', file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), `"a" lacks the field 'shape'`, 13],
    ['no offsets', file('{"a":{"dtype":"F32","shape":[]}}', 4), `"a" lacks the field 'data_offsets'`, 13],
    ['another field', file('{"a":{"strides":[1]}}'), '"a" has a field "strides"', 14],
    ['a field that objects have', file('{"a":{"__proto__":[1]}}'), '"a" has a field "__proto__"', 14],
    ['a dtype that is a number', file('{"a":{"dtype":4}}'), 'expected a string', 22],
    ['an unknown dtype', file(`{"a":${info('[8]', '[0,8]', 'F8_E4M3')}}`, 8), '"a" has elements of type "F8_E4M3"', 9],
    ['a dtype in lower case', file(`{"a":${info('[2]', '[0,8]', 'f32')}}`, 8), 'type "f32"', 9],
    ['a dtype that objects have', file(`{"a":${info('[2]', '[0,8]', 'toString')}}`, 8), 'type "toString"', 9],
    ['a shape that is a number', file(`{"a":${info('2', '[0,8]')}}`, 8), "expected '['", 36],
    ['a negative size', file(`{"a":${info('[-2]', '[0,8]')}}`, 8), "expected a non-negative integer, found '-'", 37],
    ['minus zero', file(`{"a":${info('[-0]', '[0,0]')}}`), 'expected a non-negative integer', 37],
    ['a fraction', file(`{"a":${info('[2.0]', '[0,8]')}}`, 8), "expected ',', found '.'", 38],
    ['an exponent', file(`{"a":${info('[2e0]', '[0,8]')}}`, 8), "expected ',', found 'e'", 38],
    ['leading zeros', file(`{"a":${info('[02]', '[0,8]')}}`, 8), 'expected a non-negative integer', 37],
    ['a size in quotes', file(`{"a":${info('["2"]', '[0,8]')}}`, 8), 'expected a non-negative integer', 37],
    ['2^53', file(`{"a":${info('[9007199254740992]', '[0,8]')}}`, 8), 'too large for a size', 37],
    ['endless digits', file(`{"a":${info(`[${'9'.repeat(100000)}]`, '[0,8]')}}`, 8), 'too large for a size', 37],
    ['too many axes', file(`{"a":${info(`[${'1,'.repeat(64)}1]`, '[0,4]')}}`, 4), 'more than 64 sizes', 165],
    ['one offset', file(`{"a":${info('[2]', '[8]')}}`, 8), 'data_offsets are two numbers', 40],
    ['three offsets', file(`{"a":${info('[2]', '[0,4,8]')}}`, 8), 'more than 2 sizes', 60],
    ['offsets that run backwards', file(`{"a":${info('[2]', '[8,0]')}}`, 8), 'ends at 0, before it begins at 8', 9],
    ['offsets beyond the file', file(`{"a":${info('[2]', '[0,8]')}}`, 7), 'ends at 8, and the file holds 7 bytes', 9],
    ['huge offsets', file(`{"a":${info('[2]', '[0,9007199254740991]')}}`, 8), 'ends at 9007199254740991', 9],
    [
      'offsets other than the shape',
      file(`{"a":${info('[3]', '[0,8]')}}`, 8),
      'needs 12 bytes, and its offsets give 8',
      9,
    ],
    ['a petabyte', file(`{"a":${info('[1000000000000000]', '[0,8]')}}`, 8), 'needs 4000000000000000 bytes', 9],
    ['more than can be counted', file(`{"a":${info('[4294967296,4294967296]', '[0,8]')}}`, 8), 'can be counted', 9],
    ['the same beside a 0', file(`{"a":${info('[4294967296,4294967296,0]', '[0,0]')}}`), 'can be counted', 9],
    ['a gap at the start', file(`{"a":${info('[1]', '[4,8]')}}`, 8), '[4,8] of "a" leave a gap after 0', 9],
    ['a gap', file(`{"a":${info('[1]', '[0,4]')},"b":${info('[1]', '[8,12]')}}`, 12), '"b" leave a gap after 4', 62],
    ['an overlap', file(`{"a":${a},"b":${info('[1]', '[4,8]')}}`, 8), '"b" overlap the tensor before it', 62],
    ['one place for two', file(`{"a":${a},"b":${a}}`, 8), '"b" overlap the tensor before it', 62],
    ['an empty tensor inside another', file(`{"a":${a},"b":${info('[0]', '[4,4]')}}`, 8), 'overlap', 62],
    ['bytes at the end', file(`{"a":${a}}`, 9), '1 bytes at the end belong to no tensor', 8],
    ['bytes and no tensor', file('{}', 1), '1 bytes at the end belong to no tensor', 8],
  ])('%s', (_, bytes, message, offset) => {
    const error = refusal(() => readSafetensors(bytes));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ name: 'FormatError', format: 'safetensors', offset });
  });

  it('what is no file at all, as an error of the call', () => {
    expect(() => readSafetensors('{}' as never)).toThrow(errors.DataError);
  });
});
