// `pnpm start` prints what the example prints and nothing around it, so that `pnpm start gem --json | jq .` works;
// `pnpm bench` likewise.
// The setting `reporter: silent` would do this for every command, and would also hide why an install failed; in a package without such a
// script it would hide that there is none.
const command = process.argv[2];
const isQuiet = ({ dir }) => ['start', 'bench'].includes(command) && require(`${dir}/package.json`).scripts?.[command];

module.exports = {
  hooks: { updateConfig: (config) => (isQuiet(config) ? { ...config, reporter: 'silent' } : config) },
};
