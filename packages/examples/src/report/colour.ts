// Colour in the terminal. Accuracy is shown on viridis (van der Walt & Smith, 2015): its lightness grows evenly from one end to the
// other, so it reads the same to colour-blind eyes, in print and on 256-colour terminals.

import { WriteStream } from 'node:tty';
import { Chalk, type ChalkInstance } from 'chalk';

export type ColourLevel = 0 | 1 | 2 | 3;

export type Rgb = readonly [red: number, green: number, blue: number];

const VIRIDIS: readonly Rgb[] = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];

/** The colour of a fraction; outside [0, 1] that of the nearer end. */
export function viridis(fraction: number): Rgb {
  const at = Math.min(1, Math.max(0, fraction)) * (VIRIDIS.length - 1);
  const from = VIRIDIS[Math.floor(at)]!;
  const to = VIRIDIS[Math.ceil(at)]!;
  return from.map((x, i) => Math.round(x + (at % 1) * (to[i]! - x))) as unknown as Rgb;
}

/** WCAG 2.2 relative luminance, 0 (black) to 1 (white). */
export function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

/** WCAG 2.2 contrast ratio, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/** Black or white, whichever is easier to read on the background: the contrast is at least 4.58. */
export function inkOn(background: Rgb): Rgb {
  return contrast(background, BLACK) >= contrast(background, WHITE) ? BLACK : WHITE;
}

/** What paints text: one for each stream, since one may be a terminal and the other a file. */
export function painter(level: ColourLevel): ChalkInstance {
  return new Chalk({ level });
}

/** How many colours the stream shows: none where NO_COLOR is set, else what FORCE_COLOR says or a terminal can do. */
export function colourLevel(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): ColourLevel {
  if (env.NO_COLOR || (!stream.isTTY && env.FORCE_COLOR === undefined)) return 0;
  const bits = WriteStream.prototype.getColorDepth(env);
  return bits >= 24 ? 3 : bits >= 8 ? 2 : bits >= 4 ? 1 : 0;
}
