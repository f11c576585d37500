// Words and numbers on a page of so many columns, every character one column wide.

/** With `digits` digits after the point; there is no negative zero. */
export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text;
}

/**
 * A column of numbers with one notation for all: four significant digits of the largest, and as many decimals for the rest; scientific
 * where that would take many zeros. A dash where there is none.
 */
export function column(values: readonly (number | null)[]): string[] {
  const text = (format: (value: number) => string) => values.map((value) => (value === null ? '-' : format(value)));
  const largest = Math.max(0, ...values.map((value) => Math.abs(value ?? 0)));
  if (largest !== 0 && (largest < 1e-3 || largest >= 1e6)) return text((value) => value.toExponential(3));
  const magnitude = largest === 0 ? 0 : Math.floor(Math.log10(largest));
  return text((value) => fixed(value, Math.max(0, 3 - magnitude)));
}

/** One number with about four significant digits. */
export const significant = (value: number | null): string => column([value])[0]!;

/** 'a', 'a and b', 'a, b and c'. */
export function listing(items: readonly (string | number)[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** '1 task', '2 tasks', '2 classes'. */
export function counted(count: number, noun: string): string {
  return `${count} ${count === 1 ? noun : plural(noun)}`;
}

export const plural = (noun: string): string => `${noun}${noun.endsWith('s') ? 'es' : 's'}`;

/** Rows as lines whose cells stand under one another, flush right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padStart(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
}

/** Words filled into lines of at most `width` columns; a word longer than that is cut into pieces that fit. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  const pieces = text.split(/\s+/).flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []);
  for (const word of pieces) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}
