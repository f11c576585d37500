// The normal distribution with the same bits everywhere. ECMAScript leaves Math.log, exp, sin and cos to the
// engine, and engines differ in the last bits; + - * / and sqrt are IEEE 754, correctly rounded. What
// follows uses only those, so that a draw depends on the seed alone.
//
//   z = quantile(u),  Phi(quantile(u)) = u,  u uniform on (0, 1)
//
// Inversion takes a fixed number of words for each normal: drawing in pieces gives the same values as
// drawing at once, and no half-used pair has to be saved with the generator's state.
// Sources: quantile: Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), PPND16, about 1 part in 10^16.
// Truncated tails: Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995).

/** ln 2 in two parts: `LN2_HIGH` ends in 21 zero bits, so that an exponent times it is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** 1/21, 1/19, ..., 1/3: the series of atanh(s)/s - 1 in s^2, highest power first. */
const ATANH = Array.from({ length: 10 }, (_, i) => 1 / (21 - 2 * i));

const bits = new DataView(new ArrayBuffer(8));

/**
 * ln x for a positive, normal float64 x, within 1 ulp.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)], and ln(1 + f) = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...), s = f / (2 + f).
 * Since 2s = f - sf, this is f - s (f - R) with R = 2 (s^2/3 + s^4/5 + ...): f is exact, and the rounded rest is small beside it.
 * |s| <= 0.172, so that the first term left out (s^22/23) is below 2^-57.
 */
export function exactLog(x: number): number {
  bits.setFloat64(0, x);
  const head = bits.getUint32(0);
  let k = (head >>> 20) - 1023;
  bits.setUint32(0, (head & 0xfffff) | 0x3ff00000);
  let m = bits.getFloat64(0);
  if (m > Math.SQRT2) {
    m /= 2;
    k += 1;
  }
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  const r = 2 * z * horner(ATANH, z);
  return k * LN2_HIGH - (s * (f - r) - k * LN2_LOW - f);
}

// Coefficients of AS 241, highest power first: [numerator, denominator] for each range of u.
const CENTRE = [
  [
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946, 1971.5909503065513,
    133.14166789178438, 3.3871328727963665,
  ],
  [
    5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751, 687.1870074920579,
    42.31333070160091, 1,
  ],
] as const;
const SHOULDER = [
  [
    0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
    5.769497221460691, 4.630337846156546, 1.4234371107496835,
  ],
  [
    1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
    1.6763848301838038, 2.053191626637759, 1,
  ],
] as const;
const TAIL = [
  [
    2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487,
    1.7848265399172913, 5.463784911164114, 6.657904643501103,
  ],
  [
    2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133, 0.014875361290850615,
    0.1369298809227358, 0.599832206555888, 1,
  ],
] as const;

function horner(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = 0; i < coefficients.length; i++) sum = sum * x + coefficients[i];
  return sum;
}

function ratio(range: readonly [readonly number[], readonly number[]], r: number): number {
  return horner(range[0], r) / horner(range[1], r);
}

/** The z with Phi(z) = u, for u in (0, 1) with 1 - u exact (a multiple of 2^-53). Odd about u = 1/2, bit for bit. */
export function normalQuantile(u: number): number {
  const q = u - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-exactLog(0.5 - Math.abs(q)));
  const z = r <= 5 ? ratio(SHOULDER, r - 1.6) : ratio(TAIL, r - 5);
  return q < 0 ? -z : z;
}

/** Robert's rejection on 0 < low <= z <= high (which may be Infinity); accepts more than a third of the proposals. */
function upperTail(low: number, high: number, uniform: () => number): number {
  // Beyond 1e8 the formula returns `low` anyway, and soon overflows.
  const rate = low < 1e8 ? (low + Math.sqrt(low * low + 4)) / 2 : low;
  if ((high - low) * rate > 1) {
    for (;;) {
      const z = low - exactLog(uniform()) / rate;
      const away = z - rate;
      if (z <= high && 2 * exactLog(uniform()) <= -away * away) return z;
    }
  }
  for (;;) {
    const z = low + (high - low) * uniform();
    if (2 * exactLog(uniform()) <= (low - z) * (low + z)) return z;
  }
}

/**
 * One standard normal conditioned on low <= z <= high, by rejection; exact for every interval, however far in the tail.
 * `uniform` gives independent values of (0, 1). Either bound may be infinite on its own side; low <= high.
 */
export function truncatedNormal(low: number, high: number, uniform: () => number): number {
  if (low > 0) return upperTail(low, high, uniform);
  if (high < 0) return -upperTail(-high, -low, uniform);
  // Proposals: the normal itself when the interval is wider than sqrt(2 pi), else the uniform on it; about half or more are taken.
  if (high - low > 2.5) {
    for (;;) {
      const z = normalQuantile(uniform());
      if (z >= low && z <= high) return z;
    }
  }
  for (;;) {
    const z = low + (high - low) * uniform();
    if (2 * exactLog(uniform()) <= -z * z) return z;
  }
}
