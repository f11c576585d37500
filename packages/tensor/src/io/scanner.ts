// A cursor over the bytes of a text header (Python's literal in .npy, JSON in safetensors). It works on bytes, not on a decoded
// string, so that every complaint can name the byte of the file, and reads only what a closed grammar asks for: no recursion,
// no backtracking, no evaluation.

import type { Blame, FormatError } from './format-error.ts';
import { fromAscii, fromUtf8, hasLoneSurrogate } from './text.ts';

const [SPACE, BACKSLASH, TILDE] = [0x20, 0x5c, 0x7e];
const [ZERO, NINE] = [0x30, 0x39];

export class Scanner {
  position: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  /** By byte: 1 for those that may stand between tokens. */
  readonly #isSpace = new Uint8Array(256);
  readonly #blame: Blame;

  /** Reads bytes[start..end); `spaces` may stand between any two tokens. */
  constructor(bytes: Uint8Array, range: { start: number; end: number }, spaces: string, blame: Blame) {
    this.#bytes = bytes;
    this.position = range.start;
    this.#end = range.end;
    for (const space of spaces) this.#isSpace[space.charCodeAt(0)] = 1;
    this.#blame = blame;
  }

  /** The next character, '' at the end. Bytes that are not ASCII are no part of any token outside a string. */
  peek(): string {
    return this.position < this.#end ? String.fromCharCode(this.#bytes[this.position]!) : '';
  }

  skipSpaces(): void {
    while (this.position < this.#end && this.#isSpace[this.#bytes[this.position]!]) this.position++;
  }

  /** Steps over `token` (ASCII) if it comes next. */
  take(token: string): boolean {
    this.skipSpaces();
    if (this.position + token.length > this.#end) return false;
    for (let i = 0; i < token.length; i++) {
      if (this.#bytes[this.position + i] !== token.charCodeAt(i)) return false;
    }
    this.position += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.take(token)) throw this.expected(`'${token}'`);
  }

  expectEnd(): void {
    this.skipSpaces();
    if (this.position < this.#end) throw this.expected('nothing more');
  }

  /** A size: digits, without sign or leading zeros, of a number that doubles count exactly. */
  integer(): number {
    this.skipSpaces();
    const start = this.position;
    for (; this.position < this.#end; this.position++) {
      const byte = this.#bytes[this.position]!;
      if (byte < ZERO || byte > NINE) break;
      // 2^53 has 16 digits; a file may have a million of them.
      if (this.position - start > 16) throw this.#blame('a number too large for a size', start);
    }
    const digits = fromAscii(this.#bytes, start, this.position);
    const value = Number(digits);
    if (digits === '' || (digits.length > 1 && digits[0] === '0')) {
      this.position = start;
      throw this.expected('a non-negative integer');
    }
    if (!Number.isSafeInteger(value)) throw this.#blame(`${digits} is too large for a size`, start, { value });
    return value;
  }

  /**
   * Items up to `close`, whose opening bracket has been taken: commas between them, and, where the language allows it, after
   * the last. Returns whether there was one.
   */
  list(close: string, trailingComma: boolean, item: (index: number) => void): boolean {
    for (let i = 0; !this.take(close); i++) {
      if (i > 0) {
        this.expect(',');
        if (trailingComma && this.take(close)) return true;
      }
      item(i);
    }
    return false;
  }

  /** A quoted string of printable ASCII, as it stands. Python reads a backslash in it as an escape; no name here has one. */
  plainString(): string {
    this.skipSpaces();
    const start = this.position;
    const { text, plain } = this.#quoted(`"'`);
    if (!plain) throw this.#blame('a string with other characters than plain printable ones', start);
    return text;
  }

  /** A JSON string. */
  jsonString(): string {
    this.skipSpaces();
    const start = this.position;
    const literal = this.#quoted('"');
    if (literal.plain) return literal.text;
    let text: string;
    try {
      text = JSON.parse(`"${literal.text}"`) as string;
    } catch {
      throw this.#blame('a string with a control character or an escape that JSON does not have', start);
    }
    if (hasLoneSurrogate(text)) throw this.#blame('a string with half of a surrogate pair', start);
    return text;
  }

  /**
   * What stands between two quotes of the same kind (one behind a backslash is no end), and whether that is plain: printable
   * ASCII without backslashes, which means itself in any language.
   */
  #quoted(quotes: string): { text: string; plain: boolean } {
    const quote = this.peek();
    if (quote === '' || !quotes.includes(quote)) throw this.expected('a string');
    const start = ++this.position;
    const mark = quote.charCodeAt(0);
    let plain = true;
    for (; this.position < this.#end; this.position++) {
      const byte = this.#bytes[this.position]!;
      if (byte === mark) {
        const end = this.position++;
        const text = plain ? fromAscii(this.#bytes, start, end) : fromUtf8(this.#bytes, start, end);
        if (text === undefined) throw this.#blame('a string that is not UTF-8', start);
        return { text, plain };
      }
      if (byte < SPACE || byte > TILDE || byte === BACKSLASH) plain = false;
      if (byte === BACKSLASH) this.position++;
    }
    throw this.#blame('a string that does not end', start - 1);
  }

  /** The complaint that something else stands at the position. */
  expected(what: string): FormatError {
    const char = this.peek();
    const found = char === '' ? 'the end of the header' : /^[ -~]$/.test(char) ? `'${char}'` : byteText(char);
    return this.#blame(`the header is malformed: expected ${what}, found ${found}`, this.position);
  }
}

function byteText(char: string): string {
  return `the byte 0x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
