// The translation of kernels from GLSL to WGSL, form by form. That it computes the same is tested where there is WebGPU: by all laws.

import { expect, test } from 'vitest';
import { wgslSource } from '../src/backends/gpu/wgsl.ts';

const translated = (body: string) => {
  const source = wgslSource({ name: 'test', textures: ['xT'], blocks: ['bT'], ints: ['n'], floats: ['s'], body });
  return source
    .slice(source.lastIndexOf('var v_r = p_r;') + 'var v_r = p_r;'.length)
    .replace(/\s+/g, ' ')
    .trim();
};
const expression = (code: string) => /^return (.*); }$/.exec(translated(`return ${code};`))![1];

test.each([
  // C's precedence, spelled out.
  ['a + b * c - d', '((v_a + (v_b * v_c)) - v_d)'],
  ['a == 0 || b < 1 && !c', '((v_a == 0) || ((v_b < 1) && (!v_c)))'],
  ['bits & 7u | 8u', '((v_bits & 7u) | 8u)'],
  ['-a * -2.5e-3', '((-v_a) * (-2.5e-3))'],
  // ?: binds least, and to the right.
  ['a > 0.0 ? 1.0 : b ? c : 2.0', 'select(select(2.0, v_c, v_b), 1.0, (v_a > 0.0))'],
  ['x >> 23', '(v_x >> u32(23))'],
  ['uint(k) << 23', '(u32(v_k) << u32(23))'],
  ['floatBitsToUint(x)', 'bitcast<u32>(v_x)'],
  ['roundEven(float(i))', 'round(f32(v_i))'],
  ['$s * xTAt($n)', '(params.user_s * f_xTAt(params.user_n))'],
  ['bTAt(i).xxzz[(i & 1) * 2]', 'f_bTAt(v_i).xxzz[(((v_i & 1)) * 2)]'],
])('%s', (glsl, wgsl) => {
  expect(expression(glsl)).toBe(wgsl);
});

test.each([
  ['int i = 0, j; return 0.0;', 'var v_i: i32 = 0; var v_j: i32; return 0.0; }'],
  ['if (a) b += 1; else return c; // why', 'if (v_a) { v_b += 1; } else { return v_c; } }'],
  [
    'for (int i = 0; i < $n; i++) if (a) continue;',
    'for (var v_i: i32 = 0; (v_i < params.user_n); v_i++) { if (v_a) { continue; } } }',
  ],
  ['for (; i < 4; i >>= 1) { a = b; }', 'for (; (v_i < 4); v_i >>= u32(1)) { v_a = v_b; } }'],
  ['while (a < b) a++;', 'while ((v_a < v_b)) { v_a++; } }'],
])('%s', (glsl, wgsl) => {
  expect(translated(glsl)).toBe(wgsl);
});

test('functions of the library come before what calls them, and give more than one number by pointers', () => {
  const source = wgslSource({ name: 'log', textures: [], ints: [], body: 'return logOf(float(r));' });
  expect(source).toContain('fn f_split(p_x: f32, v_k: ptr<function, i32>) -> f32');
  expect(source).toContain('(*v_k) = 0;');
  expect(source).toContain('f_split(v_x, &v_k)');
  expect(source.indexOf('fn f_split')).toBeLessThan(source.indexOf('fn f_logOf'));
});

test('what is no part of that GLSL is an error that says where', () => {
  expect(() => translated('do { a++; } while (a < 3);')).toThrow(
    /not in the part of GLSL that is translated: expected ';'/,
  );
  expect(() => translated('return f(1.0;')).toThrow("expected ')' near 'return f ( 1.0 ;'");
});
