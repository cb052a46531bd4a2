#pragma once

#include <string>

namespace convlet {

// "" when a CUDA device can be used, otherwise the reason why not, in one line without a full stop.
std::string cuda_status();

}  // namespace convlet
