// Names in files are UTF-8. They are decoded strictly: a name that was repaired on the way in is another name.

// The package is typed without DOM and Node; every runtime has this one.
declare class TextDecoder {
  constructor(label: 'utf-8', options: { fatal: true; ignoreBOM: true });
  decode(bytes: Uint8Array): string;
}
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes[start..end), or undefined if they are not UTF-8. */
export function fromUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    // The copy is for shared memory, which a TextDecoder refuses.
    return decoder.decode(bytes.slice(start, end));
  } catch {
    return undefined;
  }
}

/** The text of bytes[start..end) that are known to be ASCII. Headers are short strings by the million: no decoder is as quick. */
export function fromAscii(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 256) return decoder.decode(bytes.slice(start, end));
  return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
}

export function toUtf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Half a character: UTF-8 has no bytes for it, and encoders put U+FFFD in its place, so that two names could become one. */
export function hasLoneSurrogate(text: string): boolean {
  // Not \p{Surrogate}: to parse that alone takes longer than to parse this file.
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}

/** A string from a file, fit for a message: escaped, and not longer than a line. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
