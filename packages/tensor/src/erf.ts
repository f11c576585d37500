// The error function and its complement, erf(x) = 2/sqrt(pi) integral of exp(-t^2) from 0 to x and erfc = 1 - erf, to within 4 units
// in the last place of a double wherever the result is a normal number: also far out in erfc's tail, where 1 - erf would be 0.
//
// Near 0, erf(x) = 2/sqrt(pi) sum_n (-1)^n x^(2n+1) / (n! (2n+1)) (Abramowitz & Stegun 7.1.5). Elsewhere (1 + 2x) exp(x^2) erfc(x) is
// a smooth function on [0, inf], and t = (x - 3) / (x + 3) maps that onto [-1, 1], where its Chebyshev series converges fast
// (Shepherd & Laframboise, Math. Comp. 36, 1981). The coefficients were computed with mpmath: test/fixtures/make_erf.py.

/** Where one form gives way to the other. */
const NEAR = 0.5;

export const ERFC_CHEBYSHEV = [
  1.17756257419656, 0.005353904539615676, -0.09377550342284209, 0.05436652555744322, -0.018976596707845208,
  0.004453426061462712, -0.0006335531710553147, 1.7661719523171593e-5, 1.2841532864056671e-5, -2.0072285659059913e-6,
  -1.807522790414837e-7, 7.549828343825093e-8, 1.885668523838603e-9, -2.699519049798364e-9, -1.460079119939105e-11,
  1.0361607445969489e-10, 1.475715976623473e-12, -4.277340064396911e-12, -2.07922492859799e-13, 1.8134502003176963e-13,
  1.973425574544739e-14, -7.287943737592673e-15, -1.5169878690228116e-15, 2.3514112258781403e-16,
];

/** exp(-x^2), where rounding x^2 first would lose as many digits as it has before the point: x^2 = h^2 + (x - h)(x + h), h^2 exact. */
function expMinusSquare(x: number): number {
  const h = Math.fround(x);
  return Math.exp(-h * h) * Math.exp((h - x) * (h + x));
}

/** erf for |x| < NEAR. */
function series(x: number): number {
  let power = x;
  let sum = x;
  for (let n = 1; Math.abs(power) > Math.abs(sum) * 1e-17; n++) {
    power *= (-x * x) / n;
    sum += power / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** erfc for x >= NEAR, the Chebyshev series summed by Clenshaw's recurrence. */
function tail(x: number): number {
  // exp(-x^2) is 0 beyond, and infinity would make t NaN.
  if (x > 28) return 0;
  const t = (x - 3) / (x + 3);
  let next = 0;
  let afterNext = 0;
  for (let n = ERFC_CHEBYSHEV.length - 1; n > 0; n--) {
    const here = 2 * t * next - afterNext + ERFC_CHEBYSHEV[n]!;
    afterNext = next;
    next = here;
  }
  return (expMinusSquare(x) * (t * next - afterNext + ERFC_CHEBYSHEV[0]!)) / (1 + 2 * x);
}

export function erf(x: number): number {
  if (x >= NEAR) return 1 - tail(x);
  return x <= -NEAR ? tail(-x) - 1 : series(x);
}

export function erfc(x: number): number {
  if (x >= NEAR) return tail(x);
  return x <= -NEAR ? 2 - tail(-x) : 1 - series(x);
}
