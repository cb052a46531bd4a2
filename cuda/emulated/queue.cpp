#include "cuda/emulated/queue.h"

#include <iterator>
#include <map>

#include "cuda/emulated/order.h"
#include "cuda/emulated/state.h"

namespace convlet::emulated {
namespace {

constexpr std::size_t kLong = 1024;

struct Queue {
  std::map<std::uint64_t, Queued> ready;
  std::size_t pending = 0;
  std::uint64_t last_number = 0;
};

Queue& queue() {
  static auto* all = new Queue;
  return *all;
}

void finish(Operation& operation) {
  operation.done = true;
  operation.work = nullptr;
  --queue().pending;
  for (const Queued& follower : operation.followers)
    if (--follower->waits_for == 0) queue().ready[follower->number] = follower;
  operation.followers.clear();
}

}  // namespace

Queued enqueue(Work work, const std::vector<Queued>& after) {
  Queue& all = queue();
  if (all.pending >= kLong) run_all();
  auto operation = std::make_shared<Operation>();
  operation->work = std::move(work);
  operation->number = ++all.last_number;
  ++all.pending;
  for (const Queued& before : after) {
    if (!before || before->done) continue;
    before->followers.push_back(operation);
    ++operation->waits_for;
  }
  if (operation->waits_for == 0) all.ready[operation->number] = operation;
  return operation;
}

void run_one() {
  Queue& all = queue();
  if (all.ready.empty()) return;
  const auto chosen = std::next(all.ready.begin(), static_cast<std::ptrdiff_t>(choose(all.ready.size())));
  const Queued operation = chosen->second;
  all.ready.erase(chosen);
  // After a fault the device does nothing more.
  if (operation->work && state().sticky == cudaSuccess) operation->work();
  finish(*operation);
}

void run_until_done(const Queued& operation) {
  while (operation && !operation->done) run_one();
}

void run_all() {
  while (queue().pending > 0) run_one();
}

void drop_all() {
  Queue& all = queue();
  while (all.pending > 0) {
    const Queued operation = all.ready.begin()->second;
    all.ready.erase(all.ready.begin());
    finish(*operation);
  }
}

}  // namespace convlet::emulated
