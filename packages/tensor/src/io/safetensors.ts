// safetensors: named tensors in one file, with nothing to execute (the format's README; its reference implementation in Rust).
//
//   header length  header                                                                        elements
//   u64            {"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, ...}  and spaces    row-major, little-endian
//
// Offsets count from the first element. In the order of their offsets the tensors must fill the rest of the file without gap or
// overlap, so that a file has one meaning and no hidden cargo. Files are written as the reference does: elements by
// descending alignment (F64 F32 I32 BOOL), then by name; header entries in that order, padded to a multiple of 8 bytes.

import { backendOf } from '../device.ts';
import type { DType } from '../dtype.ts';
import { DataError, shapeText } from '../errors.ts';
import { type Shape, sizeOf } from '../shape.ts';
import { Tensor } from '../tensor.ts';
import { contiguousView } from '../view.ts';
import { bytesFor, decode, encode, STORED, type StoredType } from './elements.ts';
import {
  type Blame,
  type Bytes,
  bytesOf,
  checkText,
  FormatError,
  type NamedTensors,
  namedTensors,
  type ReadOptions,
} from './format-error.ts';
import { METADATA_KEY, parseHeader, type TensorInfo } from './safetensors-header.ts';
import { quote, toUtf8 } from './text.ts';

/** The reference implementation's limit. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

const TYPES: ReadonlyMap<string, StoredType> = new Map([
  ['BOOL', 'b1'],
  ['I8', 'i1'],
  ['U8', 'u1'],
  ['I16', 'i2'],
  ['U16', 'u2'],
  ['F16', 'f2'],
  ['BF16', 'bf2'],
  ['I32', 'i4'],
  ['U32', 'u4'],
  ['F32', 'f4'],
  ['I64', 'i8'],
  ['U64', 'u8'],
  ['F64', 'f8'],
]);

/** Their names in the format, in the order in which files have them. */
const NAMES: Readonly<Record<DType, string>> = { float64: 'F64', float32: 'F32', int32: 'I32', bool: 'BOOL' };
const ORDER = Object.keys(NAMES);

type Metadata = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

export interface Safetensors {
  /** In the order of the file. */
  readonly tensors: Map<string, Tensor>;
  /** The free text under `__metadata__`. */
  readonly metadata: Map<string, string>;
}

/**
 * Reads every tensor of a file: BOOL as bool; I8 U8 I16 U16 I32, and by `wideIntegers` U32 I64 U64, as int32; F16 BF16 F32 as
 * float32; F64 as float64.
 * @throws FormatError if the file breaks a rule of the format (a name given twice, offsets that leave gaps or overlap, ...) or has
 * elements of another type (such as F8_E4M3); DataError unless given bytes.
 */
export function readSafetensors(file: Bytes, options: ReadOptions = {}): Safetensors {
  const bytes = bytesOf('readSafetensors', file);
  const blame: Blame = (problem, offset, fields) => new FormatError('safetensors', problem, offset, fields);
  const data = locateHeader(bytes, blame);
  const { infos, metadata } = parseHeader(bytes, { start: LENGTH_BYTES, end: data }, blame);
  infos.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const types = infos.map((info) => elementType(info, blame));
  checkTiling(infos, bytes.length - data, blame);
  infos.forEach((info, i) => {
    checkSize(info, types[i]!, blame);
  });
  const backend = backendOf(options.device ?? 'cpu');
  const tensors = new Map<string, Tensor>();
  infos.forEach(({ name, shape, begin }, i) => {
    const encoded = { bytes, start: data + begin, count: sizeOf(shape), stored: types[i]!, bigEndian: false };
    const blameTensor: Blame = (problem, offset, fields) =>
      blame(`${quote(name)}: ${problem}`, offset, { ...fields, tensor: name });
    const decoded = decode(encoded, options, blameTensor);
    tensors.set(name, new Tensor(backend, backend.upload(decoded.data, decoded.dtype), contiguousView(shape)));
  });
  return { tensors, metadata };
}

/** Where the elements start. */
function locateHeader(bytes: Uint8Array, blame: Blame): number {
  if (bytes.length < LENGTH_BYTES) throw blame('the file ends inside the length of the header', bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER_BYTES) {
    throw blame(`a header of ${length} bytes; the format's limit is ${MAX_HEADER_BYTES}`, 0, { length });
  }
  const have = bytes.length - LENGTH_BYTES;
  if (length > have) throw blame(`a header of ${length} bytes is declared, and ${have} follow`, 0, { length });
  return LENGTH_BYTES + length;
}

function elementType({ name, dtype, at }: TensorInfo, blame: Blame): StoredType {
  const stored = TYPES.get(dtype);
  if (stored) return stored;
  throw blame(
    `${quote(name)} has elements of type ${quote(dtype)}; read here are ${[...TYPES.keys()].join(', ')}`,
    at,
    { tensor: name, dtype },
  );
}

/** In order, each tensor begins where the one before it ends, and the last ends with the file. */
function checkTiling(infos: readonly TensorInfo[], have: number, blame: Blame): void {
  let free = 0;
  for (const { name, begin, end, at } of infos) {
    const offsets = { tensor: name, data_offsets: [begin, end] };
    if (end < begin) throw blame(`${quote(name)} ends at ${end}, before it begins at ${begin}`, at, offsets);
    if (begin !== free) {
      const fault = begin < free ? `overlap the tensor before it, which ends at ${free}` : `leave a gap after ${free}`;
      throw blame(`the offsets [${begin},${end}] of ${quote(name)} ${fault}`, at, offsets);
    }
    if (end > have) throw blame(`${quote(name)} ends at ${end}, and the file holds ${have} bytes`, at, offsets);
    free = end;
  }
  if (free !== have)
    throw blame(`${have - free} bytes at the end belong to no tensor`, LENGTH_BYTES, { unused: have - free });
}

function checkSize({ name, shape, begin, end, at }: TensorInfo, stored: StoredType, blame: Blame): void {
  const need = bytesFor(shape, stored);
  if (need === end - begin) return;
  const much = need === Infinity ? 'more bytes than can be counted' : `${need} bytes`;
  throw blame(`${quote(name)} of shape ${shapeText(shape)} needs ${much}, and its offsets give ${end - begin}`, at, {
    tensor: name,
    shape,
    data_offsets: [begin, end],
  });
}

/**
 * The bytes that the reference implementation writes for the same tensors; metadata entries in the order given.
 * @throws DataError for a name that UTF-8 cannot hold or the format reserves (`__metadata__`), a value that is no tensor,
 * metadata that is no text, or a header beyond the format's 100 MB; DeviceError where a device cannot be read at once.
 */
export function writeSafetensors(
  tensors: NamedTensors,
  options: { readonly metadata?: Metadata } = {},
): Uint8Array<ArrayBuffer> {
  const op = 'writeSafetensors';
  const pairs = namedTensors(op, tensors);
  if (pairs.some(([name]) => name === METADATA_KEY)) {
    throw new DataError(`${op}: the name '${METADATA_KEY}' is the format's own; give text as { metadata }`, {});
  }
  const sorted = pairs
    .map(([name, tensor]) => ({ name, key: toUtf8(name), tensor }))
    .sort((a, b) => ORDER.indexOf(a.tensor.dtype) - ORDER.indexOf(b.tensor.dtype) || compareBytes(a.key, b.key));

  const members: string[] = metadataMember(op, options.metadata ?? {});
  let size = 0;
  for (const { name, tensor } of sorted) {
    const end = size + bytesFor(tensor.shape, STORED[tensor.dtype]);
    members.push(`${JSON.stringify(name)}:${infoText(tensor.dtype, tensor.shape, size, end)}`);
    size = end;
  }
  const header = toUtf8(`{${members.join(',')}}`);
  const padded = Math.ceil(header.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES) {
    throw new DataError(`${op}: a header of ${padded} bytes; the format's limit is ${MAX_HEADER_BYTES}`, { padded });
  }
  const start = LENGTH_BYTES + padded;
  const file = new Uint8Array(start + size);
  new DataView(file.buffer).setUint32(0, padded, true);
  file.set(header, LENGTH_BYTES);
  file.fill(0x20, LENGTH_BYTES + header.length, start);
  let at = start;
  for (const { tensor } of sorted) {
    const elements = encode(tensor.dataSync());
    file.set(elements, at);
    at += elements.length;
  }
  return file;
}

function infoText(dtype: DType, shape: Shape, begin: number, end: number): string {
  return JSON.stringify({ dtype: NAMES[dtype], shape, data_offsets: [begin, end] });
}

/** `"__metadata__":{...}` if there is any. */
function metadataMember(op: string, metadata: Metadata): string[] {
  const pairs = metadata instanceof Map ? [...metadata] : Object.entries(metadata);
  const members = pairs.map(([key, text]) => {
    checkText(op, key);
    checkText(op, text, `the metadata ${quote(key)}`);
    return `${JSON.stringify(key)}:${JSON.stringify(text)}`;
  });
  return members.length === 0 ? [] : [`${JSON.stringify(METADATA_KEY)}:{${members.join(',')}}`];
}

/** The order of UTF-8 strings in Rust; JavaScript's own compares UTF-16 units, which puts some characters elsewhere. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
