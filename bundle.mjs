// The second half of `pnpm build`: what npm publishes of a package is its types, which tsc wrote to dist file by file, and beside them one
// module for each entry of its `exports`. A program loads these in a third of the time that it takes to load a hundred small files.
//
// What entries of one package share is in one chunk, so that it is there once; what is imported when it is asked for stays in a chunk of its own.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** The entries of a package, and the modules that it leaves to conditions, by the names of their files in dist. */
function entriesOf({ exports, imports = {} }) {
  const places = (target) => ('source' in target ? [target] : Object.values(target).flatMap(places));
  const files = [exports, imports].flatMap((map) => Object.values(map).flatMap(places));
  return Object.fromEntries(
    files.map(({ source, default: built }) => [built.match(/^\.\/dist\/(.*)\.js$/)[1], source]),
  );
}

const inside = (node) =>
  Object.values(node)
    .flat()
    .filter((part) => typeof part?.type === 'string');
const isFunction = ({ type }) => type === 'FunctionDeclaration' || type === 'FunctionExpression';
const isArrow = ({ type }) => type === 'ArrowFunctionExpression';
/** Whether a node means something else within another kind of function. */
const isBound = (node) =>
  ['ThisExpression', 'Super', 'MetaProperty'].includes(node.type) ||
  node.name === 'arguments' ||
  (!isFunction(node) && inside(node).some(isBound));
/** The arrow functions that stand in no function. */
const outerArrows = (node) => (isArrow(node) ? [node] : isFunction(node) ? [] : inside(node).flatMap(outerArrows));

/**
 * V8 reads the arrow functions of a module in full before the module runs, and again when they are called; of other functions it only looks
 * for the end. So those outside of any function become such others, all but the short: tensor is read in half of the time.
 */
const functionsForArrows = {
  name: 'functions-for-arrows',
  renderChunk(code, _chunk, _options, { magicString }) {
    for (const arrow of outerArrows(this.parse(code))) {
      const { start, end, params, body } = arrow;
      if (end - start < 60 || isBound(arrow)) continue;
      const head = code.indexOf('(', start);
      const sign = code.indexOf('=> ', params.at(-1)?.end ?? head);
      magicString.appendLeft(head, 'function');
      if (body.type === 'BlockStatement') magicString.remove(sign, sign + 3);
      else magicString.update(sign, sign + 2, '{ return').appendLeft(end, '; }');
    }
    return magicString;
  },
};

for (const name of readdirSync(`${root}packages`)) {
  const dir = `${root}packages/${name}/`;
  const manifest = JSON.parse(readFileSync(`${dir}package.json`, 'utf8'));
  if (manifest.private) continue;
  const input = entriesOf(manifest);
  // Folders too: their time is that of the last file that came or went.
  const sources = ['', ...readdirSync(`${dir}src`, { recursive: true, encoding: 'utf8' })];
  const makers = [`${dir}package.json`, `${root}pnpm-lock.yaml`, fileURLToPath(import.meta.url)];
  const newest = Math.max(...[...sources.map((file) => `${dir}src/${file}`), ...makers].map(modified));
  if (Object.keys(input).every((file) => modified(`${dir}dist/${file}.js`) > newest)) continue;

  const { build } = await import('rolldown');
  await build({
    cwd: dir,
    input,
    // Whatever is imported by name is another package. (A path may begin with a letter and a colon.)
    external: /^(#|node:|@?[a-z][\w.-]*(\/|$))/,
    platform: 'neutral',
    transform: { target: 'es2023' },
    experimental: { nativeMagicString: true },
    plugins: [functionsForArrows],
    output: {
      dir: 'dist',
      chunkFileNames: 'chunks/[name].js',
      // Engines read every module whole before they run it: without comments the first step of training comes a little sooner. Names
      // stay, for who reads stacks or looks into a running program.
      comments: { annotation: true, jsdoc: false, legal: false },
      codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
      // The sources themselves are published too.
      sourcemap: true,
      sourcemapExcludeSources: true,
    },
  });
}
