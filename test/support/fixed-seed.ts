// One seed for every property test. `FC_SEED=123 pnpm test` draws other cases; the seed of a failure is in its message.
import fc from 'fast-check';

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.FC_SEED ?? 20_180_101) });
