#include "ops/buffer.h"

#include <sys/mman.h>

#include <array>

#include "threads/per_thread.h"

namespace convlet {
namespace {

constexpr std::size_t kKeptFloats = (std::size_t{32} << 20) / sizeof(float);

constexpr std::size_t kCacheLine = 64, kHugePage = std::size_t{2} << 20;

using Slots = std::array<Buffer, 7>;

const PerThread<Slots>& slots() {
  static const auto* all = new PerThread<Slots>;
  return *all;
}

}  // namespace

void Buffer::grow(std::size_t floats) {
  data_.reset();
  size_ = 0;
  std::size_t bytes = floats * sizeof(float);
  const bool huge = bytes >= kHugePage / 4;
  if (huge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  const std::align_val_t alignment{huge ? kHugePage : kCacheLine};
  data_ = {static_cast<float*>(::operator new[](bytes, alignment)), Free{alignment}};
  size_ = bytes / sizeof(float);
#ifdef MADV_HUGEPAGE
  if (huge) madvise(data_.get(), bytes, MADV_HUGEPAGE);  // where there are none, small pages do
#endif
}

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
