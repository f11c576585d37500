// .npz: several arrays in one file, namely a zip archive (zip.ts) with a .npy (npy.ts) for each. np.savez stores the entries,
// np.savez_compressed deflates them.

import { DataError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { bytesFor, STORED } from './elements.ts';
import {
  type Blame,
  type Bytes,
  bytesOf,
  FormatError,
  type NamedTensors,
  namedTensors,
  type ReadOptions,
} from './format-error.ts';
import { isNpy, parseNpy, writeNpy } from './npy.ts';
import { quote, toUtf8 } from './text.ts';
import { unpack, writeZip, zipEntries } from './zip.ts';

const SUFFIX = '.npy';
const MAX_ENTRIES = 65534;
const MAX_NAME_BYTES = 0xffff;
/** Short of 4 GiB by what deflate may add to data that does not compress. */
const MAX_BYTES = 2 ** 32 - 2 ** 24;
/** Both zip headers of an entry, and room for that of the array. */
const ENTRY_OVERHEAD = 30 + 46 + 1024;

export interface ReadNpzOptions extends ReadOptions {
  /**
   * The most bytes that compressed entries may declare for themselves unpacked, together; 2^30 (1 GiB) by default. (Stored
   * entries are as large as the file that holds them.)
   */
  readonly maxInflatedBytes?: number;
}

/**
 * The arrays of an archive, in its order, by name: that of the entry without `.npy`. What each becomes, `readNpy` says.
 * @throws FormatError if the archive or an array in it is malformed, holds anything but arrays, gives two one name, or inflates
 * beyond the limit (found before anything is unpacked); DataError unless given bytes.
 */
export function readNpz(file: Bytes, options: ReadNpzOptions = {}): Map<string, Tensor> {
  const bytes = bytesOf('readNpz', file);
  const blame: Blame = (problem, offset, fields) => new FormatError('npz', problem, offset, fields);
  // A folder, which packing one by hand leaves behind, holds nothing to miss.
  const entries = zipEntries(bytes, blame).filter(({ name, size }) => size > 0 || !name.endsWith('/'));
  const limit = options.maxInflatedBytes ?? 2 ** 30;
  let inflated = 0;
  const names = new Set<string>();
  for (const { name, start, deflated, size } of entries) {
    if (deflated) inflated += size;
    if (!(inflated <= limit)) {
      throw blame(`entries inflate to more than ${limit} bytes; if you trust the file, raise maxInflatedBytes`, start, {
        limit,
        inflated,
      });
    }
    const key = keyOf(name);
    if (names.has(key)) throw blame(`two arrays are named ${quote(key)}`, start, { entry: name });
    names.add(key);
  }
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const { name, start, deflated } = entry;
    const data = unpack(bytes, entry, blame);
    const blameEntry: Blame = (problem, offset, fields) =>
      blame(`entry ${quote(name)}: ${problem}`, deflated ? start : start + offset, {
        ...fields,
        entry: name,
        offsetInEntry: offset,
      });
    if (!isNpy(data)) throw blameEntry('not an array: it does not start as .npy files do', 0);
    tensors.set(keyOf(name), parseNpy(data, options, blameEntry));
  }
  return tensors;
}

function keyOf(name: string): string {
  return name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name;
}

/**
 * An archive that `np.load` reads, with the entry `name.npy` for each tensor; the same bytes for the same tensors. Stored as
 * by np.savez, or deflated if `compress`.
 * @throws DataError for a name that UTF-8 or zip cannot hold, a value that is no tensor, or more than zip holds (65534 entries,
 * 4 GiB unpacked); ShapeError beyond 64 axes; DeviceError where a device cannot be read at once.
 */
export function writeNpz(
  tensors: NamedTensors,
  { compress = false }: { readonly compress?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const pairs = namedTensors('writeNpz', tensors);
  const files: { name: string; data: Uint8Array }[] = [];
  let total = 0;
  for (const [name, tensor] of pairs) {
    const entry = name + SUFFIX;
    const nameBytes = toUtf8(entry).length;
    if (nameBytes > MAX_NAME_BYTES) {
      throw new DataError(`writeNpz: a name of ${nameBytes} bytes; zip holds ${MAX_NAME_BYTES}`, { name });
    }
    total += bytesFor(tensor.shape, STORED[tensor.dtype]) + nameBytes * 2 + ENTRY_OVERHEAD;
    if (pairs.length > MAX_ENTRIES || total > MAX_BYTES) {
      const most = `${MAX_ENTRIES} entries, 4 GiB`;
      throw new DataError(`writeNpz: more than zip holds (${most}); write several archives`, { total });
    }
    files.push({ name: entry, data: writeNpy(tensor) });
  }
  return writeZip(files, compress);
}
