// Work that waits to be run: operations with what each must come after. Nothing runs until something waits for it, and
// then in the chosen order of all that CUDA leaves open, so that a missing dependency shows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace convlet::emulated {

struct Operation {
  std::function<void()> work;
  std::uint64_t number = 0;  // in the order of the calls
  std::size_t waits_for = 0;
  bool done = false;
  std::vector<std::shared_ptr<Operation>> followers;
};
using Queued = std::shared_ptr<Operation>;
using Work = std::function<void()>;

// Null operations stand for what is done. A queue that has grown long is run.
Queued enqueue(Work work, const std::vector<Queued>& after);

void run_until_done(const Queued& operation);
void run_all();
// One step, so that a loop that asks whether work is done ends.
void run_one();
// Forgets all that waits.
void drop_all();

}  // namespace convlet::emulated
