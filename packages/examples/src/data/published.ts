// Files as their authors published them: held to the MD5 that stands beside the download.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
// (Its types want the DOM's, which nothing here may lean on: hence skipLibCheck in tsconfig.json.)
import { parseTar } from 'nanotar';
import { DataFileError } from './errors.ts';

/** @param missing what to say where the file cannot be read. @throws DataFileError if it cannot, or is not the published one. */
export function readPublished(path: string, md5: string, missing: string): Uint8Array {
  let content: Uint8Array;
  try {
    content = readFileSync(path);
  } catch (cause) {
    throw new DataFileError(path, missing, { cause });
  }
  const found = createHash('md5').update(content).digest('hex');
  if (found !== md5) throw new DataFileError(path, `is not the published file (MD5 ${found}, expected ${md5})`);
  return content;
}

/** The files in a published .tar.gz by name, without their folders; null where there is no such archive. @throws DataFileError */
export function readArchive(path: string, md5: string): ReadonlyMap<string, Uint8Array> | null {
  if (!existsSync(path)) return null;
  const entries = parseTar(gunzipSync(readPublished(path, md5, 'cannot be read')));
  return new Map(
    entries.flatMap(({ name, type, data }) => (type === 'file' && data ? [[basename(name), data] as const] : [])),
  );
}
