// Kernels are written once, in GLSL (program.ts, library.ts); WebGPU wants WGSL. This translates the little of GLSL that they are written in:
// functions of float, int, uint, bool and vec4, declarations, assignments, if, for, while, and expressions, in C's order of
// precedence. What differs: types stand behind names, parameters cannot be assigned to, an `out` parameter is a pointer, braces are a must,
// ?: is select (which computes both), and shifts are by u32.

import { libraryFor } from './library.ts';
import type { Program } from './program.ts';

const TYPES: Readonly<Record<string, string>> = {
  float: 'f32',
  int: 'i32',
  uint: 'u32',
  bool: 'bool',
  vec4: 'vec4<f32>',
};
const BUILTINS: Readonly<Record<string, string>> = {
  ...Object.fromEntries('abs ceil clamp cos floor max min sin sqrt tan trunc'.split(' ').map((name) => [name, name])),
  ...TYPES,
  roundEven: 'round',
  floatBitsToUint: 'bitcast<u32>',
  // Not bitcast itself, since of a literal that may not make a NaN.
  uintBitsToFloat: 'fromBits',
};
const FROM_BITS = 'fn fromBits(bits: u32) -> f32 { return bitcast<f32>(bits); }';

/** Binary operators, those that bind less first. */
const LEVELS = ['||', '&&', '|', '^', '&', '== !=', '< > <= >=', '<< >>', '+ -', '* / %'].map((ops) => ops.split(' '));
const TOKEN =
  /\s+|\/\/.*|(0x[\da-f]+u?|(?:\d+\.\d*|\.\d+|\d+)(?:e[+-]?\d+)?u?|\$?\w+|<<=|>>=|[-+*/%&|]=|[<>=!]=|<<|>>|&&|\|\||\+\+|--|.)/giy;

class Translator {
  readonly #tokens: string[];
  #at = 0;
  /** Of each function, which of its parameters are pointers. */
  readonly #outs: Map<string, readonly boolean[]>;
  #pointers: readonly string[] = [];

  constructor(source: string, outs: Map<string, readonly boolean[]>) {
    this.#tokens = [...source.matchAll(TOKEN)].map(([, token]) => token).filter((token) => token !== undefined);
    this.#outs = outs;
  }

  /** A function as it stands in the library. */
  function(): string {
    const type = this.#type();
    const name = this.#next();
    this.#want('(');
    const parameters = this.#list(')', () => {
      const out = this.#skip('out');
      return { out, type: this.#type(), name: this.#next() };
    });
    this.#outs.set(
      name,
      parameters.map((p) => p.out),
    );
    this.#pointers = parameters.filter((p) => p.out).map((p) => p.name);
    const given = parameters.map((p) => (p.out ? `v_${p.name}: ptr<function, ${p.type}>` : `p_${p.name}: ${p.type}`));
    const own = parameters.filter((p) => !p.out).map((p) => `var v_${p.name} = p_${p.name};`);
    this.#want('{');
    return `fn f_${name}(${given.join(', ')}) -> ${type} {\n${own.join(' ')}\n${this.statements()}}`;
  }

  /** Up to a closing brace or the end. */
  statements(): string {
    let code = '';
    while (this.#at < this.#tokens.length && !this.#skip('}')) code += `${this.#statement()}\n`;
    return code;
  }

  #statement(): string {
    if (this.#skip('{')) return `{\n${this.statements()}}`;
    if (this.#skip('if')) {
      const test = this.#parenthesized();
      const then = this.#block();
      return `if (${test}) ${then}${this.#skip('else') ? ` else ${this.#block()}` : ''}`;
    }
    if (this.#skip('while')) return `while (${this.#parenthesized()}) ${this.#block()}`;
    if (this.#skip('for')) {
      this.#want('(');
      const first = this.#skip(';') ? ';' : this.#simple();
      const test = this.#expression();
      this.#want(';');
      const step = this.#assignment();
      this.#want(')');
      return `for (${first} ${test}; ${step}) ${this.#block()}`;
    }
    if (this.#skip('continue')) {
      this.#want(';');
      return 'continue;';
    }
    if (this.#skip('return')) {
      const value = this.#expression();
      this.#want(';');
      return `return ${value};`;
    }
    return this.#simple();
  }

  #block(): string {
    const code = this.#statement();
    return code.startsWith('{') ? code : `{ ${code} }`;
  }

  /** Declarations or an assignment, with the semicolon. */
  #simple(): string {
    const token = this.#tokens[this.#at]!;
    if (!Object.hasOwn(TYPES, token)) {
      const code = this.#assignment();
      this.#want(';');
      return `${code};`;
    }
    const type = this.#type();
    return this.#list(';', () => {
      const name = this.#next();
      return `var v_${name}: ${type}${this.#skip('=') ? ` = ${this.#expression()}` : ''};`;
    }).join(' ');
  }

  #assignment(): string {
    const target = this.#variable(this.#next());
    const operator = this.#next();
    if (operator === '++' || operator === '--') return `${target}${operator}`;
    const value = this.#expression();
    return `${target} ${operator} ${operator === '<<=' || operator === '>>=' ? `u32(${value})` : value}`;
  }

  #expression(): string {
    const test = this.#binary(0);
    if (!this.#skip('?')) return test;
    const yes = this.#expression();
    this.#want(':');
    return `select(${this.#expression()}, ${yes}, ${test})`;
  }

  #binary(level: number): string {
    if (level === LEVELS.length) return this.#unary();
    let left = this.#binary(level + 1);
    while (LEVELS[level]!.includes(this.#tokens[this.#at]!)) {
      const operator = this.#next();
      const right = this.#binary(level + 1);
      left = `(${left} ${operator} ${operator === '<<' || operator === '>>' ? `u32(${right})` : right})`;
    }
    return left;
  }

  #unary(): string {
    for (const operator of ['-', '!']) if (this.#skip(operator)) return `(${operator}${this.#unary()})`;
    let value = this.#primary();
    for (;;) {
      if (this.#skip('.')) value += `.${this.#next()}`;
      else if (this.#skip('[')) {
        value += `[${this.#expression()}]`;
        this.#want(']');
      } else return value;
    }
  }

  #primary(): string {
    const token = this.#next();
    if (token === '(') {
      const value = this.#expression();
      this.#want(')');
      return `(${value})`;
    }
    if (/^\d/.test(token) || token === 'true' || token === 'false') return token;
    if (!this.#skip('(')) return this.#variable(token);
    const outs = this.#outs.get(token) ?? [];
    let i = 0;
    const values = this.#list(')', () => {
      if (!outs[i++]) return this.#expression();
      const name = this.#next();
      return this.#pointers.includes(name) ? `v_${name}` : `&v_${name}`;
    });
    return `${BUILTINS[token] ?? `f_${token}`}(${values.join(', ')})`;
  }

  #variable(token: string): string {
    if (token.startsWith('$')) return `params.user_${token.slice(1)}`;
    return this.#pointers.includes(token) ? `(*v_${token})` : `v_${token}`;
  }

  #type(): string {
    return TYPES[this.#next()]!;
  }

  #parenthesized(): string {
    this.#want('(');
    const value = this.#expression();
    this.#want(')');
    return value;
  }

  #list<T>(end: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.#skip(end)) return items;
    do items.push(item());
    while (this.#skip(','));
    this.#want(end);
    return items;
  }

  #next(): string {
    return this.#tokens[this.#at++]!;
  }

  #skip(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #want(token: string): void {
    if (this.#skip(token)) return;
    const near = this.#tokens.slice(Math.max(0, this.#at - 6), this.#at + 6).join(' ');
    throw new SyntaxError(`not in the part of GLSL that is translated: expected '${token}' near '${near}'`);
  }
}

/** The WGSL functions behind a program: f_element gives the element at a flat index. */
export function wgslSource({ textures, blocks = [], body, block }: Program): string {
  const reads = textures.map((t) => `fn f_${t}At(i: i32) -> f32 { return user_${t}[i]; }`);
  const four = (t: string) => [0, 1, 2, 3].map((lane) => `user_${t}[4 * i + ${lane}]`).join(', ');
  const blockReads = blocks.map((t) => `fn f_${t}At(i: i32) -> vec4<f32> { return vec4<f32>(${four(t)}); }`);
  const outs = new Map<string, readonly boolean[]>();
  const library = libraryFor(body).map((source) => new Translator(source, outs).function());
  const code = new Translator(body, outs).statements();
  const element = `fn f_element(p_r: i32) -> ${block ? 'vec4<f32>' : 'f32'} {\nvar v_r = p_r;\n${code}}`;
  return [FROM_BITS, ...reads, ...blockReads, ...library, element].join('\n');
}
