// The order of things that CUDA leaves open, as the test has chosen it.
#pragma once

#include <cstdint>
#include <vector>

namespace convlet::emulated {

// 0, 1 .. count - 1, each once, in the chosen order: i -> step i + offset modulo count.
class OrderedRange {
 public:
  explicit OrderedRange(std::uint64_t count);
  bool empty() const { return left_ == 0; }
  std::uint64_t next() {
    const std::uint64_t item = at_;
    at_ = at_ >= count_ - step_ ? at_ - (count_ - step_) : at_ + step_;
    --left_;
    return item;
  }

 private:
  std::uint64_t count_, left_, step_ = 1, at_ = 0;
};

// Which of so many choices is taken; the last one is the newest.
std::uint64_t choose(std::uint64_t count);

}  // namespace convlet::emulated
