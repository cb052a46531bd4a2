#include "threads/gate.h"

namespace convlet {
namespace {

// Tells the core that this is a spin loop: it saves power and leaves the other hyper-thread its share.
inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace

// open() writes the value and then reads the sleepers; a waiter adds itself to the sleepers and then reads the
// value. Both in sequentially consistent order, so at least one of them sees the other. (An exchange costs what such
// a store costs, and emulators of ARM on x86 keep its order with the load behind it, which they do not for a store.)
void Gate::open(uint32_t value) {
  value_.exchange(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  // A sleeper between its look at the value and its sleep holds the mutex; after this it is asleep or gone.
  {
    const std::lock_guard<std::mutex> lock(mutex_);
  }
  changed_.notify_all();
}

void Gate::wait_past(uint32_t past, Duration spin) {
  if (value() != past || spin_past(past, spin)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  changed_.wait(lock, [&] { return value_.load(std::memory_order_seq_cst) != past; });
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

bool Gate::spin_past(uint32_t past, Duration spin) const {
  if (spin <= Duration::zero()) return false;
  // Reading the clock costs as much as a few pauses, so it is read once in a while.
  constexpr int looks_per_clock_read = 32;
  const auto deadline = std::chrono::steady_clock::now() + spin;
  do {
    for (int look = 0; look < looks_per_clock_read; ++look) {
      if (value() != past) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace convlet
