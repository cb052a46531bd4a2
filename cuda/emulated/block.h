// A grid, run block by block; the threads of a block are fibres that take turns at barriers and warp operations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/emulated/fibre.h"
#include "cuda/emulated/language.h"
#include "cuda/emulated/launch.h"

namespace convlet::emulated {

struct Launch {
  const char* name;
  dim3 grid, block;
  std::size_t shared_bytes;
  const Call* call;
};

// What a thread waits for, and what it brings.
struct Request {
  enum class Kind { Nothing, Block, Warp } kind = Kind::Nothing;
  Barrier barrier = Barrier::Plain;
  Collective collective = Collective::Sync;
  unsigned lanes = 0;
  int source = 0;
  std::uint64_t value = 0;  // after the wait: the outcome
};

struct Thread {
  uint3 index{};
  unsigned number = 0;  // within the block; 32 in a row are a warp
  Stack* stack = nullptr;
  void* position = nullptr;
  bool started = false, done = false;
  Request request;

  unsigned lane() const { return number % 32; }
  unsigned warp() const { return number / 32; }
};

// The block that runs now; one at a time in the process.
struct Block {
  const Launch* launch = nullptr;
  uint3 index{};
  std::uint64_t number = 0;  // within the grid
  std::vector<Thread> threads;
  Thread* current = nullptr;
  bool abandoned = false;

  bool run();
  void wait(const Request& request);

 private:
  void turn(Thread& thread);
  bool release_barrier();
  void release_warp();
  void report_stuck();
};

extern Block running __attribute__((visibility("hidden")));

// Runs all blocks, or up to the first finding; false then.
bool run_grid(const Launch& launch);

// Called by a thread of the block that found a fault: it never goes on.
[[noreturn]] void abandon_launch();

// "thread (3, 0, 0) of block (1, 0, 0) of NAME"
std::string place();

}  // namespace convlet::emulated
