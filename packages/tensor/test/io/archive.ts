// Zip archives written field by field, so that each field can lie.

import { deflateRawSync } from 'node:zlib';

export interface Member {
  readonly name: string | Uint8Array;
  /** The data as it is stored. */
  readonly packed: Uint8Array;
  readonly size: number;
  readonly crc: number;
  readonly method: number;
  readonly flags?: number;
  readonly localName?: string;
  readonly localSignature?: number;
  readonly packedSize?: number;
  /** Where the directory says that the local header lies. */
  readonly localOffset?: number;
  readonly extra?: Uint8Array;
}

export interface Ending {
  readonly count?: number;
  readonly countHere?: number;
  readonly disk?: number;
  readonly directory?: number;
  readonly directorySize?: number;
  readonly comment?: string;
  readonly commentLength?: number;
  /** Between the directory and the end record. */
  readonly between?: Uint8Array;
}

/** CRC-32, bit by bit. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** An honest entry, deflated or stored, and what of it is changed. */
export function member(name: string, data: Uint8Array, deflated = true, lies: Partial<Member> = {}): Member {
  const packed = deflated ? deflateRawSync(data) : data;
  return { name, packed, size: data.length, crc: crc32(data), method: deflated ? 8 : 0, ...lies };
}

const u16 = (...values: number[]) => Buffer.from(Uint16Array.from(values).buffer);
const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);

export function archive(members: readonly Member[], ending: Ending = {}): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let at = 0;
  for (const m of members) {
    const { flags = 0, extra = new Uint8Array(), method, crc, packed, size } = m;
    const name = Buffer.from(m.name as string);
    const localName = Buffer.from(m.localName ?? (m.name as string));
    const shared = [u16(20, flags, method), u32(0x210000), u32(crc, m.packedSize ?? packed.length, size)];
    const local = Buffer.concat([
      ...[u32(m.localSignature ?? 0x04034b50), ...shared, u16(localName.length, extra.length)],
      ...[localName, extra, packed],
    ]);
    const place = [u16(name.length, extra.length, 0, 0, 0), u32(0, m.localOffset ?? at)];
    centrals.push(Buffer.concat([u32(0x02014b50), u16(20), ...shared, ...place, name, extra]));
    locals.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(centrals);
  const { count = members.length, countHere = count, disk = 0, comment = '', between = new Uint8Array() } = ending;
  return Buffer.concat([
    ...locals,
    directory,
    between,
    u32(0x06054b50),
    u16(disk, disk, countHere, count),
    u32(ending.directorySize ?? directory.length, ending.directory ?? at),
    u16(ending.commentLength ?? comment.length),
    Buffer.from(comment, 'latin1'),
  ]);
}
