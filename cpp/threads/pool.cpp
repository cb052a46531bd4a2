#include "threads/pool.h"

#include <pthread.h>
#include <signal.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <cassert>
#include <cfenv>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace convlet {
namespace {

// A sleeping thread takes some 50 us to run again (on a virtual machine whose idle core was halted), so whoever
// is likely to go on within that time spins. Members that end a step together are up to a tile's work apart:
// with tiles of 43 us, 20 us of spinning at a barrier made a training step 5 % longer than 100 us did.
constexpr Gate::Duration idle_spin = std::chrono::microseconds(50);
constexpr Gate::Duration meeting_spin = std::chrono::microseconds(100);

struct Job {
  const std::function<void(int)>& work;
  bool spin;  // false with more members than CPUs: a spinning one would keep a working one waiting
  std::fenv_t float_environment;
  std::mutex mutex;
  std::exception_ptr failure;

  void call(int member) noexcept {
    try {
      work(member);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }
};

// A thread and the two gates between it and whoever holds it: `start` opens with a job, `done` when it ended.
struct Worker {
  Gate start;
  Gate done;
  uint32_t turn = 0;
  Job* job = nullptr;
  int member = 0;

  void begin(Job& next_job, int next_member) {
    job = &next_job;
    member = next_member;
    start.open(++turn);
  }

  void finish(bool spin) { done.wait_past(turn - 1, spin ? meeting_spin : Gate::Duration::zero()); }

  [[noreturn]] void loop() {
    bool spin = false;
    for (uint32_t past = 0;; ++past) {
      start.wait_past(past, spin ? idle_spin : Gate::Duration::zero());
      spin = job->spin;
      std::fesetenv(&job->float_environment);
      job->call(member);
      done.open(past + 1);  // the last touch: after it the job may be gone
    }
  }
};

// Starts a thread that takes no signals but those that its own code raises: Ctrl-C is for Python's main thread.
void start_thread(Worker* worker) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) {
    sigdelset(&blocked, own);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  try {
    std::thread([worker] { worker->loop(); }).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

[[noreturn]] void refuse(int members, size_t started, const std::system_error& error) {
  throw std::system_error(error.code(), "threads: expected " + std::to_string(members) + " threads, got no more than " +
                                            std::to_string(started + 1) +
                                            " from the system; CONVLET_THREADS or threads= asks for fewer");
}

}  // namespace

int cpus_allowed() {
#if defined(__linux__)
  // The mask must be at least as long as the kernel's, whose length only trying tells.
  for (int cpus = CPU_SETSIZE; cpus <= 64 * CPU_SETSIZE; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(CPU_ALLOC(cpus), [](cpu_set_t* set) { CPU_FREE(set); });
    if (mask && sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), mask.get()) == 0) {
      return std::max(1, CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), mask.get()));
    }
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct Pool::State {
  const int cpus = cpus_allowed();
  std::mutex mutex;
  std::vector<Worker*> idle;  // the one to be taken first at the end
  size_t started = 0;         // workers, idle or not
  int running = 0;            // members of all runs, callers included

  // Takes `count` workers for `members`, starting those that are missing. Workers are never freed: their
  // threads end with the process.
  std::vector<Worker*> take(int count, int members, bool* spin) {
    std::vector<Worker*> team;
    team.reserve(count);
    const std::lock_guard<std::mutex> lock(mutex);
    for (; idle.size() < static_cast<size_t>(count); ++started) {
      idle.reserve(started + 1);  // for all workers, so that give_back() cannot fail
      auto worker = std::make_unique<Worker>();
      try {
        start_thread(worker.get());
      } catch (const std::system_error& error) {
        refuse(members, started, error);
      }
      idle.insert(idle.begin(), worker.release());
    }
    team.assign(idle.rbegin(), idle.rbegin() + count);
    idle.resize(idle.size() - count);
    running += members;
    *spin = running <= cpus;
    return team;
  }

  void give_back(const std::vector<Worker*>& team, int members) {
    const std::lock_guard<std::mutex> lock(mutex);
    idle.insert(idle.end(), team.rbegin(), team.rend());
    running -= members;
  }
};

namespace {
Pool* pool_to_reset = nullptr;
}  // namespace

Pool& Pool::shared() {
  static Pool* pool = new Pool;
  return *pool;
}

// The threads of the parent do not exist in a forked child, and its mutexes may be held by them forever: the
// child leaves the old state alone and gets a new one. Not at once: memory may be short, and nobody there could be
// told.
Pool::Pool() : size_(cpus_allowed()) {
  if (pthread_atfork(nullptr, nullptr, [] {
        if (pool_to_reset) pool_to_reset->state_ = nullptr;
      }) != 0)
    throw std::bad_alloc();
  pool_to_reset = this;
}

Pool::State& Pool::state() {
  State* made = state_.load(std::memory_order_acquire);
  if (made) return *made;
  auto fresh = std::make_unique<State>();
  if (!state_.compare_exchange_strong(made, fresh.get(), std::memory_order_acq_rel)) return *made;
  return *fresh.release();
}

void Pool::resize(int threads) {
  assert(threads >= 1);
  size_.store(threads, std::memory_order_relaxed);
}

void Pool::run(int members, const std::function<void(int member)>& work) {
  assert(members >= 1);
  if (members == 1) return work(0);
  State& all = state();
  Job job{work, false, {}, {}, nullptr};
  const std::vector<Worker*> team = all.take(members - 1, members, &job.spin);
  std::fegetenv(&job.float_environment);
  for (int member = 1; member < members; ++member) team[member - 1]->begin(job, member);
  job.call(0);
  for (Worker* worker : team) worker->finish(job.spin);
  all.give_back(team, members);
  if (job.failure) std::rethrow_exception(job.failure);
}

Barrier::Barrier(int members)
    : members_(members), spin_(members <= cpus_allowed() ? meeting_spin : Gate::Duration::zero()), missing_(members) {
  assert(members >= 1);
}

void Barrier::wait() {
  const uint32_t turn = turn_.value();
  if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    missing_.store(members_, std::memory_order_relaxed);
    turn_.open(turn + 1);
  } else {
    turn_.wait_past(turn, spin_);
  }
}

}  // namespace convlet
