// The device of a build without CUDA: the symbols of device.h, so that no other file needs to ask.
#include "cuda/device.h"

namespace convlet {

std::string cuda_status() { return "convlet was built without CUDA"; }

}  // namespace convlet
