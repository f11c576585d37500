/**
 * How optimal is a point? The Karush-Kuhn-Tucker conditions, recomputed from the problem and the answer alone, so that a solver cannot
 * grade its own work. For a convex problem they are necessary and sufficient:
 *
 *     Px + q + G'y + A'w - l + u = 0,   Gx <= h, Ax = b, lb <= x <= ub,   y, l, u >= 0,   y (Gx - h) = l (lb - x) = u (x - ub) = 0.
 *
 * Each residual is also compared with the sum of the absolute values of the terms it is a difference of: that is what rounding could
 * have done to it, so `relative` near 1e-16 says that float64 holds no better answer. Source: Nocedal & Wright, Numerical Optimization
 * (2nd ed.), section 16.4; the running-error scale is Higham, Accuracy and Stability of Numerical Algorithms (2nd ed.), section 3.3.
 */

import {
  type CheckedProblem,
  checkPoint,
  checkProblem,
  type KKTResiduals,
  type QPMultipliers,
  type QPProblem,
  type QPVector,
} from './problem.ts';

/**
 * The KKT residuals of x with its multipliers. Lengths: x n; multipliers as in QPMultipliers; xScale as in QPOptions.
 * @throws ShapeMismatchError, QPInputError as solveQP does, for problem, x and multipliers
 */
export function kktResiduals(problem: QPProblem, x: QPVector, multipliers: QPMultipliers, xScale = 0): KKTResiduals {
  const checked = checkProblem(problem);
  checkPoint(checked, x, multipliers);
  return residualsAt(checked, x, multipliers, xScale);
}

/** The same of a problem that was checked; a solver's point may be anything. */
export function residualsAt(
  problem: CheckedProblem,
  x: QPVector,
  multipliers: QPMultipliers,
  xScale = 0,
): KKTResiduals {
  const { n, P, q, G, h, A, b, lb, ub } = problem;
  const { inequality, equality, lower, upper } = multipliers;

  const gradient = Float64Array.from(q);
  const gradientTerms = gradient.map(Math.abs);
  let quadratic = 0;
  let xMax = xScale;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const term = 0.5 * (P[i][j] + P[j][i]) * x[j];
      gradient[i] += term;
      gradientTerms[i] += Math.abs(term);
      quadratic += Math.abs(term * x[i]);
    }
    xMax = Math.max(xMax, Math.abs(x[i]));
  }

  // The duality gap is a difference of these terms, so they are the natural size of a complementarity product.
  let gapTerms = quadratic;
  for (let i = 0; i < n; i++) gapTerms += Math.abs(q[i] * x[i]);

  let primal = 0;
  let primalRelative = 0;
  let dual = 0;
  let dualMax = 0;
  let complementarity = 0;
  const violate = (amount: number, terms: number): void => {
    primal = Math.max(primal, amount);
    primalRelative = Math.max(primalRelative, ratio(amount, terms));
  };
  const pair = (multiplier: number, slack: number, terms: number): void => {
    dual = Math.max(dual, -multiplier);
    dualMax = Math.max(dualMax, Math.abs(multiplier));
    if (multiplier === 0) return;
    complementarity = Math.max(complementarity, Math.abs(multiplier * slack));
    gapTerms += Math.abs(multiplier) * terms;
  };
  const addRow = (row: QPVector, multiplier: number): { value: number; terms: number } => {
    let value = 0;
    let size = 0;
    for (let j = 0; j < n; j++) {
      value += row[j] * x[j];
      size += Math.abs(row[j]);
      gradient[j] += row[j] * multiplier;
      gradientTerms[j] += Math.abs(row[j] * multiplier);
    }
    return { value, terms: size * xMax };
  };

  for (let i = 0; i < G.length; i++) {
    const { value, terms } = addRow(G[i], inequality[i]);
    if (h[i] === Infinity) continue;
    violate(value - h[i], terms + Math.abs(h[i]));
    pair(inequality[i], h[i] - value, terms + Math.abs(h[i]));
  }
  for (let i = 0; i < A.length; i++) {
    const { value, terms } = addRow(A[i], equality[i]);
    violate(Math.abs(value - b[i]), terms + Math.abs(b[i]));
  }
  for (let j = 0; j < n; j++) {
    gradient[j] += upper[j] - lower[j];
    gradientTerms[j] += Math.abs(upper[j]) + Math.abs(lower[j]);
    if (lb[j] !== -Infinity) {
      violate(lb[j] - x[j], xMax + Math.abs(lb[j]));
      pair(lower[j], x[j] - lb[j], Math.abs(x[j]) + Math.abs(lb[j]));
    }
    if (ub[j] !== Infinity) {
      violate(x[j] - ub[j], xMax + Math.abs(ub[j]));
      pair(upper[j], ub[j] - x[j], Math.abs(x[j]) + Math.abs(ub[j]));
    }
  }

  const stationarity = maxAbs(gradient);
  const relative = Math.max(
    ratio(stationarity, maxAbs(gradientTerms)),
    primalRelative,
    ratio(dual, dualMax),
    ratio(complementarity, gapTerms),
  );
  return { stationarity, primal, dual, complementarity, relative };
}

/** At most 1, "wholly violated", also where there is nothing to compare with; 0 where nothing is violated. */
function ratio(amount: number, terms: number): number {
  if (amount <= 0) return 0;
  return amount < terms ? amount / terms : 1;
}

function maxAbs(values: Float64Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}
