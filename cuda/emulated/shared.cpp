// The shared memory of the block that runs: its bytes, and who touched them since the threads last met.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/emulated/block.h"
#include "cuda/emulated/checks.h"
#include "cuda/emulated/language.h"
#include "cuda/emulated/memory.h"
#include "cuda/emulated/sanitizers.h"
#include "cuda/emulated/state.h"

namespace convlet::emulated {

SharedShadow shared_shadow;

namespace {

constexpr std::size_t kMostBytes = 256 * 1024;  // more than any device has
constexpr std::size_t kZoneBytes = 1024 * 1024;

// Who read or wrote a word last.
struct Touch {
  std::uint32_t interval;  // between two barriers
  std::uint32_t meeting;   // of warps, the last one before
  std::uint16_t thread;
  std::uint8_t bytes;  // of the word
  enum Who : std::uint8_t { One, Warp, Block } who;
};

struct Shared {
  unsigned char* memory = nullptr;
  std::size_t bytes = 0;
  std::uint32_t interval = 0, meeting = 0;
  std::uint32_t met[32][32][32];  // the last meeting of two lanes, by warp
  std::uint64_t written[kMostBytes / 64];
  Touch writers[kMostBytes / 4], readers[kMostBytes / 4];
};

Shared shared;

// Whether the thread that made this touch has met the other since, without a barrier of the block.
bool met(const Touch& touch, unsigned other) {
  if (touch.thread == other && touch.who == Touch::One) return true;
  return touch.thread / 32u == other / 32 && shared.met[other / 32][touch.thread % 32][other % 32] > touch.meeting;
}

std::string text(const uint3& index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

[[noreturn]] void report_race(std::size_t offset, Access mine, const Touch& touch, Access theirs) {
  report(cudaErrorLaunchFailure,
         std::string("a race in shared memory: ") + (mine == Access::Read ? "a read" : "a write") + " of byte " +
             std::to_string(offset) + ", which thread " + text(running.threads[touch.thread].index) +
             (theirs == Access::Read ? " read" : " wrote") + " with no barrier since, in " + place());
}

bool conflicts(const Touch& touch, std::uint8_t bytes, unsigned thread) {
  if (touch.interval != shared.interval || !(touch.bytes & bytes)) return false;
  return touch.who == Touch::Block || !met(touch, thread);
}

// The reader that stands for all who read the word since the threads last met.
void add_reader(Touch& reader, const Touch& mine) {
  if (reader.interval != mine.interval) {
    reader = mine;
    return;
  }
  reader.bytes |= mine.bytes;
  if (reader.who == Touch::Block) return;
  reader.who = met(reader, mine.thread)                 ? Touch::One
               : reader.thread / 32 == mine.thread / 32 ? Touch::Warp
                                                        : Touch::Block;
  reader.thread = mine.thread;
  reader.meeting = mine.meeting;
}

void touch_word(std::size_t word, std::uint8_t bytes, Access access) {
  const auto thread = static_cast<std::uint16_t>(running.current->number);
  Touch &writer = shared.writers[word], &reader = shared.readers[word];
  if (conflicts(writer, bytes, thread)) report_race(word * 4, access, writer, Access::Write);
  const Touch mine{shared.interval, shared.meeting, thread, bytes, Touch::One};
  if (access == Access::Read) return add_reader(reader, mine);
  if (conflicts(reader, bytes, thread)) report_race(word * 4, access, reader, Access::Read);
  const std::uint8_t own = writer.interval == mine.interval && writer.thread == thread ? writer.bytes : std::uint8_t{0};
  writer = mine;
  writer.bytes |= own;
}

[[noreturn]] void report_place(std::size_t offset, std::size_t bytes, Access access) {
  const std::string what = std::string(access == Access::Read ? "a read" : "a write") + " of " + std::to_string(bytes) +
                           " bytes at byte " + std::to_string(static_cast<std::ptrdiff_t>(offset));
  if (offset >= shared.bytes || bytes > shared.bytes - offset) {
    report(cudaErrorIllegalAddress,
           what + " of " + std::to_string(shared.bytes) + " bytes of shared memory, in " + place());
  }
  report(cudaErrorLaunchFailure, what + " of shared memory, which no thread of the block has written, in " + place());
}

// The offset of an access that lies within what the launch asked for, whose bytes are written if it reads.
std::size_t place_in_shared(std::uintptr_t address, std::size_t bytes, Access access) {
  const std::size_t offset = address - reinterpret_cast<std::uintptr_t>(shared.memory);
  if (offset >= shared.bytes || bytes > shared.bytes - offset) report_place(offset, bytes, access);
  if (bytes <= 16 && offset % 64 + bytes <= 64) {
    const std::uint64_t touched = ((std::uint64_t{1} << bytes) - 1) << offset % 64;
    std::uint64_t& written = shared.written[offset / 64];
    if (access == Access::Write) written |= touched;
    if ((written & touched) != touched) report_place(offset, bytes, access);
    return offset;
  }
  ByteSet written(shared.written);
  if (access == Access::Write) written.set(offset, bytes, true);
  if (!written.holds(offset, bytes)) report_place(offset, bytes, access);
  return offset;
}

}  // namespace

void* shared_memory() noexcept { return shared.memory; }

void check_shared(std::uintptr_t address, std::size_t bytes, Access access) {
  const Quiet quiet;
  const std::size_t begin = place_in_shared(address, bytes, access), end = begin + bytes;
  if (begin % 4 == 0 && bytes == 4) return touch_word(begin / 4, 15, access);
  for (std::size_t word = begin / 4; word < (end + 3) / 4; ++word) {
    const std::size_t first = std::max(begin, word * 4) - word * 4, last = std::min(end, word * 4 + 4) - word * 4;
    touch_word(word, static_cast<std::uint8_t>((1u << last) - (1u << first)), access);
  }
}

// Atomics do not race with each other, only with plain accesses.
void check_shared_atomic(std::uintptr_t address, std::size_t bytes) {
  const std::size_t begin = place_in_shared(address, bytes, checking() ? Access::Read : Access::Write);
  const unsigned thread = running.current->number;
  for (std::size_t word = begin / 4; word < (begin + bytes) / 4; ++word) {
    if (conflicts(shared.writers[word], 15, thread))
      report_race(word * 4, Access::Write, shared.writers[word], Access::Write);
    if (conflicts(shared.readers[word], 15, thread))
      report_race(word * 4, Access::Write, shared.readers[word], Access::Read);
  }
}

void begin_block(std::uint64_t number, std::size_t shared_bytes) {
  begin_device_block(number);
  if (!shared.memory) {
    auto* zone = static_cast<unsigned char*>(map_lazily(kMostBytes + 2 * kZoneBytes));
    shared.memory = zone + kZoneBytes;
    shared_shadow = {reinterpret_cast<std::uintptr_t>(zone), kMostBytes + 2 * kZoneBytes};
  }
  shared.bytes = shared_bytes;
  ++shared.interval;
  ByteSet(shared.written).set(0, shared_bytes, false);
  unpoison(shared.memory, kMostBytes);
  std::memset(shared.memory, 0xff, shared_bytes);  // not a number, in every format
  poison(shared.memory + shared_bytes, kMostBytes - shared_bytes);
}

void block_synchronised() { ++shared.interval; }

void warp_synchronised(unsigned warp, unsigned lanes) {
  ++shared.meeting;
  for (unsigned a = 0; a < 32; ++a) {
    if (!(lanes >> a & 1)) continue;
    for (unsigned b = 0; b < 32; ++b)
      if (lanes >> b & 1) shared.met[warp][a][b] = shared.meeting;
  }
}

}  // namespace convlet::emulated
