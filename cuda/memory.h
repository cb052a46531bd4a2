// Arrays on the device.
#pragma once

#include <cstdint>
#include <memory>

#include "cuda/device.h"

namespace convlet::cuda {

template <class T>
class Memory {
 public:
  Memory() = default;
  explicit Memory(std::int64_t count)
      : memory_(count > 0 ? allocate(static_cast<std::size_t>(count) * sizeof(T)) : nullptr), count_(count) {}
  Memory(const T* host, std::int64_t count) : Memory(count) { write(host, count); }

  T* data() const { return static_cast<T*>(memory_.get()); }
  std::int64_t count() const { return count_; }

  void write(const T* host, std::int64_t count) {
    if (count > 0) upload(data(), host, static_cast<std::size_t>(count) * sizeof(T));
  }
  void read(T* host, std::int64_t count) const {
    if (count > 0) download(host, data(), static_cast<std::size_t>(count) * sizeof(T));
  }

 private:
  std::shared_ptr<void> memory_;
  std::int64_t count_ = 0;
};

}  // namespace convlet::cuda
