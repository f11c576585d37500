// .npz is held to NumPy's archives (fixtures/io/make_io.py) and to zip's rules: every lie an archive can tell of itself is told here.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errors, type NamedTensors, readNpz, tensor, writeNpy, writeNpz, zeros } from '../../src/index.ts';
import { anySample, dtypes, shapes } from '../support/samples.ts';
import { archive, crc32, member } from './archive.ts';
import { ascii, expectRecorded, expectSame, fixture, fromRecorded, refusal, unaligned } from './cases.ts';

const { cases } = fixture('npz');
const one = Buffer.from(writeNpy(tensor([1, 2, 3])));

describe('readNpz gives what was saved', () => {
  it.each(cases)('$name', ({ file, tensors }) => {
    const read = readNpz(unaligned(file));
    expect([...read.keys()]).toEqual(tensors.map((t) => t.name));
    for (const t of tensors) expectRecorded(read.get(t.name)!, t);
  });

  it('under any comment, with extra fields, without folders', () => {
    const extra = Uint8Array.of(1, 2, 0, 0);
    const members = [member('a/', Buffer.alloc(0), false), member('a/b.npy', one, true, { extra })];
    for (const comment of ['', 'PK\x05\x06', 'x'.repeat(0xffff)]) {
      expect([...readNpz(archive(members, { comment })).keys()]).toEqual(['a/b']);
    }
  });

  it('on the device and with the integers asked for', () => {
    const file = Buffer.from(writeNpy(tensor([0], { dtype: 'float64' })));
    file.write('<u8', file.indexOf('<f8'));
    file.writeUint32LE(1, file.length - 4);
    const bytes = archive([member('a', file)]);
    const a = readNpz(bytes, { device: 'reference', wideIntegers: 'float64' }).get('a')!;
    expect([a.device, a.dtype, a.item()]).toEqual(['reference', 'float64', 2 ** 32]);
    expect(refusal(() => readNpz(bytes)).message).toContain('entry "a": element 0 (in stored order) is 4294967296');
  });

  it('up to the limit, which counts what is deflated', () => {
    const size = 2 * one.length;
    const both = archive([member('a', one), member('b', one), member('c', one, false)]);
    expect(readNpz(both, { maxInflatedBytes: size }).size).toBe(3);
    const error = refusal(() => readNpz(both, { maxInflatedBytes: size - 1 }));
    expect(error.message).toContain(`entries inflate to more than ${size - 1} bytes`);
    expect(error.message).toContain('raise maxInflatedBytes');
  });

  it('larger than what deflate looks back on', () => {
    const large = tensor(Float64Array.from({ length: 5e4 }, (_, i) => Math.sin(i)));
    expectSame(readNpz(writeNpz({ large }, { compress: true })).get('large')!, large);
  });
});

describe('writeNpz', () => {
  it.each(cases.filter((c) => c.written))('writes bytes that NumPy has read: $name', ({ file, tensors }) => {
    const bytes = writeNpz(new Map(tensors.map((t) => [t.name, fromRecorded(t)])));
    expect(Buffer.from(bytes).toString('base64')).toBe(file);
  });

  it('deflates what another inflater inflates', () => {
    const t = zeros([1000]);
    const bytes = Buffer.from(writeNpz({ t }, { compress: true }));
    expect(bytes.length).toBeLessThan(500);
    const start = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
    const data = inflateRawSync(bytes.subarray(start, start + bytes.readUInt32LE(18)));
    expect(data.equals(writeNpy(t))).toBe(true);
    expect(bytes.readUInt32LE(14)).toBe(crc32(data));
  });

  it('and readNpz give back any tensors and names, deflated or not', () => {
    const names = fc.string({ unit: 'grapheme' });
    const named = fc.uniqueArray(fc.tuple(names, anySample(dtypes, shapes(0, 3))), { selector: ([name]) => name });
    fc.assert(
      fc.property(named, fc.boolean(), (pairs, compress) => {
        const tensors = new Map(pairs.map(([name, x]) => [name, x.on('cpu')]));
        const read = readNpz(writeNpz(tensors, { compress }));
        expect([...read.keys()]).toEqual([...tensors.keys()]);
        for (const [name, t] of tensors) expectSame(read.get(name)!, t);
      }),
    );
  });

  it('writes the same file for the same tensors, whenever it is written', () => {
    const bytes = writeNpz({ a: tensor([1]) }, { compress: true });
    expect(Buffer.from(bytes).readUInt32LE(10)).toBe(0x210000);
    expect(writeNpz({ a: tensor([1]) }, { compress: true })).toEqual(bytes);
  });

  it.each<[string, NamedTensors, string]>([
    ['a tensor without a name', tensor([1]) as never, 'expected tensors by name'],
    ['numbers', { a: 1 } as never, 'expected a tensor, "a" is 1'],
    ['half a character', { '\ud800': tensor([1]) }, 'surrogate'],
    ['a name that zip cannot hold', { ['é'.repeat(32768)]: tensor([1]) }, 'a name of 65540 bytes'],
    [
      'more entries than zip can hold',
      new Map(Array.from({ length: 65535 }, (_, i) => [String(i), tensor(0)])),
      'more than zip holds',
    ],
  ])('refuses %s', (_, tensors, message) => {
    expect(() => writeNpz(tensors)).toThrow(errors.DataError);
    expect(() => writeNpz(tensors)).toThrow(message);
  });
});

describe('readNpz refuses', () => {
  const a = member('a.npy', one);
  const stored = member('a.npy', one, false);
  const size = one.length;
  /** A valid entry with other bytes in it. */
  const holding = (text: string) => member('a', ascii(text), false);

  it.each<[string, Uint8Array, string | RegExp]>([
    ['nothing', new Uint8Array(), 'not a zip archive'],
    ['a .npy', one, 'not a zip archive'],
    ['zeros', new Uint8Array(1000), 'not a zip archive'],
    ['an archive cut short', archive([a]).subarray(0, -1), 'it has no end record'],
    ['an archive with more behind it', Buffer.concat([archive([a]), Buffer.of(0)]), 'it has no end record'],
    ['an archive with more before it', Buffer.concat([Buffer.of(0), archive([a])]), 'the directory should end where'],
    ['a comment longer than it is', archive([a], { comment: 'x', commentLength: 2 }), 'it has no end record'],
    [
      'an archive in a comment',
      archive([a], { comment: archive([]).toString('latin1') }),
      'the directory should end where',
    ],
    ['several disks', archive([a], { disk: 1 }), 'several files'],
    ['entries elsewhere', archive([a], { countHere: 0 }), 'several files'],
    ['zip64 by count', archive([a], { count: 0xffff }), 'zip64'],
    ['zip64 by directory', archive([a], { directory: 0xffffffff }), 'zip64'],
    ['zip64 by size', archive([a], { directorySize: 0xffffffff }), 'zip64'],
    ['a directory beyond the file', archive([a], { directory: 0xfffffffe }), 'the directory should end where'],
    ['a directory of another size', archive([a], { directorySize: 50 }), 'the directory should end where'],
    ['bytes behind the directory', archive([a], { between: Buffer.alloc(4) }), 'the directory should end where'],
    ['more entries than there are', archive([a], { count: 2 }), 'fewer entries than the end record declares'],
    ['fewer entries than there are', archive([a], { count: 0 }), 'bytes of the directory belong to no entry'],
    ['an encrypted entry', archive([member('a', one, true, { flags: 1 })]), 'entry "a" is encrypted'],
    ['another method', archive([member('a', one, true, { method: 12 })]), 'packed by method 12'],
    ['zip64 entries', archive([member('a', one, true, { size: 0xffffffff })]), 'zip64 entry'],
    ['a name in a code page', archive([member('', one, true, { name: Buffer.of(0x81) })]), 'neither ASCII nor marked'],
    ['a name marked wrong', archive([member('', one, true, { name: Buffer.of(0xff), flags: 0x800 })]), 'valid UTF-8'],
    ['an unmarked UTF-8 name', archive([member('é', one)]), 'neither ASCII nor marked'],
    ['another local name', archive([member('a', one, true, { localName: 'b' })]), 'another name in its local header'],
    ['a longer local name', archive([member('a', one, true, { localName: 'ab' })]), 'another name in its local header'],
    ['no local header', archive([member('a', one, true, { localSignature: 1 })]), 'no local header'],
    ['a local header elsewhere', archive([member('a', one, true, { localOffset: 1 })]), 'no local header'],
    ['a local header beyond the file', archive([member('a', one, true, { localOffset: 2 ** 31 })]), 'no local header'],
    ['data beyond the file', archive([member('a', one, true, { packedSize: 10000 })]), 'runs into the directory'],
    ['one block listed twice', archive([a, { ...a, localOffset: 0 }]), 'two entries overlap'],
    ['two names for one array', archive([member('a', one), member('a.npy', one)]), 'two arrays are named "a"'],
    ['one name twice', archive([a, a]), 'two arrays are named "a"'],
    ['a wrong checksum', archive([member('a', one, true, { crc: 0 })]), 'its checksum is not the one declared'],
    ['a wrong checksum, stored', archive([{ ...stored, crc: 1 }]), 'its checksum is not the one declared'],
    ['a stored entry of two sizes', archive([{ ...stored, size: size + 1 }]), 'which its 140 cannot hold'],
    [
      'more than deflate can hold',
      archive([{ ...a, size: 2 ** 31 }]),
      /declares 2147483648 bytes, which its \d+ cannot/,
    ],
    ['less than inflates', archive([{ ...a, size: size - 1 }]), 'inflates to more than the 139 bytes it declares'],
    ['more than inflates', archive([{ ...a, size: size + 1 }]), 'inflates to 140 bytes and declares 141'],
    ['nothing declared', archive([{ ...a, size: 0 }]), 'inflates to more than the 0 bytes'],
    ['nothing deflated', archive([{ ...a, packed: Buffer.alloc(0), size: 0, crc: 0 }]), 'not valid deflate data'],
    ['deflate data cut short', archive([{ ...a, packed: a.packed.subarray(0, -9) }]), 'deflate data: it is cut short'],
    ['a block of no type', archive([{ ...a, packed: Buffer.of(7, 0, 0) }]), 'invalid block type'],
    ['a distance beyond the start', archive([{ ...a, packed: Buffer.of(0x03, 0x02, 0, 0) }]), 'distance too far back'],
    ['garbage for deflate data', archive([{ ...a, packed: Buffer.alloc(50, 0xff) }]), 'invalid block type'],
    ['an empty file', archive([holding('')]), 'entry "a": not an array'],
    ['another file', archive([holding('hello')]), 'entry "a": not an array'],
    ['a pickle', archive([holding('\x80\x04]q\x00.')]), 'entry "a": not an array'],
    ['a bad array', archive([holding('\x93NUMPY\x09\x00')]), 'entry "a": version 9.0'],
    ['an array cut short', archive([member('a', one.subarray(0, -1))]), 'entry "a": shape [3] needs 12 bytes'],
  ])('%s', (_, bytes, message) => {
    const error = refusal(() => readNpz(bytes));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ name: 'FormatError', format: 'npz' });
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
  });

  it('and says where: in the archive for what is stored, else in the entry', () => {
    const bad = ascii('\x93NUMPY\x09\x00');
    expect(refusal(() => readNpz(archive([member('a', bad, false)])))).toMatchObject({
      offset: 31 + 6,
      fields: { entry: 'a', offsetInEntry: 6, version: [9, 0] },
    });
    expect(refusal(() => readNpz(archive([member('a', bad)])))).toMatchObject({
      offset: 31,
      fields: { entry: 'a', offsetInEntry: 6 },
    });
  });

  it('a bomb, before it unpacks anything', () => {
    const megabyte = member('a', Buffer.alloc(2 ** 20));
    const bomb = archive(Array.from({ length: 50 }, (_, i) => ({ ...megabyte, name: `${i}` })));
    expect(bomb.length).toBeLessThan(70_000);
    const error = refusal(() => readNpz(bomb, { maxInflatedBytes: 2 ** 25 }));
    expect(error.message).toContain('inflate to more than 33554432 bytes');
  });

  it('a bomb that lies about its size, at the first step too far', () => {
    const packed = deflateRawSync(Buffer.alloc(2 ** 26));
    const started = performance.now();
    const error = refusal(() => readNpz(archive([{ ...a, packed }])));
    expect(error.message).toContain('inflates to more than the 140 bytes it declares');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('a limit that is no number', () => {
    expect(refusal(() => readNpz(archive([a]), { maxInflatedBytes: Number.NaN })).message).toContain('more than NaN');
  });

  it('what is no file at all, as an error of the call', () => {
    expect(() => readNpz('a.npz' as never)).toThrow(errors.DataError);
  });
});
