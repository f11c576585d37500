// Several tensors as one, or on common axes. (concat, which reductions need, is in reduce.ts.)

import { OptionError, ShapeError, shapeText } from '../errors.ts';
import { normalizeAxis, sameShape } from '../shape.ts';
import { type ArrayOf, expandTo, leader } from './carrier.ts';
import type { IndexOps } from './indexing.ts';
import { concat } from './reduce.ts';

/** Tensors of one shape joined along a new axis. @throws DataError if there are none; ShapeError if their shapes differ. */
export function stack<T extends IndexOps<T>>(parts: readonly ArrayOf<T>[], axis = 0): T {
  const first = leader<T>('stack', parts);
  const lifted = parts.map((p) => first.lift('stack', p, first.dtype));
  if (lifted.some((p) => !sameShape(p.shape, first.shape))) {
    throw new ShapeError(`stack: shapes ${lifted.map((p) => shapeText(p.shape)).join(', ')} differ`, {
      shapes: lifted.map((p) => p.shape),
    });
  }
  const at = normalizeAxis('stack', axis, first.rank + 1);
  return concat<T>(
    lifted.map((p) => p.unsqueeze(at)),
    at,
  );
}

/**
 * The coordinates of a grid: for vectors of lengths a, b, c (a scalar is a vector of one) as many views of shape [a, b, c], the
 * i-th of which changes along axis i alone. With 'xy' the first two axes change places: [b, a, c].
 * @throws DataError if there are none; ShapeError for one that is not 1-d; OptionError.
 */
export function meshgrid<T extends IndexOps<T>>(axes: readonly ArrayOf<T>[], indexing: 'ij' | 'xy' = 'ij'): T[] {
  const first = leader<T>('meshgrid', axes);
  if (indexing !== 'ij' && indexing !== 'xy') {
    throw new OptionError(`meshgrid: indexing is 'ij' or 'xy', found '${String(indexing)}'`, { indexing });
  }
  const vectors = axes.map((x) => first.lift('meshgrid', x, first.dtype));
  const wrong = vectors.find((x) => x.rank > 1);
  if (wrong) throw new ShapeError(`meshgrid: wants vectors, found ${shapeText(wrong.shape)}`, { shape: wrong.shape });
  const shape = vectors.map((x) => x.size);
  return vectors.map((x, i) => {
    const grid = expandTo(x.reshape(shape.map((_, axis) => (axis === i ? x.size : 1))), shape);
    return indexing === 'xy' && shape.length > 1 ? grid.transpose(0, 1) : grid;
  });
}
