import { defineConfig } from 'vite';

// The packages come from src, as in tests: no build is needed.
export default defineConfig({ resolve: { conditions: ['source', 'module', 'browser', 'development|production'] } });
