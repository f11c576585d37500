// A float as decimal digits: the shortest that read back as the same float, cut off and rounded where there
// is no room for them. With the value v between its neighbours v- and v+, digits are taken off from the left,
//
//   v = d0.d1d2... 10^k,   until what remains is at most (v - v-)/2, or within (v+ - v)/2 of the next digit,
//
// for then any reader that rounds to nearest gives v back. All comparisons are between exact integers.
// Sources: Steele and White, "How to print floating-point numbers accurately", PLDI'90 (Dragon4); Burger and Dybvig, "Printing
// floating-point numbers quickly and accurately", PLDI'96. The limits `most` and `least` are NumPy's precision and min_digits.

/** The number digits * 10^place. */
export interface Decimal {
  readonly digits: bigint;
  readonly place: number;
}

export interface DigitLimits {
  /** Count digits after the first digit (as in 1.25e+03) instead of after the decimal point. */
  readonly scientific: boolean;
  /** No digits beyond this many: the exact value is rounded there, ties to the even digit. */
  readonly most: number;
  /** At least this many, exact digits of v following the shortest ones. 0 <= least <= most. */
  readonly least: number;
}

const bits = new DataView(new ArrayBuffer(8));

/** x = mantissa * 2^exponent as the dtype stores it; `uneven` when the float below is nearer than the one above. */
function parts(x: number, dtype: 'float32' | 'float64') {
  let field: number;
  let fraction: bigint;
  let digits: bigint;
  let bias: number;
  if (dtype === 'float32') {
    bits.setFloat32(0, x);
    const word = bits.getUint32(0);
    field = (word >>> 23) & 0xff;
    fraction = BigInt(word & 0x7fffff);
    digits = 23n;
    bias = 150;
  } else {
    bits.setFloat64(0, x);
    const word = bits.getBigUint64(0);
    field = Number((word >> 52n) & 0x7ffn);
    fraction = word & 0xfffffffffffffn;
    digits = 52n;
    bias = 1075;
  }
  // A zero field marks subnormals: no implicit leading 1, and the exponent of field 1.
  const mantissa = field === 0 ? fraction : fraction | (1n << digits);
  return { mantissa, exponent: Math.max(field, 1) - bias, uneven: fraction === 0n && field > 1 };
}

/** The decimal digits of |x|; x is finite, and a value of `dtype`. */
export function toDecimal(x: number, dtype: 'float32' | 'float64', { scientific, most, least }: DigitLimits): Decimal {
  if (x === 0) return { digits: 0n, place: 0 };
  const { mantissa, exponent, uneven } = parts(x, dtype);
  // v = value / unit; the margins are half the distances to the neighbours, in the same unit.
  const scale = 1n << BigInt(Math.max(exponent, 0));
  let value = 4n * mantissa * scale;
  let above = 2n * scale;
  let below = uneven ? scale : above;
  let unit = 4n << BigInt(Math.max(-exponent, 0));

  // The place of the first digit: a guess from the logarithm, off by one at most, put right by comparing.
  let first = Math.floor(Math.log10(Math.abs(x)));
  if (first >= 0) unit *= 10n ** BigInt(first);
  else {
    const up = 10n ** BigInt(-first);
    value *= up;
    above *= up;
    below *= up;
  }
  if (value >= 10n * unit) {
    unit *= 10n;
    first++;
  } else if (value < unit) {
    value *= 10n;
    above *= 10n;
    below *= 10n;
    first--;
  }
  let place = first;
  if (!scientific && first < -most) {
    // All digits lie beyond the cut; what is left is to round to 0 or 1 there.
    unit *= 10n ** BigInt(-most - first);
    place = -most;
  }
  const lastPlace = scientific ? first - most : -most;
  const stopFrom = scientific ? first - least : -least;

  // A float with an even mantissa is what readers round a tie to, so that its margins belong to it.
  const closed = mantissa % 2n === 0n ? 1n : 0n;
  let digits = 0n;
  for (; ; place--) {
    const digit = value / unit;
    value %= unit;
    digits = 10n * digits + digit;
    const low = value < below + closed;
    const high = value + above > unit - closed;
    if (((low || high) && place <= stopFrom) || place === lastPlace) {
      const twice = 2n * value;
      const down = low === high ? twice < unit || (twice === unit && digit % 2n === 0n) : low;
      return { digits: down ? digits : digits + 1n, place };
    }
    value *= 10n;
    above *= 10n;
    below *= 10n;
  }
}
