#include "ops/buffer.h"

namespace convlet {
namespace {

constexpr std::size_t kKeptFloats = (std::size_t{32} << 20) / sizeof(float);
constexpr int kSlots = 6;

thread_local Buffer slots[kSlots];

}  // namespace

float* scratch(Scratch slot, std::size_t floats) { return slots[static_cast<int>(slot)].reserve(floats); }

void trim_scratch() {
  for (Buffer& buffer : slots) {
    if (buffer.size() > kKeptFloats) buffer = Buffer();
  }
}

}  // namespace convlet
