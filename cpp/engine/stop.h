// A wish to stop, for all threads of a run.
#pragma once

#include <atomic>
#include <chrono>

#include "convlet/run.h"

namespace convlet {

// Asks the watch every 20 ms or so, on the calling thread only; remembers a wish to stop for all threads.
class Stop {
 public:
  explicit Stop(const Watch& watch) : watch_(watch) {}

  bool wanted() const { return wanted_.load(std::memory_order_relaxed); }
  void ask(At at) {
    Clock::time_point& asked = asked_[static_cast<int>(at)];
    const auto now = Clock::now();
    if (!watch_ || wanted() || now - asked < std::chrono::milliseconds(20)) return;
    asked = now;
    if (watch_(at)) wanted_.store(true, std::memory_order_relaxed);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Watch& watch_;
  std::atomic<bool> wanted_{false};
  Clock::time_point asked_[2] = {Clock::now(), Clock::now()};
};

}  // namespace convlet
