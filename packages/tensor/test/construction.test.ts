// A tensor is made for every op of every step, so making one must cost next to nothing: no class between Carrier and Tensor may have
// anything to construct. Private names (#name) do: each class that has one marks each new object.
import { expect, test } from 'vitest';
import { ArrayOps } from '../src/index.ts';

test('the families of ops construct nothing', () => {
  let families = 0;
  for (let c: object = ArrayOps; c !== Function.prototype; c = Object.getPrototypeOf(c)) {
    const source = Function.prototype.toString.call(c);
    expect(source.startsWith('class'), source.slice(0, 40)).toBe(true);
    // What stands at the first level of indentation is a member.
    const members = source.split('\n').filter((line) => /^(\t| {2})\S/.test(line));
    expect(
      members.filter((line) => /^\s+(constructor\b|#|\w+\s*(=|;))/.test(line)),
      source.slice(0, 40),
    ).toEqual([]);
    families++;
  }
  expect(families).toBeGreaterThan(10);
});
