// A plan in words: a table of its stages for one instruction set.
#pragma once

#include <string>

#include "convlet/plan.h"
#include "kernels/table.h"

namespace convlet {

// Shapes, parameters, multiply-adds an image, bytes of a tile's output, output channels of a register block.
std::string describe(const Plan& plan, const Kernels& kernels);

}  // namespace convlet
