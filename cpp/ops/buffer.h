// Memory for tiles: aligned to a cache line, kept between calls so that the system need not clear it again.
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
    if (floats > size_) {
      data_.reset();
      size_ = 0;
      data_.reset(static_cast<float*>(::operator new[](floats * sizeof(float), kAlignment)));
      size_ = floats;
    }
    return data_.get();
  }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* p) const { ::operator delete[](p, kAlignment); }
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t size_ = 0;
};

// Scratch memory of the calling thread, one buffer a slot; what an op leaves above 32 MiB is given back.
enum class Scratch { X, Y, Dx, Dy, Winners, Lanes, Cells };
float* scratch(Scratch slot, std::size_t floats);
void trim_scratch();

}  // namespace convlet
