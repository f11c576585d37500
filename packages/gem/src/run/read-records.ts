// Records come back from files, and files are strangers: each line is checked, down to the length of every list in it, and one that is not
// as it was written is refused by its number.

import { GemError } from '../errors.ts';
import { type Fault, faultOf } from './check-record.ts';
import type { RecordLine } from './records.ts';

/** A line of records that cannot be used. Those before it could. */
export class RecordLineError extends GemError {
  static override readonly name: string = 'RecordLineError';
  /** What was read: a file, or whatever the caller named. */
  readonly source: string;
  /** From 1. */
  readonly line: number;
  /** Not as it was written, not ours, or of a schema that this version does not know. */
  readonly fault: Fault['fault'];
  /** The part that is to blame: 'plugins.gem.dots'. */
  readonly path: string;

  constructor(source: string, line: number, { fault, path, found, expected }: Fault) {
    const text = JSON.stringify(found) ?? 'missing';
    const short = text.length > 60 ? `${text.slice(0, 60)}...` : text;
    const what = path === '' ? short : `${path} is ${short}`;
    super('readRecords', `${source}, line ${line}: ${what}; expected ${expected}`, {
      source,
      line,
      fault,
      path,
      found,
    });
    this.source = source;
    this.line = line;
    this.fault = fault;
    this.path = path;
  }
}

/**
 * Records from the text of whole lines.
 * @param source names it in errors.
 * @throws RecordLineError
 */
export function parseRecords(text: string, source = 'records'): RecordLine[] {
  const lines = text.split('\n');
  const rest = lines.pop()!;
  const records = lines.map((line, i) => parseLine(line, source, i + 1));
  wantNoRest(rest, source, lines.length);
  return records;
}

/**
 * Records from text that comes in pieces of any size (a file's stream, a response's body), as they come.
 * @param source names it in errors.
 * @throws RecordLineError when it gets to the line.
 */
export async function* readRecords(
  pieces: Iterable<string> | AsyncIterable<string>,
  source = 'records',
): AsyncGenerator<RecordLine> {
  let rest = '';
  let count = 0;
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield parseLine(line, source, ++count);
  }
  wantNoRest(rest, source, count);
}

function wantNoRest(rest: string, source: string, lines: number): void {
  if (rest === '') return;
  const expected = 'a line end after it: it was cut off';
  throw new RecordLineError(source, lines + 1, { fault: 'damaged', path: '', found: rest, expected });
}

function parseLine(text: string, source: string, line: number): RecordLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RecordLineError(source, line, { fault: 'damaged', path: '', found: text, expected: 'a JSON document' });
  }
  const fault = faultOf(value);
  if (fault !== null) throw new RecordLineError(source, line, fault);
  return value as RecordLine;
}
