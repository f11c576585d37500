// The command line as a request: what to do, for which example, with which options. Node's own parser splits it up; what it lets pass
// (names it does not know) is caught here, where the right names are known.

import { parseArgs } from 'node:util';
import type { Example, PresetName, Settings } from '../examples/example.ts';
import { EXAMPLES } from '../examples/index.ts';
import { DEFAULT_METHODS, METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { suggestion, UsageError } from './errors.ts';
import { optionName, readChange, readSettings, readValue, SETTING_NAMES, STEP_OPTION } from './options.ts';

export type Request =
  | { readonly action: 'help'; readonly example: Example | null }
  | { readonly action: 'list'; readonly json: boolean }
  | {
      readonly action: 'run';
      readonly example: Example;
      readonly preset: PresetName;
      readonly settings: Settings;
      /** What is compared, in this order. */
      readonly methods: readonly Method[];
      /** The folder in which the run is saved. */
      readonly save: string | null;
      readonly json: boolean;
    }
  | { readonly action: 'resume'; readonly folder: string; readonly json: boolean }
  | {
      readonly action: 'branch';
      readonly folder: string;
      readonly into: string;
      readonly step: number;
      readonly change: Partial<Settings>;
      readonly json: boolean;
    };

/** What can be called beside examples. */
export const COMMANDS = ['list', 'resume', 'branch'] as const;

const FLAGS = ['help', 'json'];
const FOLDERS = ['save', 'into'];
const VALUED = ['methods', 'preset', 'save', 'step', 'into', ...SETTING_NAMES.map(optionName)];

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
    const { name, rawName, value, inlineValue } = token;
    if (FLAGS.includes(name)) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value, found '${value}'`);
      flags.add(name);
    } else if (VALUED.includes(name)) {
      // '--save --json' has forgotten the folder; '--lr -1' has not.
      const isNext = !inlineValue && value !== undefined && /^-[^\d.]/.test(value);
      if (value === undefined || isNext || (value === '' && FOLDERS.includes(name))) {
        throw new UsageError(`${rawName} needs a value: ${rawName} VALUE`);
      }
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
  if ((word === 'resume' || word === 'branch') && flags.has('help')) return { action: 'help', example: null };
  if (word === 'resume')
    return { action: 'resume', folder: readFolder(word, more, values, []), json: flags.has('json') };
  if (word === 'branch') return { ...readBranch(more, values), json: flags.has('json') };
  for (const name of ['step', 'into']) if (values.has(name)) throw new UsageError(`--${name} belongs to 'branch'`);
  const example = word === undefined ? EXAMPLES[0]! : findExample(word);
  if (more.length > 0) throw new UsageError(`one example at a time: '${more[0]}' is too many`);
  if (flags.has('help')) return { action: 'help', example: word === undefined ? null : example };
  const save = values.get('save') ?? null;
  const methods = readMethods(values.get('methods'));
  return { action: 'run', example, methods, save, json: flags.has('json'), ...readSettings(example, values) };
}

/** The value of --methods: names with commas between them, of which 'all' stands for every one. Each counts once. @throws UsageError */
function readMethods(text: string | undefined): readonly Method[] {
  if (text === undefined) return DEFAULT_METHODS;
  const names = METHODS.map(({ name }) => name);
  const chosen = text.split(',').flatMap((word) => {
    const wanted = word.trim().toLowerCase();
    const found = METHODS.filter(({ name }) => name === wanted || wanted === 'all');
    if (found.length > 0) return found;
    throw new UsageError(`--methods has no method '${word.trim()}'${suggestion(word.trim(), [...names, 'all'])}`);
  });
  return [...new Set(chosen)];
}

type Values = ReadonlyMap<string, string>;

/** The folder of a command that goes on with a run. @throws UsageError */
function readFolder(command: string, words: readonly string[], values: Values, options: readonly string[]): string {
  const [folder, ...more] = words;
  if (!folder) throw new UsageError(`${command} needs the folder of a run: pnpm start ${command} FOLDER`);
  if (more.length > 0) throw new UsageError(`one folder at a time: '${more[0]}' is too many`);
  const odd = [...values.keys()].find((name) => !options.includes(name));
  const rule =
    options.length === 0 ? 'a run goes on as it was started' : `it takes ${options.map((o) => `--${o}`).join(', ')}`;
  if (odd !== undefined) throw new UsageError(`${command} takes no option --${odd}: ${rule}`);
  return folder;
}

/** What may change half way: the rest decides what the steps before were. */
export const BRANCH_SETTINGS = [
  'memoryStrength',
  'profile',
  'memories',
  'lr',
] as const satisfies readonly (keyof Settings)[];

/** @throws UsageError */
function readBranch(words: readonly string[], values: Values): Omit<Extract<Request, { action: 'branch' }>, 'json'> {
  const folder = readFolder('branch', words, values, ['step', 'into', ...BRANCH_SETTINGS.map(optionName)]);
  const [step, into] = [values.get('step'), values.get('into')];
  if (step === undefined) throw new UsageError(`branch needs --step N, ${STEP_OPTION.help} (from 0)`);
  if (into === undefined) throw new UsageError('branch needs --into FOLDER, a new one for the branch');
  const change = readChange(values, BRANCH_SETTINGS);
  if (Object.keys(change).length === 0) {
    throw new UsageError(
      `branch needs something to change: ${BRANCH_SETTINGS.map((s) => `--${optionName(s)}`).join(', ')}`,
    );
  }
  return { action: 'branch', folder, into, step: readValue('step', step, STEP_OPTION) as number, change };
}

/** @throws UsageError */
function findExample(name: string): Example {
  const example = EXAMPLES.find((e) => e.name === name);
  if (example !== undefined) return example;
  const names = [...EXAMPLES.map((e) => e.name), ...COMMANDS];
  throw new UsageError(`there is no example '${name}'${suggestion(name, names)}`);
}
