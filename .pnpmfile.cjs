// `pnpm start` prints what the example prints and nothing around it, so that `pnpm start gem --json | jq .` works;
// `pnpm bench` likewise.
// The setting `reporter: silent` would do this for every command, and would also hide why an install failed.
const quiet = ['start', 'bench'].includes(process.argv[2]) ? { reporter: 'silent' } : {};

module.exports = { hooks: { updateConfig: (config) => ({ ...config, ...quiet }) } };
