// Runs the thread pool through what it promises; `pool_stress latency` prints what a run and a barrier cost.
// Exit status 0 if every promise held, else 1 and the name of the broken one.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "threads/pool.h"

using convlet::Barrier;
using convlet::Pool;

namespace {

void expect(bool holds, const char* promise) {
  if (holds) return;
  std::printf("broken: %s\n", promise);
  std::exit(1);
}

void every_member_runs_once_on_a_thread_of_its_own() {
  for (const int members : {1, 2, 3, 7, 16}) {
    std::vector<int> calls(members);
    std::vector<std::thread::id> threads(members);
    Barrier barrier(members);
    Pool::shared().run(members, [&](int member) {
      ++calls[member];
      threads[member] = std::this_thread::get_id();
      barrier.wait();
    });
    expect(calls == std::vector<int>(members, 1), "every member runs once");
    expect(threads[0] == std::this_thread::get_id(), "member 0 is the caller");
    expect(std::set<std::thread::id>(threads.begin(), threads.end()).size() == calls.size(),
           "every member has a thread of its own");
  }
}

void ten_thousand_runs_add_up() {
  for (const int members : {2, 3, 7}) {
    std::vector<int64_t> slots(members);  // plain memory: the pool alone orders the accesses
    int64_t sum = 0;
    for (int run = 0; run < 10000 / members; ++run) {
      Pool::shared().run(members, [&](int member) { slots[member] = run + member; });
      for (const int64_t slot : slots) sum += slot;
    }
    const int64_t runs = 10000 / members;
    expect(sum == members * (runs * (runs - 1) / 2) + runs * (members * (members - 1) / 2),
           "a run is over when it returns");
  }
}

void a_member_keeps_its_thread() {
  std::vector<std::thread::id> first(3), again(3);
  Pool::shared().run(3, [&](int member) { first[member] = std::this_thread::get_id(); });
  Pool::shared().run(3, [&](int member) { again[member] = std::this_thread::get_id(); });
  expect(first == again, "a member keeps its thread from run to run");
}

void barriers_keep_the_steps_apart() {
  for (const int members : {1, 2, 3, 7}) {
    constexpr int steps = 2000;
    std::vector<int> row(members);
    std::atomic<int> mismatches{0};
    Barrier barrier(members);
    Pool::shared().run(members, [&](int member) {
      for (int step = 1; step <= steps; ++step) {
        row[member] = step;
        barrier.wait();
        for (const int other : row) mismatches += other != step;
        barrier.wait();
      }
    });
    expect(mismatches == 0, "a barrier separates what lies before from what lies behind");
  }
}

void the_first_exception_comes_out_and_the_pool_lives_on() {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> ended{0};
    std::string caught;
    try {
      Pool::shared().run(4, [&](int member) {
        ++ended;
        if (member == round % 4) throw std::runtime_error("member " + std::to_string(member));
      });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    expect(caught == "member " + std::to_string(round % 4), "a member's exception comes out of run()");
    expect(ended == 4, "the other members end their work");
  }
}

void runs_nest() {
  std::atomic<int> leaves{0};
  Pool::shared().run(3, [&](int) {
    Barrier barrier(2);
    Pool::shared().run(2, [&](int) {
      barrier.wait();
      ++leaves;
    });
  });
  expect(leaves == 6, "a member may start a run of its own");
}

void callers_do_not_wait_for_each_other() {
  constexpr int callers = 4;
  Barrier all(callers * 2);  // passes only if the members of all runs run at the same time
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&] {
      for (int run = 0; run < 200; ++run) {
        Pool::shared().run(2, [&](int) {
          all.wait();
          ++passed;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect(passed == callers * 2 * 200, "several threads may call run() at once");
}

void parallel_for_takes_every_item_once() {
  for (const int threads : {1, 2, 3, 7}) {
    for (const int64_t items : {0, 1, 2, 5, 1000}) {
      std::vector<int> taken(items);
      std::atomic<int> strangers{0};
      convlet::parallel_for(threads, items, [&](int64_t item, int member) {
        ++taken[item];
        strangers += member < 0 || member >= threads;
      });
      expect(taken == std::vector<int>(items, 1), "parallel_for takes every item once");
      expect(strangers == 0, "parallel_for has as many members as it was given threads");
    }
  }
}

void members_round_as_the_caller_does() {
  volatile float third = 3.0f;
  std::vector<float> quotients(3);
  const auto divide = [&](int member) { quotients[member] = 1.0f / third; };
  Pool::shared().run(3, divide);
  const float nearest = quotients[0];
  std::fesetround(FE_DOWNWARD);
  Pool::shared().run(3, divide);
  std::fesetround(FE_TONEAREST);
  expect(quotients == std::vector<float>(3, quotients[0]) && quotients[0] < nearest,
         "members compute in the caller's floating-point environment");
  Pool::shared().run(3, divide);
  expect(quotients == std::vector<float>(3, nearest), "and return to it with the next run");
}

void a_forked_child_has_a_pool_that_works() {
  Pool::shared().resize(5);
  std::atomic<bool> stop{false};
  std::thread noise([&] {  // forks should also strike while another thread is inside the pool
    while (!stop) Pool::shared().run(2, [](int) {});
  });
  for (int fork_number = 0; fork_number < 20; ++fork_number) {
    const pid_t child = fork();
    if (child == 0) {
      Barrier barrier(3);
      std::atomic<int> members{0};
      Pool::shared().run(3, [&](int) {
        barrier.wait();
        ++members;
      });
      _exit(members == 3 && Pool::shared().size() == 5 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the pool works in a forked child");
  }
  stop = true;
  noise.join();
}

void the_default_size_is_the_cpus_allowed() {
  expect(Pool::shared().size() == convlet::cpus_allowed() && convlet::cpus_allowed() >= 1,
         "the default size is the number of CPUs allowed");
  Pool::shared().resize(3);
  expect(Pool::shared().size() == 3, "resize sets the size");
}

double median_microseconds(int repetitions, const std::function<void()>& measured) {
  std::vector<double> times(repetitions);
  for (double& time : times) {
    const auto begin = std::chrono::steady_clock::now();
    measured();
    time = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  }
  std::nth_element(times.begin(), times.begin() + repetitions / 2, times.end());
  return times[repetitions / 2];
}

void print_latency() {
  std::printf("CPUs allowed: %d; medians\n", convlet::cpus_allowed());
  for (const int members : {2, 3, 4, 7}) {
    const auto empty_run = [&] { Pool::shared().run(members, [](int) {}); };
    const double awake = median_microseconds(20000, empty_run);
    double asleep = 0;
    constexpr int rounds = 200;
    for (int round = 0; round < rounds; ++round) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      asleep += median_microseconds(1, empty_run) / rounds;
    }
    constexpr int waits = 2000;
    Barrier barrier(members);
    const double barriers = median_microseconds(11, [&] {
      Pool::shared().run(members, [&](int) {
        for (int wait = 0; wait < waits; ++wait) barrier.wait();
      });
    });
    std::printf("%d members: run %.2f us awake, %.1f us asleep (mean), barrier %.2f us\n", members, awake, asleep,
                barriers / waits);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "latency") == 0) {
    print_latency();
    return 0;
  }
  the_default_size_is_the_cpus_allowed();
  every_member_runs_once_on_a_thread_of_its_own();
  ten_thousand_runs_add_up();
  a_member_keeps_its_thread();
  barriers_keep_the_steps_apart();
  the_first_exception_comes_out_and_the_pool_lives_on();
  runs_nest();
  callers_do_not_wait_for_each_other();
  parallel_for_takes_every_item_once();
  members_round_as_the_caller_does();
#if !defined(__SANITIZE_THREAD__)  // which cannot start threads in a forked child
  a_forked_child_has_a_pool_that_works();
#endif
  std::printf("all promises kept\n");
  return 0;
}
