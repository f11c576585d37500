// run.json: what a run is, and which of the files beside it belong to it, each with its size and checksum. It is written last: a file
// that it does not name does not count, so the run jumps from one saved state to the next and is never between them.
//
// The text is exactly what `manifestText` makes of its content, checksum first, so that no changed byte goes unnoticed.

import type { Json } from '../state.ts';
import { crc32, fromUtf8, toUtf8 } from './bytes.ts';
import type { Place } from './checkpoint.ts';
import { RunFileError } from './errors.ts';
import type { RunStore } from './store.ts';

export const MANIFEST = 'run.json';
const FORMAT = 'gemlab run';
const VERSION = 1;

export interface FileEntry {
  readonly file: string;
  readonly bytes: number;
  readonly crc32: string;
}

/** A saved state, and the time spent on the run up to it. */
export interface CheckpointEntry extends FileEntry, Place {
  readonly seconds: number;
}

/** The records from the checkpoint before to one of this place. */
export type RecordsEntry = FileEntry & Place;

export interface Manifest {
  /** What the experiment was built from. */
  readonly config: Json;
  readonly settings: RunSettings;
  /** What ran, from which step on. */
  readonly versions: readonly { readonly step: number; readonly versions: Readonly<Record<string, string>> }[];
  /** Where this run branched off from another, and what it changed. */
  readonly branch: { readonly step: number; readonly change: Json } | null;
  readonly finished: boolean;
  /** Oldest first. */
  readonly checkpoints: readonly CheckpointEntry[];
  /** Oldest first; all together they go up to the newest checkpoint. */
  readonly records: readonly RecordsEntry[];
}

/** How a run is saved. The same when it is resumed. */
export interface RunSettings {
  /** Steps from one checkpoint to the next; there is also one after each measurement. */
  readonly checkpointEvery: number;
  /** Checkpoints that stay: the newest so many; null for all. */
  readonly keep: number | null;
  /** Every so many steps one is recorded. */
  readonly recordEvery: number;
}

function manifestText(manifest: Manifest): string {
  const content = JSON.stringify({ format: FORMAT, version: VERSION, ...manifest }, null, 2);
  return `{\n  "crc32": "${crc32(toUtf8(content))}",${content.slice(1)}\n`;
}

export const writeManifest = (store: RunStore, manifest: Manifest): Promise<void> =>
  store.write(MANIFEST, toUtf8(manifestText(manifest)));

/** null where there is no run. @throws RunFileError for a run.json that is damaged, foreign or of another version. */
export async function findManifest(operation: string, store: RunStore): Promise<Manifest | null> {
  const bytes = await store.read(MANIFEST);
  if (bytes === null) return null;
  const text = fromUtf8(bytes);
  const { crc32: _, format, version, ...manifest } = parse(text) ?? {};
  if (format !== FORMAT) {
    const rule = 'is not the description of a run, or no longer readable';
    throw new RunFileError(operation, MANIFEST, 'foreign', `${rule}: expected JSON with "format": "${FORMAT}"`);
  }
  if (version === VERSION && manifestText(manifest as unknown as Manifest) === text)
    return manifest as unknown as Manifest;
  if (version === VERSION || !Number.isSafeInteger(version)) {
    const rule = 'was changed after it was written: its checksum does not fit. Restore it from a copy';
    throw new RunFileError(operation, MANIFEST, 'damaged', rule);
  }
  const rule = `has version ${version}, and this gemlab reads version ${VERSION}; use the gemlab that wrote it`;
  throw new RunFileError(operation, MANIFEST, 'version', rule, { version });
}

/** @throws RunFileError as findManifest, and where there is no run. */
export async function readManifest(operation: string, store: RunStore): Promise<Manifest> {
  const manifest = await findManifest(operation, store);
  if (manifest !== null) return manifest;
  throw new RunFileError(operation, MANIFEST, 'missing', 'is missing: no run has been saved here');
}

function parse(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a file, and says how the manifest names it. */
export async function writeFile(store: RunStore, file: string, bytes: Uint8Array): Promise<FileEntry> {
  await store.write(file, bytes);
  return { file, bytes: bytes.length, crc32: crc32(bytes) };
}

/** The bytes of a file that the manifest names. @throws RunFileError unless they are those that were written. */
export async function readFile(operation: string, store: RunStore, entry: FileEntry): Promise<Uint8Array> {
  const bytes = await store.read(entry.file);
  if (bytes === null) throw new RunFileError(operation, entry.file, 'missing', `is missing, and ${MANIFEST} names it`);
  const found = { bytes: bytes.length, crc32: crc32(bytes) };
  if (found.bytes === entry.bytes && found.crc32 === entry.crc32) return bytes;
  const rule =
    found.bytes === entry.bytes
      ? `is damaged: its checksum is ${found.crc32}, and was ${entry.crc32} when it was written`
      : `is damaged: it has ${found.bytes} bytes, and had ${entry.bytes} when it was written`;
  throw new RunFileError(operation, entry.file, 'damaged', rule, found);
}
