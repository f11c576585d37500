// Where in the user's code an op was called, read from an Error's stack: text whose form each engine chooses.
//
//   V8                  "    at loss (file:///home/me/train.ts:12:31)", "    at file:///home/me/train.ts:40:3"
//   Firefox, Safari     "loss@http://localhost/train.js:12:31", "@http://localhost/train.js:40:3"
//
// The user's frame is the first that lies in neither package of this library.

import { scope } from '@gemlab/tensor';

/** One call: a function (which may have no name) at a place in a file. */
export interface Frame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const FORMS = [
  /^\s*at (?:async |new )*(.*?) \((.*):(\d+):(\d+)\)$/,
  /^\s*at (?:async )?()(.*):(\d+):(\d+)$/,
  /^(?:(?!\w+:\/\/)(.*?)@)?(.+?):(\d+):(\d+)$/,
];

/** The frames of a stack, innermost first; lines that name no place (native code) are left out. */
export function parseStack(stack: string): Frame[] {
  return stack.split('\n').flatMap((text) => {
    const [, name, file, line, column] = FORMS.map((form) => form.exec(text)).find((match) => match !== null) ?? [];
    if (file === undefined) return [];
    // Firefox writes what an asynchronous call was started by before a star.
    return [{ name: name?.replace(/^.*\*/, '') ?? '', file, line: Number(line), column: Number(column) }];
  });
}

/** The stack here, to be read later: engines put off writing it down until somebody asks. */
export function captureSite(): Error {
  // V8 keeps ten frames unless told otherwise; the layers of a model alone may be more.
  const limit: unknown = Reflect.get(Error, 'stackTraceLimit');
  if (typeof limit === 'number') Reflect.set(Error, 'stackTraceLimit', 100);
  const site = new Error('called here');
  if (typeof limit === 'number') Reflect.set(Error, 'stackTraceLimit', limit);
  return site;
}

const framesOf = (site: Error | undefined): Frame[] => parseStack(site?.stack ?? '');

/** The folders of this package and of the tensor package, as this runtime spells them in stacks. */
function libraryFolders(): string[] {
  // Innermost is the function given to scope, then comes scope itself.
  const [here, ...outer] = framesOf(scope(() => captureSite())).map(({ file }) => file);
  const tensor = outer.find((file) => file !== here);
  // What entries of a built package share lies in a folder below theirs.
  return [here, tensor].flatMap((file) => (file === undefined ? [] : [file.replace(/(chunks[/\\])?[^/\\]*$/, '')]));
}

const isNative = (file: string): boolean => /^(node:|native|internal)/.test(file);

const frameText = ({ name, file, line, column }: Frame): string =>
  name === '' ? `${file}:${line}:${column}` : `${name} (${file}:${line}:${column})`;

/** The user's call behind a site as text, or as much as is known where library and user share a file (a bundle). */
export function siteText(site: Error): string {
  const folders = libraryFolders();
  const frames = framesOf(site).filter(({ file }) => !isNative(file));
  const user = frames.find(({ file }) => !folders.some((folder) => file.startsWith(folder)));
  return user ? frameText(user) : frames.slice(0, 12).map(frameText).join(' < ') || 'an unknown place';
}
