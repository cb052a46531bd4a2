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
  std::uint32_t interval = 0;  // between two barriers
  std::uint32_t meeting = 0;   // of warps, the last one before
  std::uint16_t thread = 0;
  std::uint8_t bytes = 0;  // of the word
  enum Who : std::uint8_t { One, Warp, Block } who = One;
};

struct Shared {
  Shared() {
    unsigned char* zone = static_cast<unsigned char*>(map_lazily(kMostBytes + 2 * kZoneBytes));
    memory = zone + kZoneBytes;
    shared_shadow = {reinterpret_cast<std::uintptr_t>(zone), kMostBytes + 2 * kZoneBytes};
  }

  unsigned char* memory;
  std::size_t bytes = 0;
  std::uint32_t interval = 0, meeting = 0;
  std::uint32_t met[32][32][32] = {};  // the last meeting of two lanes, by warp
  std::vector<std::uint64_t> written_words = std::vector<std::uint64_t>(kMostBytes / 64);
  std::vector<Touch> writers = std::vector<Touch>(kMostBytes / 4), readers = std::vector<Touch>(kMostBytes / 4);
};

Shared& shared() {
  static auto* all = new Shared;
  return *all;
}

// Whether the thread that made this touch has met the other since, without a barrier of the block.
bool met(const Touch& touch, unsigned other) {
  if (touch.thread == other) return touch.who == Touch::One;
  return touch.thread / 32u == other / 32 && shared().met[other / 32][touch.thread % 32][other % 32] > touch.meeting;
}

std::string text(const uint3& index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

[[noreturn]] void report_race(std::size_t offset, Access mine, const Touch& touch, Access theirs) {
  const Block& block = running_block();
  report(cudaErrorLaunchFailure,
         std::string("a race in shared memory: ") + (mine == Access::Read ? "a read" : "a write") + " of byte " +
             std::to_string(offset) + ", which thread " + text(block.threads[touch.thread].index) +
             (theirs == Access::Read ? " read" : " wrote") + " with no barrier since, in " + place());
}

bool conflicts(const Touch& touch, std::uint8_t bytes, unsigned thread) {
  if (touch.interval != shared().interval || !(touch.bytes & bytes)) return false;
  if (touch.who == Touch::One && touch.thread == thread) return false;
  return touch.who == Touch::Block || !met(touch, thread);
}

void touch_word(std::size_t word, std::uint8_t bytes, Access access) {
  Shared& all = shared();
  const unsigned thread = running_block().current->number;
  const Touch mine{all.interval, all.meeting, static_cast<std::uint16_t>(thread), bytes, Touch::One};
  Touch &writer = all.writers[word], &reader = all.readers[word];
  if (conflicts(writer, bytes, thread)) report_race(word * 4, access, writer, Access::Write);
  if (access == Access::Write) {
    if (conflicts(reader, bytes, thread)) report_race(word * 4, access, reader, Access::Read);
    const bool own = writer.interval == mine.interval && writer.thread == thread;
    writer = mine;
    if (own) writer.bytes |= bytes;
    return;
  }
  const bool alone = reader.interval != mine.interval || (reader.who == Touch::One && reader.thread == thread);
  const std::uint8_t before = reader.interval == mine.interval ? reader.bytes : std::uint8_t{0};
  const Touch::Who who = alone || met(reader, thread)              ? Touch::One
                         : reader.who == Touch::Block              ? Touch::Block
                         : reader.thread / 32u == thread / 32      ? Touch::Warp
                                                                   : Touch::Block;
  reader = mine;
  reader.bytes |= before;
  reader.who = who;
}

// The offset of an access that lies within what the launch asked for, whose bytes are written if it reads.
std::size_t place_in_shared(std::uintptr_t address, std::size_t bytes, Access access) {
  Shared& all = shared();
  const std::size_t offset = address - reinterpret_cast<std::uintptr_t>(all.memory);
  const std::string what = access == Access::Read ? "a read" : "a write";
  if (offset >= all.bytes || bytes > all.bytes - offset) {
    report(cudaErrorIllegalAddress, what + " of " + std::to_string(bytes) + " bytes at byte " +
                                        std::to_string(static_cast<std::ptrdiff_t>(offset)) + " of " +
                                        std::to_string(all.bytes) + " bytes of shared memory, in " + place());
  }
  ByteSet written(all.written_words.data());
  if (access == Access::Write) {
    written.set(offset, bytes, true);
  } else if (!written.holds(offset, bytes)) {
    report(cudaErrorLaunchFailure, what + " of " + std::to_string(bytes) + " bytes at byte " + std::to_string(offset) +
                                       " of shared memory, which no thread of the block has written, in " + place());
  }
  return offset;
}

}  // namespace

void* shared_memory() noexcept { return shared().memory; }

void check_shared(std::uintptr_t address, std::size_t bytes, Access access) {
  const Quiet quiet;
  const std::size_t begin = place_in_shared(address, bytes, access), end = begin + bytes;
  for (std::size_t word = begin / 4; word < (end + 3) / 4; ++word) {
    const std::size_t first = std::max(begin, word * 4) - word * 4, last = std::min(end, word * 4 + 4) - word * 4;
    touch_word(word, static_cast<std::uint8_t>((1u << last) - (1u << first)), access);
  }
}

// Atomics do not race with each other, only with plain accesses.
void check_shared_atomic(std::uintptr_t address, std::size_t bytes) {
  const std::size_t begin = place_in_shared(address, bytes, checking() ? Access::Read : Access::Write);
  const unsigned thread = running_block().current->number;
  for (std::size_t word = begin / 4; word < (begin + bytes) / 4; ++word) {
    const Shared& all = shared();
    if (conflicts(all.writers[word], 15, thread)) report_race(word * 4, Access::Write, all.writers[word], Access::Write);
    if (conflicts(all.readers[word], 15, thread)) report_race(word * 4, Access::Write, all.readers[word], Access::Read);
  }
}

void begin_block(std::uint64_t number, std::size_t shared_bytes) {
  begin_device_block(number);
  Shared& all = shared();
  all.bytes = shared_bytes;
  ++all.interval;
  ByteSet(all.written_words.data()).set(0, shared_bytes, false);
  unpoison(all.memory, kMostBytes);
  std::memset(all.memory, 0xff, shared_bytes);  // not a number, in every format
  poison(all.memory + shared_bytes, kMostBytes - shared_bytes);
}

void block_synchronised() { ++shared().interval; }

void warp_synchronised(unsigned warp, unsigned lanes) {
  Shared& all = shared();
  ++all.meeting;
  for (unsigned a = 0; a < 32; ++a) {
    if (!(lanes >> a & 1)) continue;
    for (unsigned b = 0; b < 32; ++b)
      if (lanes >> b & 1) all.met[warp][a][b] = all.meeting;
  }
}

}  // namespace convlet::emulated
