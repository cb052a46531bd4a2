// Memory for tiles: aligned to a cache line, kept between calls so that the system need not clear it again. What is
// larger than a quarter of a huge page asks for such pages: they need few entries of the TLB, and the lines of one
// spread evenly over the sets of L2, which those of many small pages do by chance.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace convlet {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t floats) { reserve(floats); }

  // Contents are lost when it grows.
  float* reserve(std::size_t floats) {
    if (floats > size_) grow(floats);
    return data_.get();
  }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  void grow(std::size_t floats);

  struct Free {
    Free() : alignment{} {}
    explicit Free(std::align_val_t alignment) : alignment(alignment) {}
    void operator()(float* p) const { ::operator delete[](p, alignment); }
    std::align_val_t alignment;
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t size_ = 0;
};

// Scratch memory of the calling thread, one buffer a slot; what an op leaves above 32 MiB is given back.
enum class Scratch { X, Y, Dx, Dy, Winners, Lanes, Cells };
float* scratch(Scratch slot, std::size_t floats);
void trim_scratch();

}  // namespace convlet
