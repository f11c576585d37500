// The functions of real numbers that GLSL lacks, or has only roughly: its exp, log, sin and pow may be off by thousands of units in the
// last place. These are within the few units that tolerances.ts states, in float32 arithmetic. Polynomials: Cephes
// (S. Moshier), single precision; erfc: the Chebyshev series of ../../erf.ts, cut where float32 no longer sees it.
//
// A NaN must be told by its bits, since compilers may take x != x for false. An integer that is too large is a NaN, too: `fit`.

import { ERFC_CHEBYSHEV } from '../../erf.ts';

const LIBRARY: readonly (readonly [name: string, source: string])[] = [
  ['isNaN', 'bool isNaN(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }'],
  ['isInf', 'bool isInf(float x) { return (floatBitsToUint(x) & 0x7fffffffu) == 0x7f800000u; }'],
  ['nan', 'float nan() { return uintBitsToFloat(0x7fc00000u); }'],
  ['inf', 'float inf() { return uintBitsToFloat(0x7f800000u); }'],
  ['negative', 'bool negative(float x) { return (floatBitsToUint(x) >> 31) == 1u; }'],
  ['withSign', 'float withSign(float x, float s) { return negative(s) ? -x : x; }'],
  // What is not an integer below 2^24 in absolute value cannot be told from its neighbours.
  ['fit', 'float fit(float x) { return abs(x) < 16777216.0 ? x : nan(); }'],
  // x 2^k in steps that neither overflow nor underflow before the result does.
  ['power2', 'float power2(int k) { return uintBitsToFloat(uint(k + 127) << 23); }'],
  [
    'scale',
    `float scale(float x, int k) {
  k = clamp(k, -300, 300);
  int a = clamp(k, -126, 127), b = clamp(k - a, -126, 127);
  return x * power2(a) * power2(b) * power2(k - a - b);
}`,
  ],
  [
    'expOf',
    `float expOf(float x) {
  if (isNaN(x)) return x;
  if (x > 88.8) return inf();
  if (x < -104.0) return 0.0;
  float k = floor(1.44269504088896341 * x + 0.5);
  float y = (x - k * 0.693359375) - k * -2.12194440e-4;
  float p = ((((1.9875691500e-4 * y + 1.3981999507e-3) * y + 8.3334519073e-3) * y + 4.1665795894e-2) * y + 1.6666665459e-1) * y + 5.0000001201e-1;
  return scale(p * y * y + y + 1.0, int(k));
}`,
  ],
  // log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)].
  [
    'logNear1',
    `float logNear1(float f) {
  float z = f * f;
  float p = (((((((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1) * f + 1.4249322787e-1) * f - 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1) * f + 3.3333331174e-1;
  return f + (p * f * z - 0.5 * z);
}`,
  ],
  // x = m 2^k with m in [sqrt(1/2), sqrt(2)]; x > 0.
  [
    'split',
    `float split(float x, out int k) {
  k = 0;
  if (x < 1.17549435e-38) { x *= 16777216.0; k = -24; }
  uint bits = floatBitsToUint(x);
  k += int(bits >> 23) - 126;
  float m = uintBitsToFloat((bits & 0x007fffffu) | 0x3f000000u);
  if (m < 0.70710678) { m *= 2.0; k--; }
  return m;
}`,
  ],
  [
    'logEdge',
    `bool logEdge(float x, out float y) {
  y = isNaN(x) || x < 0.0 ? nan() : x == 0.0 ? -inf() : x;
  return !(x > 0.0) || isNaN(x) || isInf(x);
}`,
  ],
  [
    'logOf',
    `float logOf(float x) {
  float y;
  if (logEdge(x, y)) return y;
  int k;
  float m = split(x, k);
  return (logNear1(m - 1.0) + float(k) * -2.12194440e-4) + float(k) * 0.693359375;
}`,
  ],
  [
    'log2Of',
    `float log2Of(float x) {
  float y;
  if (logEdge(x, y)) return y;
  int k;
  float m = split(x, k);
  return logNear1(m - 1.0) * 1.44269504088896341 + float(k);
}`,
  ],
  [
    'log10Of',
    `float log10Of(float x) {
  float y;
  if (logEdge(x, y)) return y;
  int k;
  float m = split(x, k);
  return (logNear1(m - 1.0) * 0.43429448190325183 + float(k) * 7.00731903e-5) + float(k) * 0.300959920883;
}`,
  ],
  [
    'log1pOf',
    `float log1pOf(float x) {
  if (isNaN(x)) return x;
  return x > -0.29 && x < 0.41 ? logNear1(x) : logOf(1.0 + x);
}`,
  ],
  [
    'expm1Of',
    `float expm1Of(float x) {
  if (isNaN(x)) return x;
  if (abs(x) > 0.5) return expOf(x) - 1.0;
  float p = 1.0 / 40320.0 + x * (1.0 / 362880.0);
  p = 1.0 / 120.0 + x * (1.0 / 720.0 + x * (1.0 / 5040.0 + x * p));
  return x + x * x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * p)));
}`,
  ],
  [
    'sigmoidOf',
    `float sigmoidOf(float x) {
  if (isNaN(x)) return x;
  float e = expOf(-abs(x));
  return x >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}`,
  ],
  [
    'tanhOf',
    `float tanhOf(float x) {
  if (isNaN(x)) return x;
  if (abs(x) > 10.0) return withSign(1.0, x);
  float e = expm1Of(2.0 * abs(x));
  return withSign(e / (e + 2.0), x);
}`,
  ],
  [
    'sinhOf',
    `float sinhOf(float x) {
  if (isNaN(x) || isInf(x)) return x;
  float a = abs(x);
  if (a > 80.0) { float h = expOf(0.5 * a); return withSign(0.5 * h * h, x); }
  float e = expm1Of(a);
  return withSign(0.5 * (e + e / (e + 1.0)), x);
}`,
  ],
  [
    'coshOf',
    `float coshOf(float x) {
  if (isNaN(x)) return x;
  float a = abs(x);
  if (a > 80.0) { float h = expOf(0.5 * a); return 0.5 * h * h; }
  float e = expOf(a);
  return 0.5 * (e + 1.0 / e);
}`,
  ],
  [
    'asinhOf',
    `float asinhOf(float x) {
  if (isNaN(x) || isInf(x)) return x;
  float a = abs(x);
  if (a > 1e4) return withSign(logOf(a) + 0.69314718056, x);
  return withSign(log1pOf(a + a * a / (1.0 + sqrt(1.0 + a * a))), x);
}`,
  ],
  [
    'acoshOf',
    `float acoshOf(float x) {
  if (isNaN(x) || x < 1.0) return nan();
  if (x > 1e4) return logOf(x) + 0.69314718056;
  float t = x - 1.0;
  return log1pOf(t + sqrt(2.0 * t + t * t));
}`,
  ],
  [
    'atanhOf',
    `float atanhOf(float x) {
  float a = abs(x);
  if (isNaN(x) || a > 1.0) return nan();
  if (a == 1.0) return withSign(inf(), x);
  return withSign(0.5 * log1pOf(2.0 * a / (1.0 - a)), x);
}`,
  ],
  // Cody and Waite's reduction in three parts: k multiples of pi/2 and the rest, for arguments up to 8192.
  [
    'quarter',
    `float quarter(float x, out int k) {
  float n = floor(x * 0.63661977236758134 + 0.5);
  k = int(n) & 3;
  return ((x - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.54978995489188216e-8;
}`,
  ],
  [
    'sinNear0',
    'float sinNear0(float x) { float z = x * x; return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x; }',
  ],
  [
    'cosNear0',
    'float cosNear0(float x) { float z = x * x; return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0; }',
  ],
  [
    'turn',
    `float turn(float x, int quarters) {
  if (isNaN(x) || isInf(x)) return nan();
  if (abs(x) > 8192.0) return quarters == 0 ? sin(x) : cos(x);
  int k;
  float y = quarter(x, k);
  k = (k + quarters) & 3;
  float value = (k & 1) == 0 ? sinNear0(y) : cosNear0(y);
  return k < 2 ? value : -value;
}`,
  ],
  [
    'tanOf',
    `float tanOf(float x) {
  if (isNaN(x) || isInf(x)) return nan();
  if (abs(x) > 8192.0) return tan(x);
  int k;
  float y = quarter(x, k);
  return (k & 1) == 0 ? sinNear0(y) / cosNear0(y) : -cosNear0(y) / sinNear0(y);
}`,
  ],
  [
    'atanOf',
    `float atanOf(float x) {
  if (isNaN(x)) return x;
  float a = abs(x);
  float base = 0.0;
  if (a > 2.414213562373095) { base = 1.5707963267948966; a = isInf(a) ? 0.0 : -1.0 / a; }
  else if (a > 0.4142135623730950) { base = 0.7853981633974483; a = (a - 1.0) / (a + 1.0); }
  float z = a * a;
  return withSign(base + ((((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1) * z * a + a), x);
}`,
  ],
  [
    'asinNear0',
    `float asinNear0(float x) {
  float z = x * x;
  return ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z + 1.6666752422e-1) * z * x + x;
}`,
  ],
  [
    'asinOf',
    `float asinOf(float x) {
  float a = abs(x);
  if (isNaN(x) || a > 1.0) return nan();
  return withSign(a > 0.5 ? 1.5707963267948966 - 2.0 * asinNear0(sqrt(0.5 * (1.0 - a))) : asinNear0(a), x);
}`,
  ],
  [
    'acosOf',
    `float acosOf(float x) {
  if (isNaN(x) || abs(x) > 1.0) return nan();
  if (x > 0.5) return 2.0 * asinNear0(sqrt(0.5 * (1.0 - x)));
  if (x < -0.5) return 3.14159265358979323 - 2.0 * asinNear0(sqrt(0.5 * (1.0 + x)));
  return 1.5707963267948966 - asinNear0(x);
}`,
  ],
  [
    'atan2Of',
    `float atan2Of(float y, float x) {
  if (isNaN(x) || isNaN(y)) return nan();
  float pi = 3.14159265358979323;
  if (y == 0.0) return withSign(negative(x) ? pi : 0.0, y);
  if (isInf(x)) return withSign(isInf(y) ? (x > 0.0 ? 0.25 * pi : 0.75 * pi) : (x > 0.0 ? 0.0 : pi), y);
  if (x == 0.0 || isInf(y)) return withSign(0.5 * pi, y);
  // Of two numbers near the end of the range the quotient is that of their quarters.
  float a = abs(x) > 1e37 || abs(y) > 1e37 ? atanOf((abs(y) * 0.25) / (abs(x) * 0.25)) : atanOf(abs(y) / abs(x));
  return withSign(x > 0.0 ? a : pi - a, y);
}`,
  ],
  // erfc(x) for x >= 1/2: exp(-x^2) with the square in two parts, of which the first is exact, times a Chebyshev series.
  [
    'erfcTail',
    `float erfcTail(float x) {
  if (x > 11.0) return 0.0;
  float t = (x - 3.0) / (x + 3.0);
  float next = 0.0, afterNext = 0.0, here;
${ERFC_CHEBYSHEV.slice(1, 16)
  .toReversed()
  .map((c) => `  here = 2.0 * t * next - afterNext + ${c.toExponential()}; afterNext = next; next = here;`)
  .join('\n')}
  float h = uintBitsToFloat(floatBitsToUint(x) & 0xfffff000u);
  return expOf(-h * h) * expOf((h - x) * (h + x)) * (t * next - afterNext + ${ERFC_CHEBYSHEV[0]}) / (1.0 + 2.0 * x);
}`,
  ],
  [
    'erfNear0',
    `float erfNear0(float x) {
  float z = x * x;
  return x * 1.1283791670955126 * (1.0 + z * (-1.0 / 3.0 + z * (0.1 + z * (-1.0 / 42.0 + z * (1.0 / 216.0 - z / 1320.0)))));
}`,
  ],
  [
    'erfOf',
    `float erfOf(float x) {
  if (isNaN(x)) return x;
  return abs(x) < 0.5 ? erfNear0(x) : withSign(1.0 - erfcTail(abs(x)), x);
}`,
  ],
  [
    'erfcOf',
    `float erfcOf(float x) {
  if (isNaN(x)) return x;
  if (abs(x) < 0.5) return 1.0 - erfNear0(x);
  return x > 0.0 ? erfcTail(x) : 2.0 - erfcTail(-x);
}`,
  ],
  ['signOf', 'float signOf(float x) { return isNaN(x) ? x : x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }'],
  ['maxOf', 'float maxOf(float a, float b) { return isNaN(a) ? a : isNaN(b) ? b : a > b ? a : b; }'],
  ['minOf', 'float minOf(float a, float b) { return isNaN(a) ? a : isNaN(b) ? b : a < b ? a : b; }'],
  [
    'hypotOf',
    `float hypotOf(float a, float b) {
  if (isInf(a) || isInf(b)) return inf();
  if (isNaN(a) || isNaN(b)) return nan();
  float most = max(abs(a), abs(b)), least = min(abs(a), abs(b));
  if (most == 0.0) return 0.0;
  float q = least / most;
  return most * sqrt(1.0 + q * q);
}`,
  ],
  // The remainder of whole significands by shift and subtract: exact, however far the exponents are apart.
  [
    'remainderOf',
    `float remainderOf(float a, float b) {
  uint x = floatBitsToUint(a), y = floatBitsToUint(b);
  int ex = int(x >> 23), ey = int(y >> 23);
  uint mx = x & 0x7fffffu, my = y & 0x7fffffu;
  if (ex == 0) ex = 1; else mx |= 0x800000u;
  if (ey == 0) ey = 1; else my |= 0x800000u;
  if (ex < ey) return a;
  for (int i = ex - ey; i > 0; i--) { mx %= my; mx <<= 1; }
  return scale(float(mx % my), ey - 150);
}`,
  ],
  [
    'modOf',
    `float modOf(float a, float b) {
  if (isNaN(a) || isNaN(b) || isInf(a) || b == 0.0) return nan();
  float rest = isInf(b) ? abs(a) : remainderOf(abs(a), abs(b));
  if (rest == 0.0) return withSign(0.0, b);
  rest = withSign(rest, a);
  return negative(rest) != negative(b) ? rest + b : rest;
}`,
  ],
  // Small whole exponents by squaring, for those are most of all; others as exp(b log a), the logarithm in two parts.
  [
    'powOf',
    `float powOf(float a, float b) {
  if (b == 0.0 || a == 1.0) return 1.0;
  if (isNaN(a) || isNaN(b)) return nan();
  float size = abs(a);
  bool whole = floor(b) == b;
  bool odd = whole && abs(b) < 16777216.0 && (int(b) & 1) == 1;
  if (isInf(b)) return size == 1.0 ? 1.0 : (size > 1.0) == (b > 0.0) ? inf() : 0.0;
  if (size == 0.0) return b > 0.0 ? (odd ? a : 0.0) : (odd ? withSign(inf(), a) : inf());
  if (isInf(a)) return b > 0.0 ? (odd ? a : inf()) : (odd ? withSign(0.0, a) : 0.0);
  if (negative(a) && !whole) return nan();
  float result;
  if (whole && abs(b) <= 8.0) {
    result = 1.0;
    float square = size;
    for (int n = int(abs(b)); n > 0; n >>= 1) { if ((n & 1) == 1) result *= square; square *= square; }
    if (b < 0.0) result = 1.0 / result;
  } else {
    int k;
    float m = split(size, k);
    float high = uintBitsToFloat(floatBitsToUint(b) & 0xfffff000u);
    float turns = b * float(k);
    float y = b * logNear1(m - 1.0);
    float total = turns + y * 1.44269504;
    if (abs(total) > 200.0) result = total > 0.0 ? inf() : 0.0;
    else {
      float n = floor(turns);
      float rest = (high * float(k) - n) + (b - high) * float(k);
      float extra = floor(y * 1.44269504 + 0.5);
      y = (y - extra * 0.693359375) - extra * -2.12194440e-4;
      result = scale(expOf(y + rest * 0.69314718056), int(n + extra));
    }
  }
  return odd && negative(a) ? -result : result;
}`,
  ],
  // Integers, with C's quotient, Python's remainder and NumPy's 0 where there is none.
  [
    'intDiv',
    'float intDiv(float a, float b) { return isNaN(a) || isNaN(b) ? nan() : b == 0.0 ? 0.0 : float(int(a) / int(b)); }',
  ],
  [
    'intMod',
    `float intMod(float a, float b) {
  if (isNaN(a) || isNaN(b)) return nan();
  if (b == 0.0) return 0.0;
  int x = int(abs(a)), y = int(abs(b)), rest = x - y * (x / y);
  if (rest == 0) return 0.0;
  float value = a < 0.0 ? -float(rest) : float(rest);
  return (value < 0.0) != (b < 0.0) ? value + b : value;
}`,
  ],
  [
    'intPow',
    `float intPow(float a, float b) {
  if (isNaN(a) || isNaN(b)) return nan();
  bool odd = (int(abs(b)) & 1) == 1;
  if (abs(a) <= 1.0 && (a != 0.0 || b >= 0.0)) return b == 0.0 ? 1.0 : a < 0.0 && !odd ? 1.0 : a;
  if (b < 0.0) return 0.0;
  if (b > 24.0) return nan();
  float result = 1.0;
  for (int n = int(b); n > 0; n--) result = fit(result * a);
  return result;
}`,
  ],
];

/** Those functions that the code calls, and those which these call, each after what it calls. */
export function libraryFor(code: string): string[] {
  let all = code;
  const chosen: string[] = [];
  for (const [name, source] of LIBRARY.toReversed()) {
    if (!new RegExp(`\\b${name}\\(`).test(all)) continue;
    chosen.unshift(source);
    all += source;
  }
  return chosen;
}
