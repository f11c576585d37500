// The header of a safetensors file: JSON of one fixed form.
//
//   { "__metadata__": { string: string, ... },  string: { "dtype": string, "shape": [size, ...], "data_offsets": [size, size] }, ... }
//
// JSON.parse would do, but for what it hides: of a key given twice it keeps the last, so that two readers can see two files in
// one; it takes sizes such as 1e3 and -0; and it cannot say where a mistake is. The grammar here is closed: anything but this form is
// an error, the one exception being that fields may stand in any order.

import { type Blame, MAX_RANK } from './format-error.ts';
import { Scanner } from './scanner.ts';
import { quote } from './text.ts';

export const METADATA_KEY = '__metadata__';

export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where the elements lie, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
  /** Where in the file the entry stands. */
  readonly at: number;
}

export interface Header {
  readonly infos: TensorInfo[];
  readonly metadata: Map<string, string>;
}

/** Reads bytes[start..end). The values are well-formed; whether they fit each other and the file is not looked at here. */
export function parseHeader(bytes: Uint8Array, range: { start: number; end: number }, blame: Blame): Header {
  const scanner = new Scanner(bytes, range, ' \t\n\r', blame);
  // The format's own rule: only the end may be padded.
  if (scanner.peek() !== '{') throw scanner.expected("'{'");
  const infos: TensorInfo[] = [];
  const names = new Set<string>();
  let metadata = new Map<string, string>();
  members(scanner, names, blame, (name, at) => {
    names.add(name);
    if (name === METADATA_KEY) metadata = readMetadata(scanner, blame);
    else infos.push({ name, at, ...readInfo(scanner, name, blame) });
  });
  scanner.expectEnd();
  return { infos, metadata };
}

/** The members of an object: `value` reads what follows each key, and adds the key to those that are `taken`. */
function members(
  scanner: Scanner,
  taken: { has(key: string): boolean },
  blame: Blame,
  value: (key: string, at: number) => void,
): void {
  scanner.expect('{');
  scanner.list('}', false, () => {
    scanner.skipSpaces();
    const at = scanner.position;
    const key = scanner.jsonString();
    if (taken.has(key)) throw blame(`the key ${quote(key)} is given twice`, at, { key });
    scanner.expect(':');
    value(key, at);
  });
}

function readMetadata(scanner: Scanner, blame: Blame): Map<string, string> {
  const metadata = new Map<string, string>();
  members(scanner, metadata, blame, (key) => {
    metadata.set(key, scanner.jsonString());
  });
  return metadata;
}

const FIELDS = ['dtype', 'shape', 'data_offsets'];

function readInfo(scanner: Scanner, name: string, blame: Blame): Omit<TensorInfo, 'name' | 'at'> {
  const seen = new Set<string>();
  const start = scanner.position;
  let dtype = '';
  let shape: number[] = [];
  let offsets: number[] = [];
  members(scanner, seen, blame, (key, at) => {
    seen.add(key);
    switch (key) {
      case 'dtype':
        dtype = scanner.jsonString();
        break;
      case 'shape':
        shape = readSizes(scanner, MAX_RANK, blame);
        break;
      case 'data_offsets':
        offsets = readSizes(scanner, 2, blame);
        if (offsets.length !== 2) throw blame('data_offsets are two numbers', at);
        break;
      default:
        throw blame(`${quote(name)} has a field ${quote(key)}; the format has ${FIELDS.join(', ')}`, at, { key });
    }
  });
  const missing = FIELDS.find((key) => !seen.has(key));
  if (missing) throw blame(`${quote(name)} lacks the field '${missing}'`, start, { tensor: name, missing });
  return { dtype, shape, begin: offsets[0]!, end: offsets[1]! };
}

function readSizes(scanner: Scanner, most: number, blame: Blame): number[] {
  const sizes: number[] = [];
  scanner.expect('[');
  scanner.list(']', false, () => {
    if (sizes.length === most) throw blame(`a list of more than ${most} sizes`, scanner.position);
    sizes.push(scanner.integer());
  });
  return sizes;
}
