// Records as JSON lines: what was written is read, in pieces of any size, and nothing else is.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { readRecordsFile, recordsFile } from '../../src/node/index.ts';
import { GEMPlugin } from '../../src/plugins/gem.ts';
import {
  jsonlLogger,
  memoryStore,
  parseRecords,
  type RecordLine,
  RecordLineError,
  readRecords,
  readRun,
  startRun,
} from '../../src/run/index.ts';
import { runStream } from '../../src/strategy/run-stream.ts';
import { toyStrategy, toyStream } from '../toy.ts';
import { build, config } from './experiment.ts';

type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

let text: string;
let lines: string[];
beforeAll(async () => {
  const written: string[] = [];
  const gem = new GEMPlugin({ patternsPerExperience: 6, record: 'all', actualChange: true });
  const plugins = [gem, jsonlLogger({ write: (line) => void written.push(line) })];
  await runStream(toyStrategy({ plugins }), toyStream(3, 15));
  text = written.join('');
  lines = text.trimEnd().split('\n');
});

async function collect(pieces: Iterable<string> | AsyncIterable<string>): Promise<RecordLine[]> {
  const all: RecordLine[] = [];
  for await (const line of readRecords(pieces)) all.push(line);
  return all;
}

function refused(broken: string): RecordLineError {
  try {
    parseRecords(broken, 'here');
  } catch (error) {
    expect(error).toBeInstanceOf(RecordLineError);
    return error as RecordLineError;
  }
  throw new Error(`read: ${broken}`);
}

describe('records', () => {
  test('are read as they were written, in pieces of any size', async () => {
    const expected = lines.map((line) => JSON.parse(line));
    expect(parseRecords(text)).toEqual(expected);
    expect(new Set(expected.map(({ kind }) => kind))).toEqual(new Set(['step', 'eval']));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 20 }), async (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, i) => text.slice(at[i], end));
        expect(await collect(pieces)).toEqual(expected);
      }),
      { numRuns: 20 },
    );
    async function* late() {
      for (const line of lines) yield `${line}\n`;
    }
    expect(await collect(late())).toEqual(expected);
  });

  test('a text that ends too early is refused by line, whatever came before it was given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 2), async (end) => {
        const part = text.slice(0, end + 1);
        fc.pre(!part.endsWith('\n'));
        const line = part.split('\n').length;
        expect(refused(part)).toMatchObject({ line, fault: 'damaged', source: 'here' });
        const given: RecordLine[] = [];
        const reading = (async () => {
          for await (const record of readRecords([part])) given.push(record);
        })();
        await expect(reading).rejects.toThrow(`line ${line}: `);
        expect(given).toHaveLength(line - 1);
      }),
      { numRuns: 30 },
    );
  });

  test('a field that is missing or of another kind is refused by name, wherever it is', () => {
    /** Every place in plain data. */
    const places = (value: Plain, path: string[] = []): string[][] =>
      typeof value !== 'object' || value === null
        ? []
        : Object.entries(value).flatMap(([key, item]) => [[...path, key], ...places(item, [...path, key])]);
    const change = (
      value: Plain,
      [key, ...rest]: string[],
      act: (holder: Record<string, Plain>, key: string) => void,
    ) => {
      const holder = value as Record<string, Plain>;
      if (rest.length === 0) act(holder, key!);
      else change(holder[key!]!, rest, act);
    };
    const projected = lines.filter((line) => /"projection":\{/.test(line))[0]!;
    const measured = lines.find((line) => line.includes('"eval"'))!;
    let tried = 0;
    for (const line of [projected, measured]) {
      for (const place of places(JSON.parse(line))) {
        for (const wrong of [undefined, true]) {
          const copy = JSON.parse(line) as Plain;
          change(copy, place, (holder, key) => {
            if (wrong !== undefined) holder[key] = wrong;
            else if (Array.isArray(holder)) holder.splice(Number(key), 1);
            else delete holder[key];
          });
          // One violated or active task less, or no record of GEM at all, is a record too.
          const path = place.join('.');
          if (wrong === undefined && /^plugins\.gem$|\.(violated|active|layers|tasks)\.\d+$|^results\.\d+$/.test(path))
            continue;
          const { message } = refused(`${JSON.stringify(copy)}\n`);
          expect(message).toMatch(/^readRecords: here, line 1: /);
          tried++;
        }
      }
    }
    expect(tried).toBeGreaterThan(150);
  });

  test.each([
    ['[1]', 'foreign', "a record line, of kind 'step' or 'eval'"],
    ['{"kind":"other"}', 'foreign', "a record line, of kind 'step' or 'eval'"],
    ['{"kind":"step","schema":2}', 'version', 'schema is 2; expected 1, which is what this version reads'],
    ['{"kind":"step"}', 'version', 'schema is missing; expected 1'],
    ['{"kind":"eval","schema":1,"step":-1}', 'damaged', 'step is -1; expected an integer >= 0'],
    ['kind', 'damaged', 'expected a JSON document'],
    ['', 'damaged', 'expected a JSON document'],
  ])('%s is refused', (line, fault, message) => {
    const error = refused(`${lines[0]}\n${line}\n`);
    expect(error).toMatchObject({ line: 2, fault });
    expect(error.message).toContain(message);
  });

  test("a record of GEM's with a profile that there is not is refused", () => {
    const line = JSON.parse(lines.findLast((l) => l.includes('"kind":"step"'))!);
    line.plugins.gem.profile = 'foo';
    const { path, message } = refused(`${JSON.stringify(line)}\n`);
    expect(path).toBe('plugins.gem.profile');
    expect(message).toContain('plugins.gem.profile is "foo"; expected one of exact, reference, avalanche');
  });

  test('a list of another length than there are tasks is refused', () => {
    const line = JSON.parse(lines.findLast((l) => l.includes('"kind":"step"'))!);
    line.plugins.gem.dots.push(0);
    const error = refused(`${JSON.stringify(line)}\n`);
    expect(error.path).toBe('plugins.gem.dots');
    expect(error.message).toMatch(/plugins.gem.dots is \[.*\]; expected a list of 2/);
  });

  test('a saved run has the same lines', async () => {
    const store = memoryStore();
    await startRun(store, { config: { ...config, epochs: 1 }, build });
    const { records } = await readRun(store);
    expect(records.length).toBeGreaterThan(15);
    expect(parseRecords(records.map((line) => `${JSON.stringify(line)}\n`).join(''))).toEqual(records);
  });

  test('in a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gemlab-records-'));
    try {
      const path = join(folder, 'steps.jsonl');
      for (const part of [lines.slice(0, 3), lines.slice(3)]) {
        const file = recordsFile(path);
        for (const line of part) file.write(`${line}\n`);
        file.close();
      }
      const read: RecordLine[] = [];
      for await (const line of readRecordsFile(path)) read.push(line);
      expect(read).toEqual(lines.map((line) => JSON.parse(line)));
      const file = recordsFile(path);
      file.write('{"kind":');
      file.close();
      await expect(collect2(readRecordsFile(path))).rejects.toThrow(`${path}, line ${lines.length + 1}: `);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

async function collect2(records: AsyncIterable<RecordLine>): Promise<number> {
  let count = 0;
  for await (const _ of records) count++;
  return count;
}
