// What a library brings to the benchmark: a table with, for each piece of work, how it is done there. Written once for each library; what
// it cannot do, it leaves out. (This is what the package exports: the rivals, which are compiled apart, are written against it.)

import type { HostArray } from './host-array.ts';
import type { Kind, Params } from './work.ts';

export type { HostArray } from './host-array.ts';

/** A piece of work made ready. */
export interface Piece {
  /** Does it once, or one more part of it; the work is finished when this, or its promise, is. */
  run(): unknown;
  /**
   * What comes out, to be compared. Called before any `run`, and does the work itself, a few times where it has a state; where the
   * work comes in parts, called after the last.
   */
  check(): HostArray[] | Promise<HostArray[]>;
}

export type Inputs = Readonly<Record<string, HostArray>>;

export type Pieces = { readonly [K in Kind]?: (inputs: Inputs, params: Params) => Piece | Promise<Piece> };

export interface Library {
  /** Versions, and what computes. */
  readonly about: Readonly<Record<string, string>>;
  readonly pieces: Pieces;
}

/** What the module of a library exports. */
export interface LibraryModule {
  load(options: readonly string[]): Library | Promise<Library>;
}
