#include "ops/buffer.h"

#include <array>

#include "threads/per_thread.h"

namespace convlet {
namespace {

constexpr std::size_t kKeptFloats = (std::size_t{32} << 20) / sizeof(float);

using Slots = std::array<Buffer, 7>;

const PerThread<Slots>& slots() {
  static const auto* all = new PerThread<Slots>;
  return *all;
}

}  // namespace

float* scratch(Scratch slot, std::size_t floats) {
  return slots().mine()[static_cast<std::size_t>(slot)].reserve(floats);
}

void trim_scratch() {
  Slots* own = slots().find();
  if (!own) return;
  for (Buffer& buffer : *own) {
    if (buffer.size() > kKeptFloats) buffer = Buffer();
  }
}

}  // namespace convlet
