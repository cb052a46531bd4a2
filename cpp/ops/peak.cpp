#include "ops/peak.h"

#include <atomic>
#include <chrono>
#include <cstdint>

#include "isa/dispatch.h"
#include "threads/pool.h"

namespace convlet::ops {

double fma_peak(int threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kRounds = 1 << 12;  // some 20 us between two looks at the clock, which cost 0.03 us
  const Kernels& k = kernels();
  std::atomic<std::int64_t> rounds{0};
  std::atomic<float> kept{0.0f};  // a result that is used cannot be left out
  const auto begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  Pool::shared().run(threads, [&](int) {
    std::int64_t mine = 0;
    do {
      kept.store(k.peak(kRounds), std::memory_order_relaxed);
      mine += kRounds;
    } while (elapsed() < seconds);
    rounds.fetch_add(mine, std::memory_order_relaxed);
  });
  return 2e-9 * static_cast<double>(rounds.load()) * k.accumulators * k.lanes / elapsed();
}

}  // namespace convlet::ops
