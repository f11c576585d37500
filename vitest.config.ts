import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Packages resolve from src, so tests need no build and stack traces point at the source.
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'bench/test/**/*.test.ts', 'test/**/*.test.ts'],
    // Property tests draw from a fixed seed, so that CI says the same twice; FC_SEED=$RANDOM looks elsewhere.
    setupFiles: ['test/support/fixed-seed.ts', 'test/support/kernels.ts'],
    // By default vitest leaves one core free: on a 2-core machine that is half of it.
    maxWorkers: '100%',
    // Property tests on a busy shared core: slow is not a failure, a hang is.
    testTimeout: 30_000,
    // .ci/run counts the tests from this file.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/vitest.json' },
  },
});
