// The machine's limit, measured in the process that is to be compared with it.
#pragma once

namespace convlet::ops {

// GFLOP/s (two for a multiply-add) that `threads` of the pool reach together on multiply-adds in registers, in the
// vectors of the selected instruction set: the mean over `seconds`, with whatever else runs on the machine.
double fma_peak(int threads, double seconds);

}  // namespace convlet::ops
