// The device of a build without CUDA: the symbols of device.h and ops.h, so that no other file needs to ask.
#include <stdexcept>

#include "cuda/device.h"
#include "cuda/ops.h"

namespace convlet::cuda {

std::string status() { return "convlet was built without CUDA"; }

void require(const char* op) {
  throw std::runtime_error(std::string(op) + ": device 'cuda' cannot be used: " + status());
}

}  // namespace convlet::cuda
