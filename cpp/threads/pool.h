#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>

#include "threads/gate.h"

namespace convlet {

// The number of CPUs that the scheduler may give this process (its affinity mask), at least 1.
int cpus_allowed();

// The threads of the house. They are started when first needed, sleep between runs, and end with the process.
class Pool {
 public:
  // The one pool of the process. It is never destroyed, so a thread may sleep in it while the process exits.
  static Pool& shared();

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // How many members an op should split its work into: cpus_allowed(), until resize() sets it (to 1 or more).
  int size() const { return size_.load(std::memory_order_relaxed); }
  void resize(int threads);

  // Calls work(0), ..., work(members - 1) at the same time, each on a thread of its own, and returns when all
  // are done: the calling thread is member 0, and a member keeps its thread from run to run. All members do run
  // at once, whatever size() says and however many CPUs there are, so they may meet at a Barrier. Any thread
  // may call run() at any time, also from inside a run. Members compute in the caller's floating-point
  // environment (rounding, flush to zero). Of the exceptions thrown by members the first comes out of run(),
  // after all members ended; a member that others wait for at a barrier must not throw. Throws
  // std::system_error, before any member starts, if the system refuses a thread.
  //
  // In a forked child the pool starts anew, without threads.
  void run(int members, const std::function<void(int member)>& work);

 private:
  struct State;

  Pool();

  State& state();  // made where it is first needed

  std::atomic<int> size_;
  std::atomic<State*> state_{nullptr};
};

// A point where `members` threads wait for each other, any number of times. It must outlive the run that uses it.
class Barrier {
 public:
  explicit Barrier(int members);

  // Returns when all members have called it; what each wrote before is then seen by all.
  void wait();

 private:
  const int members_;
  const Gate::Duration spin_;
  alignas(64) std::atomic<int> missing_;
  Gate turn_;
};

// Calls f(item, member) for every item in [0, items), on at most `threads` threads. Each member takes the next
// item when it is done with the last one, so the members end together even where items differ in cost; which
// member takes which item is left to chance.
template <class F>
void parallel_for(int threads, int64_t items, F&& f) {
  const int members = static_cast<int>(std::min<int64_t>(threads, items));
  if (members <= 1) {
    for (int64_t item = 0; item < items; ++item) f(item, 0);
    return;
  }
  std::atomic<int64_t> next{0};
  Pool::shared().run(members, [&](int member) {
    for (;;) {
      const int64_t item = next.fetch_add(1, std::memory_order_relaxed);
      if (item >= items) return;
      f(item, member);
    }
  });
}

}  // namespace convlet
