// The kernels for x86-64's baseline: this file alone is compiled with its flags, and owns no code that another shares.
#include "isa/sse2.h"

#include <math.h>

#include "isa/tables.h"

namespace convlet::baseline {
namespace {

// 12 sums leave registers for the operands of a block of any shape; block_width() says what those of one shape leave.
constexpr int kRegisters = 16, kAccumulators = 12, kMaxBlock = 12, kMaxPositions = 12;

#include "kernels/kernels.inl"

}  // namespace

const Kernels kTable = make_kernels("baseline");

}  // namespace convlet::baseline
