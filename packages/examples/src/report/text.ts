// Text in columns. All widths are terminal columns, not string lengths: colour codes take none, wide characters take two.

import stringWidth from 'string-width';

/** What every report is laid out for. */
export const PAGE_WIDTH = 80;

export { stringWidth as widthOf };

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - stringWidth(text))) + text;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)));
}

/** The widest of the lines. */
export function blockWidth(lines: readonly string[]): number {
  return lines.reduce((most, line) => Math.max(most, stringWidth(line)), 0);
}

export type Alignment = 'left' | 'right';

/** Rows as lines whose cells stand under one another. Missing cells at the end of a row are empty. */
export function table(rows: readonly (readonly string[])[], alignments: readonly Alignment[], gap = 2): string[] {
  const widths = alignments.map((_, column) => blockWidth(rows.map((row) => row[column] ?? '')));
  return rows.map((row) =>
    alignments
      .map((side, column) => (side === 'left' ? padEnd : padStart)(row[column] ?? '', widths[column]!))
      .join(' '.repeat(gap))
      .trimEnd(),
  );
}

/** Words filled into lines of at most `width` columns; a word longer than that is cut into pieces that fit. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const room = Math.max(1, width - stringWidth(indent));
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).flatMap((w) => pieces(w, room))) {
    if (line !== '' && stringWidth(line) + 1 + stringWidth(word) > room) {
      lines.push(indent + line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(indent + line);
  return lines;
}

/** A name on the left, what it means wrapped beside it. */
export function definition(name: string, meaning: string, nameWidth: number, width = PAGE_WIDTH): string[] {
  return wrap(meaning, width - nameWidth).map((line, i) => padEnd(i === 0 ? name : '', nameWidth) + line);
}

/** A word of a command as a shell takes it: in quotes where it would see more than letters. (A backslash is taken for one of Windows's paths.) */
export function shellWord(word: string): string {
  return /^[\w./\\:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function pieces(word: string, room: number): string[] {
  if (stringWidth(word) <= room) return word === '' ? [] : [word];
  const cut: string[] = [''];
  for (const { segment } of new Intl.Segmenter().segment(word)) {
    if (cut.at(-1) !== '' && stringWidth(cut.at(-1) + segment) > room) cut.push(segment);
    else cut[cut.length - 1] += segment;
  }
  return cut;
}

/** As much of one line as fits, with an ellipsis for the rest. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return width < 1 ? '' : `${kept}…`;
}

/** Two blocks of lines next to each other, or one below the other where the page is too narrow. */
function sideBySide(left: readonly string[], right: readonly string[], width: number, gap = 4): string[] {
  const leftWidth = blockWidth(left);
  if (leftWidth + gap + blockWidth(right) > width) return [...left, '', ...right];
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    (padEnd(left[i] ?? '', leftWidth + gap) + (right[i] ?? '')).trimEnd(),
  );
}

/** Blocks of lines in rows of two. */
export function inPairs(blocks: readonly (readonly string[])[], width: number): string[] {
  return blocks.flatMap((block, i) => {
    if (i % 2 === 1) return [];
    const next = blocks[i + 1];
    return [...(i === 0 ? [] : ['']), ...(next === undefined ? block : sideBySide(block, next, width))];
  });
}
