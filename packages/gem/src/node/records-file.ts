// Records in a file of one's own: the sink for jsonlLogger and csvLogger, and the way back. (A saved run keeps its own.)

import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { readRecords } from '../run/read-records.ts';
import type { RecordLine } from '../run/records.ts';

export interface RecordsFile {
  /** Appends; when it returns, the text is with the system. */
  readonly write: (text: string) => void;
  readonly close: () => void;
}

/** Appends to a file, which is made if it is not there. Errors are those of the file system. */
export function recordsFile(path: string): RecordsFile {
  const file = openSync(path, 'a');
  return { write: (text) => void writeSync(file, text), close: () => closeSync(file) };
}

/**
 * The lines of a file that jsonlLogger has written, one after another: the file may be larger than memory.
 * @throws RecordLineError for a line that is not one of ours.
 */
export function readRecordsFile(path: string): AsyncGenerator<RecordLine> {
  return readRecords(createReadStream(path, 'utf8'), path);
}
