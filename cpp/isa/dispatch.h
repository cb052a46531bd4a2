// The choice among instruction sets: a best-first list of what this CPU runs, and the one in use.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace convlet {

const std::vector<const Kernels*>& available_kernels();

// The table in use; the best one unless another was selected.
const Kernels& kernels();

// Selects by name; throws std::invalid_argument with the names that this CPU runs.
const Kernels& select_kernels(const std::string& name);
const Kernels& select_best_kernels();

// The kernels of a matrix unit, or null where the processor has none, or the system does not let this process use it.
const MatrixKernels* matrix_kernels();

}  // namespace convlet
