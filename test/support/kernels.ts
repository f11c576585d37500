// The cpu leaves a program's first ops on few elements to its loops (patience.ts). What tests are to hold to the loops is the kernels, and most
// of their tensors are small: here the loops have had their share.
import { scope, zeros } from '@gemlab/tensor';

for (let i = 0; i <= 32; i++) scope(() => void zeros([512]).add(1));
