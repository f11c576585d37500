// The zip container, as far as .npz needs it (PKWARE's APPNOTE 6.3; deflate, RFC 1951, is a library's part).
//
//   entry*     local header (30 bytes, name, extra field), data
//   directory  for each entry a central header (46 bytes, name, extra field, comment)
//   end        22 bytes: how many entries, where the directory lies; then a comment
//
// Any part may lie, so each is held against the others and the bytes at hand. The directory must fill the space before the end
// record. Entries may not overlap: one block listed a thousand times is a bomb. The two headers of an entry must agree. A deflated
// entry may declare at most 1032 times its compressed size, which is as far as deflate goes, and at most what the caller
// allows for all entries together; inflating stops at the first byte too many.

import { deflateRaw, inflateRaw } from '#deflate';
import type { Blame } from './format-error.ts';
import { fromUtf8, quote, toUtf8 } from './text.ts';

const LOCAL = { signature: 0x04034b50, bytes: 30 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const END = { signature: 0x06054b50, bytes: 22 };
const MAX_COMMENT = 0xffff;
const ENCRYPTED = 1;
const UTF8_NAME = 0x800;
/** A field that says so sends the reader to a zip64 record. */
const SEE_ZIP64 = 0xffffffff;
/** A match of 258 bytes can cost 2 bits. */
const DEFLATE_RATIO = 1032;
/** Of the format that writes files such as these. */
const VERSION = 20;
/** 1980-01-01, where zip's calendar starts; the time of writing would make every file differ. */
const DATE = (1 << 5) | 1;

export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  /** Where the data lies, as stored. */
  readonly start: number;
  readonly end: number;
  /** The size it declares for itself when unpacked. */
  readonly size: number;
  readonly crc: number;
}

/** The entries in the order of the directory. Nothing is unpacked. */
export function zipEntries(bytes: Uint8Array, blame: Blame): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = findEnd(view, blame);
  const disks = [view.getUint16(end + 4, true), view.getUint16(end + 6, true)];
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  const directory = view.getUint32(end + 16, true);
  if (count === 0xffff || size === SEE_ZIP64 || directory === SEE_ZIP64) {
    throw blame('a zip64 archive; only archives of up to 65534 entries and 4 GiB are read', end);
  }
  if (disks.some((disk) => disk !== 0) || view.getUint16(end + 8, true) !== count) {
    throw blame('one part of an archive in several files', end);
  }
  if (directory + size !== end) {
    const found = `${directory} to ${directory + size}`;
    throw blame(`the directory should end where the end record starts, at ${end}; it is declared at ${found}`, end);
  }
  const entries: ZipEntry[] = [];
  const spans: { readonly start: number; readonly end: number }[] = [];
  let at = directory;
  for (let i = 0; i < count; i++) {
    const central = readCentral(bytes, view, at, end, blame);
    const start = checkLocal(bytes, view, central, directory, blame);
    entries.push({ ...central.entry, start, end: start + central.packed });
    spans.push({ start: central.local, end: start + central.packed });
    at = central.next;
  }
  if (at !== end) throw blame(`${end - at} bytes of the directory belong to no entry`, at);
  spans.sort((a, b) => a.start - b.start);
  const second = spans.find(({ start }, i) => i > 0 && start < spans[i - 1]!.end);
  if (second) throw blame('two entries overlap', second.start);
  return entries;
}

/** The end record is the last thing but its comment, whose length it tells: the search goes backwards. */
function findEnd(view: DataView, blame: Blame): number {
  const last = view.byteLength - END.bytes;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
    if (view.getUint32(at, true) === END.signature && at + view.getUint16(at + 20, true) === last) return at;
  }
  throw blame('not a zip archive, or one cut short: it has no end record', Math.max(0, last));
}

interface Central {
  readonly entry: Pick<ZipEntry, 'name' | 'deflated' | 'size' | 'crc'>;
  /** Bytes as stored. */
  readonly packed: number;
  /** Where the local header lies. */
  readonly local: number;
  /** The name as it stands, for the local header to repeat. */
  readonly rawName: Uint8Array;
  readonly next: number;
}

function readCentral(bytes: Uint8Array, view: DataView, at: number, end: number, blame: Blame): Central {
  if (at + CENTRAL.bytes > end || view.getUint32(at, true) !== CENTRAL.signature) {
    throw blame('the directory has fewer entries than the end record declares', at);
  }
  const u16 = (offset: number) => view.getUint16(at + offset, true);
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const nameStart = at + CENTRAL.bytes;
  const nameEnd = nameStart + u16(28);
  const next = nameEnd + u16(30) + u16(32);
  if (next > end) throw blame('the directory ends inside an entry', at);
  const rawName = bytes.subarray(nameStart, nameEnd);
  const name = fromUtf8(bytes, nameStart, nameEnd);
  // Without the mark a name is in an old code page, which agrees with UTF-8 on ASCII only.
  if (name === undefined || ((u16(8) & UTF8_NAME) === 0 && rawName.some((byte) => byte > 0x7f))) {
    throw blame('the name of an entry is neither ASCII nor marked and valid UTF-8', nameStart);
  }
  const entry = `entry ${quote(name)}`;
  if (u16(8) & ENCRYPTED) throw blame(`${entry} is encrypted`, at, { entry: name });
  const method = u16(10);
  if (method !== 0 && method !== 8) {
    throw blame(`${entry} is packed by method ${method}; stored (0) and deflated (8) entries are read`, at, {
      entry: name,
      method,
    });
  }
  const [crc, packed, size, local] = [u32(16), u32(20), u32(24), u32(42)];
  if (packed === SEE_ZIP64 || size === SEE_ZIP64 || local === SEE_ZIP64) {
    throw blame(`${entry} is a zip64 entry, of 4 GiB or more`, at, { entry: name });
  }
  if (method === 0 ? packed !== size : size > packed * DEFLATE_RATIO) {
    throw blame(`${entry} declares ${size} bytes, which its ${packed} cannot hold`, at, { entry: name, packed, size });
  }
  return { entry: { name, deflated: method === 8, size, crc }, packed, local, rawName, next };
}

/** Where the data starts: behind a local header that agrees with the central one. The data must end before the directory. */
function checkLocal(bytes: Uint8Array, view: DataView, central: Central, directory: number, blame: Blame): number {
  const { local, packed, rawName, entry } = central;
  const fields = { entry: entry.name };
  const what = `entry ${quote(entry.name)}`;
  if (local + LOCAL.bytes > directory || view.getUint32(local, true) !== LOCAL.signature) {
    throw blame(`${what} has no local header where the directory says`, Math.min(local, directory), fields);
  }
  const nameStart = local + LOCAL.bytes;
  const nameEnd = nameStart + view.getUint16(local + 26, true);
  const start = nameEnd + view.getUint16(local + 28, true);
  if (start + packed > directory) throw blame(`${what} runs into the directory`, local, { ...fields, packed });
  const name = bytes.subarray(nameStart, nameEnd);
  if (name.length !== rawName.length || name.some((byte, i) => byte !== rawName[i])) {
    throw blame(`${what} has another name in its local header`, nameStart, fields);
  }
  return start;
}

/** The unpacked bytes of an entry (of a stored one, a view): as many as it declares, with the checksum it declares. */
export function unpack(bytes: Uint8Array, entry: ZipEntry, blame: Blame): Uint8Array {
  const { start, end, size, deflated } = entry;
  const data = deflated ? inflated(bytes.subarray(start, end), entry, blame) : bytes.subarray(start, end);
  const crc = crc32(data);
  if (crc !== entry.crc) {
    throw blame(`entry ${quote(entry.name)} is damaged: its checksum is not the one declared`, start, {
      entry: entry.name,
      expected: entry.crc,
      found: crc,
      size,
    });
  }
  return data;
}

function inflated(packed: Uint8Array, { name, size, start }: ZipEntry, blame: Blame): Uint8Array {
  const wrong = (problem: string) => blame(`entry ${quote(name)} ${problem}`, start, { entry: name, size });
  const data = inflateRaw(packed, size);
  if (data === 'too long') throw wrong(`inflates to more than the ${size} bytes it declares`);
  if ('invalid' in data) throw wrong(`is not valid deflate data: ${data.invalid}`);
  if (data.length < size) throw wrong(`inflates to ${data.length} bytes and declares ${size}`);
  return data;
}

/** An archive of these files, in this order. The sizes and the count must be what zip holds. */
export function writeZip(
  files: readonly { readonly name: string; readonly data: Uint8Array }[],
  compress: boolean,
): Uint8Array<ArrayBuffer> {
  const parts = files.map(({ name, data }) => {
    const bytes = toUtf8(name);
    return {
      name: bytes,
      utf8: bytes.length !== name.length,
      data,
      crc: crc32(data),
      packed: compress ? deflateRaw(data) : data,
    };
  });
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  const directory = sum(parts.map(({ name, packed }) => LOCAL.bytes + name.length + packed.length));
  const end = directory + sum(parts.map(({ name }) => CENTRAL.bytes + name.length));
  const out = new Uint8Array(end + END.bytes);
  const view = new DataView(out.buffer);
  let [at, entry] = [0, directory];
  for (const { name, utf8, data, crc, packed } of parts) {
    const local = at;
    // What both headers say, in the same order.
    const common = (from: number) => {
      view.setUint16(from, VERSION, true);
      view.setUint16(from + 2, utf8 ? UTF8_NAME : 0, true);
      view.setUint16(from + 4, compress ? 8 : 0, true);
      view.setUint16(from + 8, DATE, true);
      view.setUint32(from + 10, crc, true);
      view.setUint32(from + 14, packed.length, true);
      view.setUint32(from + 18, data.length, true);
      view.setUint16(from + 22, name.length, true);
    };
    view.setUint32(at, LOCAL.signature, true);
    common(at + 4);
    out.set(name, at + LOCAL.bytes);
    out.set(packed, at + LOCAL.bytes + name.length);
    at += LOCAL.bytes + name.length + packed.length;
    view.setUint32(entry, CENTRAL.signature, true);
    view.setUint16(entry + 4, VERSION, true);
    common(entry + 6);
    view.setUint32(entry + 42, local, true);
    out.set(name, entry + CENTRAL.bytes);
    entry += CENTRAL.bytes + name.length;
  }
  view.setUint32(end, END.signature, true);
  view.setUint16(end + 8, files.length, true);
  view.setUint16(end + 10, files.length, true);
  view.setUint32(end + 12, end - directory, true);
  view.setUint32(end + 16, directory, true);
  return out;
}

let crcTable: Int32Array | null = null;

/** CRC-32 as in zip (ISO 3309: polynomial 0x04c11db7, bits reversed). */
function crc32(bytes: Uint8Array): number {
  crcTable ??= Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
