// The checks of every access that a kernel makes. The usual case is decided here, in a few instructions; what is not
// usual goes to checks.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace convlet::emulated {

// Whether this thread of the host runs a block: only then are accesses checked.
extern __thread bool running_here __attribute__((visibility("hidden"), tls_model("initial-exec")));

// While it lives, this thread is not checked: the checks themselves may run code that is compiled with checks too.
struct Quiet {
  Quiet() { running_here = false; }
  ~Quiet() { running_here = true; }
};

// Who touched a word of device memory last: launch (28 bits), bytes of the word (4), block (32).
using Cell = std::uint64_t;
constexpr std::uint64_t kSeveralBlocks = 0xffffffff;

struct DeviceShadow {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  std::uint64_t* live = nullptr;     // bits of bytes that belong to an allocation
  std::uint64_t* written = nullptr;  // and of those that hold something
  Cell* writers = nullptr;
  Cell* readers = nullptr;
  std::uint64_t launch = 0;  // number of the launch that runs
  std::uint64_t block = 0;   // number of the block that runs
};

// The shared memory of the block, with guard zones on both sides.
struct SharedShadow {
  std::uintptr_t begin = 0;
  std::size_t span = 0;  // with the guard zones
};

extern DeviceShadow device_shadow __attribute__((visibility("hidden")));
extern SharedShadow shared_shadow __attribute__((visibility("hidden")));

enum class Access { Read, Write };

void check_shared(std::uintptr_t address, std::size_t bytes, Access access);
void check_shared_atomic(std::uintptr_t address, std::size_t bytes);
void check_elsewhere(std::uintptr_t address, std::size_t bytes, Access access);
void check_bytes(std::uintptr_t address, std::size_t bytes, Access access);  // of the device, one by one
void report_misaligned(std::uintptr_t address, std::size_t bytes);
void check_race(std::uintptr_t address, Cell other, Access mine, Access theirs);  // returns if atomics order them

inline void check_read_cell(std::size_t word, std::uint64_t mask) {
  const DeviceShadow& shadow = device_shadow;
  const Cell mine = shadow.launch << 36 | mask << 32 | shadow.block, writer = shadow.writers[word];
  if (writer >> 36 == shadow.launch && ((writer ^ mine) & 0xffffffff) && (writer & mine) >> 32 & 15)
    check_race(shadow.begin + word * 4, writer, Access::Read, Access::Write);
  Cell& reader = shadow.readers[word];
  if (reader == mine) return;
  if (reader >> 36 != shadow.launch) {
    reader = mine;
  } else {
    reader |= (reader ^ mine) & 0xffffffff ? mask << 32 | kSeveralBlocks : mask << 32;
  }
}

inline void check_write_cell(std::size_t word, std::uint64_t mask) {
  const DeviceShadow& shadow = device_shadow;
  const Cell mine = shadow.launch << 36 | mask << 32 | shadow.block;
  for (const auto& [cell, access] :
       {std::pair{shadow.writers[word], Access::Write}, std::pair{shadow.readers[word], Access::Read}}) {
    if (cell >> 36 == shadow.launch && ((cell ^ mine) & 0xffffffff) && (cell & mine) >> 32 & 15)
      check_race(shadow.begin + word * 4, cell, Access::Write, access);
  }
  Cell& writer = shadow.writers[word];
  writer = (writer ^ mine) & ~(std::uint64_t{15} << 32) ? mine : writer | mine;
}

// `alignment`: what the instruction asks of the address.
template <Access access>
inline void check(std::uintptr_t address, std::size_t bytes, std::size_t alignment) {
  if (!running_here) return;
  const DeviceShadow& shadow = device_shadow;
  const std::size_t offset = address - shadow.begin;
  if (offset >= shadow.bytes) {
    if (address - shared_shadow.begin < shared_shadow.span) {
      if (address & (alignment - 1)) report_misaligned(address, bytes);
      return check_shared(address, bytes, access);
    }
    return check_elsewhere(address, bytes, access);
  }
  if (offset & (alignment - 1)) report_misaligned(address, bytes);
  if (bytes > 16 || (offset & 3) + bytes > (bytes + 3) / 4 * 4 || (offset & 63) + bytes > 64)
    return check_bytes(address, bytes, access);
  std::uint64_t& written = shadow.written[offset / 64];
  const std::uint64_t touched = ((std::uint64_t{1} << bytes) - 1) << (offset & 63);
  if ((written & touched) != touched) {
    if (access == Access::Read || (shadow.live[offset / 64] & touched) != touched)
      return check_bytes(address, bytes, access);
    written |= touched;
  }
  const std::uint64_t mask = bytes >= 4 ? 15 : ((std::uint64_t{1} << bytes) - 1) << (offset & 3);
  for (std::size_t word = offset / 4; word < (offset + bytes + 3) / 4; ++word) {
    if (access == Access::Read) {
      check_read_cell(word, mask);
    } else {
      check_write_cell(word, mask);
    }
  }
}

// A launch and a block begin and end, threads meet: what orders accesses.
void begin_launch();
void begin_block(std::uint64_t number, std::size_t shared_bytes);
void begin_device_block(std::uint64_t number);
void block_synchronised();
void warp_synchronised(unsigned warp, unsigned lanes);
// Before an atomic operation.
void check_atomic(const void* address, std::size_t bytes);

// Whether kernels call these checks: whether they were compiled with -fsanitize=thread.
bool checking();

}  // namespace convlet::emulated
