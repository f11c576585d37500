// .npy: one array in a file, as NumPy saves it (NEP 1, and the docstring of numpy.lib.format).
//
//   '\x93NUMPY'  major minor  header length  header                                                            elements
//    6 bytes     1     1      u16, v2+: u32  "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"     row-major, or
//
// column-major if fortran_order. The header is a Python literal, padded with spaces and a newline so that the elements start at a
// multiple of 64. NumPy evaluates it; here it is read by a grammar that knows these three keys and no others. Version 2 widens the
// length and version 3 the encoding, for long or non-ASCII field names of structured dtypes, which are not read here.

import { backendOf } from '../device.ts';
import type { DType } from '../dtype.ts';
import { shapeText } from '../errors.ts';
import { type Shape, sizeOf } from '../shape.ts';
import { Tensor } from '../tensor.ts';
import { contiguousView } from '../view.ts';
import { bytesFor, decode, type Encoded, encode, STORED, type StoredType, widthOf } from './elements.ts';
import {
  type Blame,
  type Bytes,
  bytesOf,
  checkTensor,
  FormatError,
  MAX_RANK,
  type ReadOptions,
} from './format-error.ts';
import { Scanner } from './scanner.ts';
import { quote } from './text.ts';

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const ALIGNMENT = 64;
/** NumPy leaves room for the first size to grow to 8 * (2^64 - 1), so that arrays can be appended to in place. */
const GROWTH_DIGITS = 21;
/** NumPy's own limit (numpy.lib.format._MAX_HEADER_SIZE). */
const MAX_HEADER_BYTES = 10_000;

/**
 * Reads an array saved by NumPy (versions 1.0 to 3.0, either order of axes, either byte order) as a contiguous tensor of the
 * same shape: b1 as bool; i1 u1 i2 u2 i4, and by `wideIntegers` u4 i8 u8, as int32; f2 f4 as float32; f8 as float64.
 * @throws FormatError if the bytes are malformed, are more or less than the header declares, or hold what a tensor does not
 * (complex numbers, strings, dates, structures; objects are pickles, which are never run); DataError unless given bytes.
 */
export function readNpy(file: Bytes, options: ReadOptions = {}): Tensor {
  const blame: Blame = (problem, offset, fields) => new FormatError('npy', problem, offset, fields);
  return parseNpy(bytesOf('readNpy', file), options, blame);
}

/** True if the bytes start like a .npy file. */
export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

export function parseNpy(bytes: Uint8Array, options: ReadOptions, blame: Blame): Tensor {
  const place = locateHeader(bytes, blame);
  const { descr, fortranOrder, shape } = parseHeader(bytes, place, blame);
  const element = elementType(descr, blame, place.start);
  checkLength(shape, bytesFor(shape, element.stored), place, bytes.length - place.end, blame);
  const encoded: Encoded = { bytes, start: place.end, count: sizeOf(shape), ...element };
  const { dtype, data } = decode(encoded, options, blame);
  const backend = backendOf(options.device ?? 'cpu');
  const stored = fortranOrder ? shape.toReversed() : shape;
  const tensor = new Tensor(backend, backend.upload(data, dtype), contiguousView(stored));
  return fortranOrder ? tensor.permute(shape.map((_, i) => shape.length - 1 - i)).copy() : tensor;
}

/**
 * The bytes that `np.save` writes for the C-contiguous array of the same dtype and shape: version 1.0, little-endian.
 * @throws ShapeError beyond NumPy's 64 axes; DataError unless given a tensor; DeviceError where the device cannot be read at once.
 */
export function writeNpy(tensor: Tensor): Uint8Array<ArrayBuffer> {
  checkTensor('writeNpy', tensor);
  const header = headerText(tensor.dtype, tensor.shape);
  const elements = encode(tensor.dataSync());
  const prefix = MAGIC.length + 4;
  const file = new Uint8Array(prefix + header.length + elements.length);
  file.set(MAGIC);
  file[MAGIC.length] = 1;
  new DataView(file.buffer).setUint16(MAGIC.length + 2, header.length, true);
  for (let i = 0; i < header.length; i++) file[prefix + i] = header.charCodeAt(i);
  file.set(elements, prefix + header.length);
  return file;
}

function headerText(dtype: DType, shape: Shape): string {
  const stored = STORED[dtype];
  const descr = `${widthOf(stored) === 1 ? '|' : '<'}${stored}`;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const growth = shape.length > 0 ? ' '.repeat(GROWTH_DIGITS - String(shape[0]).length) : '';
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }${growth}`;
  // 10 bytes stand before it and a newline after it; where that is aligned already, NumPy pads all the same.
  return `${text}${' '.repeat(ALIGNMENT - ((10 + text.length + 1) % ALIGNMENT))}\n`;
}

/** Where the header's text lies. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly version: number;
}

function locateHeader(bytes: Uint8Array, blame: Blame): Place {
  if (!isNpy(bytes)) throw blame("not a .npy file: it does not start with '\\x93NUMPY'", 0);
  const [major = 0, minor = 0] = bytes.subarray(MAGIC.length);
  if (major < 1 || major > 3 || minor !== 0) {
    throw blame(`version ${major}.${minor}; only 1.0, 2.0 and 3.0 exist`, MAGIC.length, { version: [major, minor] });
  }
  const at = MAGIC.length + 2;
  const start = at + (major === 1 ? 2 : 4);
  if (start > bytes.length) throw blame('the file ends inside the length of the header', bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = major === 1 ? view.getUint16(at, true) : view.getUint32(at, true);
  if (length > bytes.length - start) {
    throw blame(`a header of ${length} bytes is declared, and ${bytes.length - start} follow`, at, { length });
  }
  if (length > MAX_HEADER_BYTES) {
    throw blame(`a header of ${length} bytes; NumPy's limit, kept here, is ${MAX_HEADER_BYTES}`, at, { length });
  }
  return { start, end: start + length, version: major };
}

interface Header {
  descr?: string;
  fortranOrder?: boolean;
  shape?: number[];
}

/** {'descr': str, 'fortran_order': bool, 'shape': tuple of ints}, in any order, then nothing but space. */
function parseHeader(bytes: Uint8Array, place: Place, blame: Blame): Required<Header> {
  const scanner = new Scanner(bytes, place, ' \t\n\r\f', blame);
  const found: Header = {};
  const once = (key: string, have: unknown, at: number) => {
    if (have !== undefined) throw blame(`the header has the key '${key}' twice`, at, { key });
  };
  scanner.expect('{');
  scanner.list('}', true, () => {
    scanner.skipSpaces();
    const at = scanner.position;
    const key = scanner.plainString();
    scanner.expect(':');
    switch (key) {
      case 'descr':
        once(key, found.descr, at);
        found.descr = readDescr(scanner, blame);
        break;
      case 'fortran_order':
        once(key, found.fortranOrder, at);
        found.fortranOrder = readBool(scanner);
        break;
      case 'shape':
        once(key, found.shape, at);
        found.shape = readShape(scanner, place.version, blame);
        break;
      default:
        throw blame(`the header has the key ${quote(key)}; it has descr, fortran_order and shape`, at, { key });
    }
  });
  scanner.expectEnd();
  const { descr, fortranOrder, shape } = found;
  if (descr === undefined || fortranOrder === undefined || shape === undefined) {
    const missing = descr === undefined ? 'descr' : fortranOrder === undefined ? 'fortran_order' : 'shape';
    throw blame(`the header lacks the key '${missing}'`, place.start, { missing });
  }
  return { descr, fortranOrder, shape };
}

function readDescr(scanner: Scanner, blame: Blame): string {
  scanner.skipSpaces();
  if (scanner.peek() === '[' || scanner.peek() === '(') {
    throw blame('a structured dtype; a tensor has elements of one number each', scanner.position);
  }
  return scanner.plainString();
}

function readBool(scanner: Scanner): boolean {
  if (scanner.take('True')) return true;
  if (scanner.take('False')) return false;
  throw scanner.expected('True or False');
}

function readShape(scanner: Scanner, version: number, blame: Blame): number[] {
  const shape: number[] = [];
  const start = scanner.position;
  scanner.expect('(');
  const comma = scanner.list(')', true, () => {
    shape.push(scanner.integer());
    // Python 2 wrote its long integers so; NumPy 1 did not yet clean them up.
    if (version < 3) scanner.take('L');
    if (shape.length > MAX_RANK) throw blame(`a shape of more than ${MAX_RANK} axes`, start);
  });
  if (shape.length === 1 && !comma)
    throw blame(`(${shape[0]}) is a number in Python; a shape is (${shape[0]},)`, start);
  return shape;
}

const WIDTHS: Readonly<Record<string, readonly number[]>> = { b: [1], i: [1, 2, 4, 8], u: [1, 2, 4, 8], f: [2, 4, 8] };

const UNREAD: Readonly<Record<string, string>> = {
  c: 'complex numbers',
  S: 'byte strings',
  a: 'byte strings',
  U: 'strings',
  T: 'strings',
  V: 'raw bytes',
  M: 'dates',
  m: 'durations',
  O: 'Python objects, that is a pickle: a program to run, which is never done here',
};

/** '<f4': byte order ('<' little, '>' big, '|' where there is none), kind, bytes. */
function elementType(descr: string, blame: Blame, at: number): Pick<Encoded, 'stored' | 'bigEndian'> {
  const [, order = '', kind = '', digits = ''] = /^([<>|])([a-zA-Z])(\d{0,9})/.exec(descr) ?? [];
  const width = Number(digits);
  if (WIDTHS[kind]?.includes(width) && descr === `${order}${kind}${width}` && (order !== '|' || width === 1)) {
    return { stored: `${kind}${width}` as StoredType, bigEndian: order === '>' };
  }
  const what = UNREAD[kind];
  throw blame(
    `elements of type ${quote(descr)}${what ? `: ${what}` : ''}; read here are b1, i1 to i8, u1 to u8, f2, f4 and f8, ` +
      'marked < or > for their byte order (| for single bytes)',
    at,
    { descr },
  );
}

/** Holds the shape against the bytes that follow the header. */
function checkLength(shape: Shape, need: number, place: Place, have: number, blame: Blame): void {
  if (need > have) {
    const much = need === Infinity ? 'more bytes than can be counted' : `${need} bytes of elements`;
    throw blame(`shape ${shapeText(shape)} needs ${much}, and ${have} follow`, place.start, { shape });
  }
  if (need < have) {
    throw blame(
      `${have - need} bytes follow the elements; of several arrays in one file, pass each one's bytes alone`,
      place.end + need,
      { shape },
    );
  }
}
