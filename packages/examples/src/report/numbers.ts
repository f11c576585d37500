// Numbers as people read them. What is not a number (a task not measured yet) is a dash; there is no negative zero.

const MISSING = '-';

/** With `digits` digits after the point. */
export function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? MISSING : String(value);
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text;
}

/** As `fixed`, with its sign always shown: for differences. */
export function signed(value: number, digits: number): string {
  const text = fixed(value, digits);
  return text === MISSING || text.startsWith('-') ? text : `+${text}`;
}

/** A fraction as a percentage, without the sign. */
export function percent(fraction: number, digits = 0): string {
  return fixed(100 * fraction, digits);
}

/** Seconds as '8.3 s' or '2 min 05 s'. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${fixed(seconds, 1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** 'a', 'a and b', 'a, b and c'. */
export function listing(items: readonly (string | number)[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** '1 task', '2 tasks'. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? noun : plural}`;
}

/** Seconds as an estimate should be told: 'about 20 s', 'about 3 min'. */
export function roughDuration(seconds: number): string {
  if (seconds < 90) return `about ${Math.max(5, 5 * Math.round(seconds / 5))} s`;
  return `about ${Math.round(seconds / 60)} min`;
}
