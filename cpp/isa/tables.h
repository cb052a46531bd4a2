// The tables that the files of this room define, one for each instruction set.
#pragma once

#include "kernels/table.h"

namespace convlet {

namespace avx512 {
extern const Kernels kTable;
}
namespace amx {
extern const MatrixKernels kTable;
}
namespace avx2 {
extern const Kernels kTable;
}
namespace baseline {
extern const Kernels kTable;
}
namespace neon {
extern const Kernels kTable;
}

}  // namespace convlet
