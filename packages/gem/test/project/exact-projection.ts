// The projection onto the cone { z : <z, g_k> >= 0 } without any rounding: float64 numbers are whole numbers times powers of two, and
// a cone does not change when its rows are scaled, so all of it can be done in whole numbers of any size.
//
// Every set of independent rows gives one candidate, z = g + sum_k v_k g_k orthogonal to them, by Cramer's rule (fraction-free elimination,
// Bareiss 1968). The candidate with v >= 0 that satisfies every constraint is the projection.

export interface ExactProjection {
  /** The projection, each entry correct to the last bit or so. */
  readonly z: number[];
  /** |z - g|^2 / 2, the dual problem's optimum with its sign turned; as a fraction of |g|^2 / 2, so that it fits any scale. */
  readonly share: number;
  /** Multipliers with z = g + G'v. */
  readonly v: number[];
}

/** At most 10 rows: all of their subsets are tried. */
export function exactProjection(g: ArrayLike<number>, G: readonly ArrayLike<number>[]): ExactProjection {
  const { whole: target, exponent } = wholeNumbers(g);
  const wholeRows = G.map(wholeNumbers);
  const rows = wholeRows.map(({ whole }) => whole);
  const gram = rows.map((a) => rows.map((b) => inner(a, b)));
  const dots = rows.map((row) => inner(row, target));
  for (let subset = 0; subset < 2 ** rows.length; subset++) {
    const members = rows.flatMap((_, k) => ((subset >> k) & 1 ? [k] : []));
    const solution = cramer(
      members.map((i) => members.map((j) => gram[i]![j]!)),
      members.map((i) => -dots[i]!),
    );
    if (solution === undefined) continue;
    const { numerators, denominator } = solution;
    if (numerators.some((v) => v < 0n)) continue;
    const slack = rows.map((_, i) =>
      members.reduce((sum, j, k) => sum + numerators[k]! * gram[i]![j]!, denominator * dots[i]!),
    );
    if (slack.some((value) => value < 0n)) continue;
    const move = target.map((_, i) => members.reduce((sum, j, k) => sum + numerators[k]! * rows[j]![i]!, 0n));
    const size = inner(target, target);
    return {
      z: target.map((x, i) => quotient(x * denominator + move[i]!, denominator, exponent)),
      v: rows.map((_, i) => {
        const k = members.indexOf(i);
        return k < 0 ? 0 : quotient(numerators[k]!, denominator, exponent - wholeRows[i]!.exponent);
      }),
      share: size === 0n ? 0 : quotient(inner(move, move), denominator * denominator * size, 0),
    };
  }
  throw new Error('no subset of the rows satisfies the conditions: this cannot be');
}

export const inner = (a: readonly bigint[], b: readonly bigint[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0n);

/** Whole numbers that, times 2^exponent, are the given ones. */
export function wholeNumbers(values: ArrayLike<number>): { whole: bigint[]; exponent: number } {
  const parts = Array.from(values, split);
  const exponent = Math.min(0, ...parts.flatMap(({ mantissa, exponent: e }) => (mantissa === 0n ? [] : [e])));
  const lowest = Math.min(...parts.flatMap(({ mantissa, exponent: e }) => (mantissa === 0n ? [] : [e])), Infinity);
  const at = lowest === Infinity ? exponent : lowest;
  return {
    whole: parts.map(({ mantissa, exponent: e }) => (mantissa === 0n ? 0n : mantissa << BigInt(e - at))),
    exponent: at,
  };
}

const view = new DataView(new ArrayBuffer(8));

function split(value: number): { mantissa: bigint; exponent: number } {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = biased === 0 ? fraction : fraction | 0x10000000000000n;
  return { mantissa: bits >> 63n ? -mantissa : mantissa, exponent: Math.max(1, biased) - 1075 };
}

/** a / b * 2^exponent. */
export function quotient(a: bigint, b: bigint, exponent: number): number {
  if (a === 0n) return 0;
  const negative = a < 0n !== b < 0n;
  const [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  const shift = 64 - (x.toString(2).length - y.toString(2).length);
  const q = shift >= 0 ? (x << BigInt(shift)) / y : x / (y << BigInt(-shift));
  const scale = exponent - shift;
  // In two steps, where one power of two would leave the range before the product does.
  const half = Math.trunc(scale / 2);
  const value = Number(q) * 2 ** half * 2 ** (scale - half);
  return negative ? -value : value;
}

/** The solution of Mx = r as fractions with one denominator > 0; undefined where M is singular. M is symmetric positive semidefinite. */
export function cramer(M: bigint[][], r: bigint[]): { numerators: bigint[]; denominator: bigint } | undefined {
  const n = r.length;
  const rows = M.map((row, i) => [...row, r[i]!]);
  let previous = 1n;
  for (let k = 0; k < n; k++) {
    // Of a positive semidefinite matrix a pivot is zero only where its row depends on those before.
    const pivot = rows[k]![k]!;
    if (pivot === 0n) return undefined;
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i]![k]!;
      for (let j = 0; j <= n; j++) rows[i]![j] = (pivot * rows[i]![j]! - factor * rows[k]![j]!) / previous;
    }
    previous = pivot;
  }
  return { numerators: rows.map((row) => row[n]!), denominator: previous };
}
