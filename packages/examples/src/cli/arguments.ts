// The command line as a request: what to do, for which example, with which options. Node's own parser splits it up; what it lets pass
// (names it does not know) is caught here, where the right names are known.

import { parseArgs } from 'node:util';
import type { Example, PresetName, Settings } from '../examples/example.ts';
import { EXAMPLES } from '../examples/index.ts';
import { suggestion, UsageError } from './errors.ts';
import { optionName, readSettings, SETTING_NAMES } from './options.ts';

export type Request =
  | { readonly action: 'help'; readonly example: Example | null }
  | { readonly action: 'list'; readonly json: boolean }
  | {
      readonly action: 'run';
      readonly example: Example;
      readonly preset: PresetName;
      readonly settings: Settings;
      readonly json: boolean;
    };

const FLAGS = ['help', 'json'];
const VALUED = ['preset', ...SETTING_NAMES.map(optionName)];

/** @param argv without node and script. @throws UsageError */
export function readArguments(argv: readonly string[]): Request {
  // `pnpm start -- --seed 1` hands the dashes on.
  const args = argv[0] === '--' ? argv.slice(1) : [...argv];
  const { tokens } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      ...Object.fromEntries(FLAGS.map((name) => [name, { type: 'boolean' as const }])),
      ...Object.fromEntries(VALUED.map((name) => [name, { type: 'string' as const }])),
      help: { type: 'boolean', short: 'h' },
    },
  });

  const words: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    if (FLAGS.includes(name)) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value, found '${value}'`);
      flags.add(name);
    } else if (VALUED.includes(name)) {
      if (value === undefined) throw new UsageError(`${rawName} needs a value: ${rawName} VALUE`);
      values.set(name, value);
    } else {
      throw new UsageError(`there is no option '${rawName}'${suggestion(name, [...FLAGS, ...VALUED], '--')}`);
    }
  }

  const [word, ...more] = words;
  if (word === 'list') {
    if (flags.has('help')) return { action: 'help', example: null };
    if (more.length > 0) throw new UsageError(`list takes no further names, found '${more[0]}'`);
    if (values.size > 0) throw new UsageError(`list takes no option --${[...values.keys()][0]}`);
    return { action: 'list', json: flags.has('json') };
  }
  const example = word === undefined ? EXAMPLES[0]! : findExample(word);
  if (more.length > 0) throw new UsageError(`one example at a time: '${more[0]}' is too many`);
  if (flags.has('help')) return { action: 'help', example: word === undefined ? null : example };
  return { action: 'run', example, json: flags.has('json'), ...readSettings(example, values) };
}

/** @throws UsageError */
function findExample(name: string): Example {
  const example = EXAMPLES.find((e) => e.name === name);
  if (example !== undefined) return example;
  const names = [...EXAMPLES.map((e) => e.name), 'list'];
  throw new UsageError(`there is no example '${name}'${suggestion(name, names)}`);
}
