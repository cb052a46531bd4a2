// The kernels for AMX: this file alone is compiled with its flags, and owns no code that another shares.
#include "isa/amx.h"

#include "isa/tables.h"

namespace convlet::amx {
namespace {

#include "kernels/activation.inl"
#include "kernels/matrix.inl"

}  // namespace

const MatrixKernels kTable = {"amx", round, to_cells, correlate, weight_gradient_room, weight_gradient};

}  // namespace convlet::amx
