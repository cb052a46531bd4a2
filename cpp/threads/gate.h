#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace convlet {

// A counter that one thread raises and others wait for. A waiter first spins, because a sleeping thread takes
// 5-50 us to wake up, and then sleeps, because a spinning one takes a core from somebody.
class alignas(64) Gate {
 public:
  using Duration = std::chrono::nanoseconds;

  uint32_t value() const { return value_.load(std::memory_order_acquire); }

  // What was written before open() is seen by whoever comes back from wait_past() for the value before.
  void open(uint32_t value);

  // Returns once the value differs from `past`; spins for at most `spin`, and not at all if that is zero.
  void wait_past(uint32_t past, Duration spin);

 private:
  bool spin_past(uint32_t past, Duration spin) const;

  std::atomic<uint32_t> value_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace convlet
