// The kernels for AVX-512: this file alone is compiled with its flags, and owns no code that another shares.
#include "isa/avx512.h"

#include <math.h>

#include "isa/tables.h"

namespace convlet::avx512 {
namespace {

// 24 sums leave registers for the operands of a block of any shape; block_width() says what those of one shape leave.
constexpr int kRegisters = 32, kAccumulators = 24, kMaxBlock = 24, kMaxPositions = 14;

#include "kernels/kernels.inl"

}  // namespace

const Kernels kTable = make_kernels("avx512");

}  // namespace convlet::avx512
