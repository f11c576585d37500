// `pnpm start` prints what the example prints and nothing around it, so that `pnpm start gem --json | jq .` works.
// The setting `reporter: silent` would do this for every command, and would also hide why an install failed.
const quiet = process.argv[2] === 'start' ? { reporter: 'silent' } : {};

module.exports = { hooks: { updateConfig: (config) => ({ ...config, ...quiet }) } };
