#include "cuda/emulated/block.h"

#include <algorithm>

#include "cuda/emulated/checks.h"
#include "cuda/emulated/order.h"
#include "cuda/emulated/state.h"

namespace convlet::emulated {
namespace {

uint3 unravel(std::uint64_t number, const dim3& size) {
  return {static_cast<unsigned>(number % size.x), static_cast<unsigned>(number / size.x % size.y),
          static_cast<unsigned>(number / size.x / size.y)};
}

std::uint64_t count(const dim3& size) { return static_cast<std::uint64_t>(size.x) * size.y * size.z; }

std::string text(const uint3& index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

const char* name_of(const Request& request) {
  if (request.kind == Request::Kind::Block) {
    constexpr const char* names[] = {"__syncthreads", "__syncthreads_or", "__syncthreads_and", "__syncthreads_count"};
    return names[static_cast<int>(request.barrier)];
  }
  constexpr const char* names[] = {"__syncwarp", "a shuffle", "a vote"};
  return names[static_cast<int>(request.collective)];
}

void thread_main(void* argument) {
  auto* thread = static_cast<Thread*>(argument);
  running_here = true;
  running.launch->call->run();
  thread->done = true;
}

std::uint64_t outcome(Barrier barrier, const std::vector<Thread>& threads) {
  const auto yes = std::count_if(threads.begin(), threads.end(), [](const Thread& t) { return t.request.value != 0; });
  switch (barrier) {
    case Barrier::Or:
      return yes > 0;
    case Barrier::And:
      return yes == static_cast<std::ptrdiff_t>(threads.size());
    case Barrier::Count:
      return static_cast<std::uint64_t>(yes);
    case Barrier::Plain:
      break;
  }
  return 0;
}

}  // namespace

Block running;

std::string place() {
  const Block& block = running;
  return "thread " + text(block.current->index) + " of block " + text(block.index) + " of " + block.launch->name;
}

void abandon_launch() {
  running.abandoned = true;
  fibres().end();
}

// The thread gives way, unless its coming completes what it waits for.
void Block::wait(const Request& request) {
  const Quiet quiet;
  Thread& thread = *current;
  thread.request = request;
  if (request.kind == Request::Kind::Warp) release_warp();
  if (thread.request.kind != Request::Kind::Nothing) fibres().leave(&thread.position);
}

// If all the lanes that the current thread names wait for the same, they get their results and go on.
void Block::release_warp() {
  const Request asked = current->request;
  Thread* const warp = &threads[current->number / 32 * 32];
  const auto lanes_of_warp = static_cast<unsigned>(std::min<std::size_t>(32, threads.size() - current->warp() * 32));
  if (!(asked.lanes >> current->lane() & 1)) {
    report(cudaErrorLaunchFailure,
           std::string(name_of(asked)) + " whose mask does not name the lane itself, in " + place());
  }
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(asked.lanes >> lane & 1)) continue;
    if (lane >= lanes_of_warp || warp[lane].done) {
      report(cudaErrorLaunchFailure, std::string(name_of(asked)) + " names lane " + std::to_string(lane) +
                                         ", which does not come, in " + place());
    }
    const Request& other = warp[lane].request;
    if (other.kind != Request::Kind::Warp || other.lanes != asked.lanes || other.collective != asked.collective) return;
    votes |= static_cast<unsigned>(other.value != 0) << lane;
  }
  std::uint64_t results[32] = {};
  for (unsigned lane = 0; lane < lanes_of_warp; ++lane) {
    if (!(asked.lanes >> lane & 1)) continue;
    const Request& request = warp[lane].request;
    if (asked.collective == Collective::Ballot) results[lane] = votes;
    if (asked.collective != Collective::Shuffle) continue;
    if (!(asked.lanes >> request.source & 1)) {
      report(cudaErrorLaunchFailure, "a shuffle reads lane " + std::to_string(request.source) +
                                         ", which its mask does not name, in the warp of " + place());
    }
    results[lane] = warp[request.source].request.value;
  }
  for (unsigned lane = 0; lane < lanes_of_warp; ++lane) {
    if (!(asked.lanes >> lane & 1)) continue;
    warp[lane].request.kind = Request::Kind::Nothing;
    warp[lane].request.value = results[lane];
  }
  if (asked.collective == Collective::Sync) warp_synchronised(current->warp(), asked.lanes);
}

// Lets one thread run until it waits or ends.
void Block::turn(Thread& thread) {
  current = &thread;
  if (thread.started) {
    fibres().resume(thread.stack, thread.position);
  } else {
    thread.started = true;
    thread.stack = fibres().take();
    fibres().start(thread.stack, &thread_main, &thread);
  }
  running_here = false;
  if (thread.done) fibres().give_back(thread.stack);
}

// If all threads of the block wait at the same barrier, they go on.
bool Block::release_barrier() {
  const Request& first = threads[0].request;
  for (const Thread& thread : threads) {
    if (thread.done || thread.request.kind != Request::Kind::Block || thread.request.barrier != first.barrier)
      return false;
  }
  const std::uint64_t result = outcome(first.barrier, threads);
  for (Thread& thread : threads) {
    thread.request.kind = Request::Kind::Nothing;
    thread.request.value = result;
  }
  block_synchronised();
  return true;
}

// Nobody can go on, and not all have ended: says who waits, and who does not come.
void Block::report_stuck() {
  const auto waits = std::find_if(threads.begin(), threads.end(), [](const Thread& t) { return !t.done; });
  const auto other = std::find_if(threads.begin(), threads.end(), [&](const Thread& t) {
    return t.done || t.request.kind != waits->request.kind || t.request.barrier != waits->request.barrier ||
           t.request.collective != waits->request.collective || t.request.lanes != waits->request.lanes;
  });
  current = &*waits;
  std::string sentence = place() + " waits at " + name_of(waits->request);
  if (other != threads.end()) {
    sentence += ", but thread " + text(other->index) + (other->done ? " has ended" : " waits at ");
    if (!other->done) sentence += name_of(other->request);
    if (!other->done && other->request.kind == Request::Kind::Warp) sentence += " of other lanes";
  }
  note(cudaErrorLaunchFailure, sentence);
}

bool Block::run() {
  for (std::size_t done = 0; done < threads.size();) {
    bool moved = false;

    for (OrderedRange turns(threads.size()); !turns.empty();) {
      Thread& thread = threads[turns.next()];
      if (thread.done || thread.request.kind != Request::Kind::Nothing) continue;
      turn(thread);
      if (abandoned) return false;
      done += thread.done;
      moved = true;
    }
    if (!moved && !release_barrier()) {
      report_stuck();
      return false;
    }
  }
  return true;
}

bool run_grid(const Launch& launch) {
  Block& block = running;
  block.launch = &launch;
  block.abandoned = false;
  begin_launch();
  const std::uint64_t threads = count(launch.block);
  bool whole = true;
  for (OrderedRange blocks(count(launch.grid)); whole && !blocks.empty();) {
    block.number = blocks.next();
    block.index = unravel(block.number, launch.grid);
    block.threads.assign(threads, Thread{});
    for (std::uint64_t i = 0; i < threads; ++i) {
      block.threads[i].index = unravel(i, launch.block);
      block.threads[i].number = static_cast<unsigned>(i);
    }
    begin_block(block.number, launch.shared_bytes);
    whole = block.run();
  }
  if (!whole) fibres().abandon();
  return whole;
}

uint3 thread_index() noexcept { return running.current->index; }
uint3 block_index() noexcept { return running.index; }
dim3 block_size() noexcept { return running.launch->block; }
dim3 grid_size() noexcept { return running.launch->grid; }

int wait_for_block(Barrier kind, int predicate) {
  Request request;
  request.kind = Request::Kind::Block;
  request.barrier = kind;
  request.value = predicate != 0;
  running.wait(request);
  return static_cast<int>(running.current->request.value);
}

std::uint64_t wait_for_warp(Collective kind, unsigned lanes, std::uint64_t value, int source) {
  Request request;
  request.kind = Request::Kind::Warp;
  request.collective = kind;
  request.lanes = lanes;
  request.value = value;
  request.source = source;
  running.wait(request);
  return running.current->request.value;
}

int source_lane(int lane, int width) {
  const int own = static_cast<int>(running.current->lane());
  return own / width * width + (lane & (width - 1));
}

int source_lane_up(int delta, int width) {
  const int own = static_cast<int>(running.current->lane());
  return own % width - delta < 0 ? own : own - delta;
}

int source_lane_down(int delta, int width) {
  const int own = static_cast<int>(running.current->lane());
  return own % width + delta >= width ? own : own + delta;
}

int source_lane_xor(int bits, int width) {
  const int own = static_cast<int>(running.current->lane());
  const int other = own ^ bits;
  return other / width > own / width ? own : other;
}

}  // namespace convlet::emulated
