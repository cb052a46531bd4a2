#include "cuda/emulated/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <new>

#include "cuda/emulated/checks.h"
#include "cuda/emulated/sanitizers.h"
#include "cuda/emulated/state.h"

namespace convlet::emulated {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{32} << 30;
constexpr std::size_t kQuarantineBytes = std::size_t{2} << 30;  // of address space that stays unused after a free

struct Allocation {
  std::size_t bytes = 0, room = 0;  // room: with the guard zone after it
  bool open = false, freed = false;
};

class Arena {
 public:
  Arena() {
    DeviceShadow& shadow = device_shadow;
    shadow.live = static_cast<std::uint64_t*>(map_lazily(kArenaBytes / 8));
    shadow.written = static_cast<std::uint64_t*>(map_lazily(kArenaBytes / 8));
    shadow.writers = static_cast<Cell*>(map_lazily(kArenaBytes / 4 * sizeof(Cell)));
    shadow.readers = static_cast<Cell*>(map_lazily(kArenaBytes / 4 * sizeof(Cell)));
    base = static_cast<char*>(map_lazily(kArenaBytes));
    shadow.begin = reinterpret_cast<std::uintptr_t>(base);
    shadow.bytes = kArenaBytes;
    free[kGuardBytes] = kArenaBytes - kGuardBytes;
  }

  bool holds(const void* address) const {
    return reinterpret_cast<std::uintptr_t>(address) - device_shadow.begin < kArenaBytes;
  }
  std::size_t offset(const void* address) const {
    return static_cast<std::size_t>(static_cast<const char*>(address) - base);
  }
  // The first part of the free space with so much room; kArenaBytes if there is none.
  std::size_t take(std::size_t room) {
    for (auto part = free.begin(); part != free.end(); ++part) {
      const auto [begin, size] = *part;
      if (size < room) continue;
      free.erase(part);
      if (size > room) free[begin + room] = size - room;
      return begin;
    }
    return kArenaBytes;
  }
  void recycle_oldest() {
    const std::size_t begin = quarantine.front();
    quarantine.pop_front();
    std::size_t size = allocations.at(begin).room;
    quarantined -= size;
    allocations.erase(begin);
    auto after = free.lower_bound(begin);
    if (after != free.end() && after->first == begin + size) {
      size += after->second;
      after = free.erase(after);
    }
    if (after != free.begin() && std::prev(after)->first + std::prev(after)->second == begin) {
      std::prev(after)->second += size;
    } else {
      free[begin] = size;
    }
  }

  char* base;
  std::map<std::size_t, Allocation> allocations;  // by offset, with those in quarantine
  std::map<std::size_t, std::size_t> free;
  std::deque<std::size_t> quarantine;
  std::size_t quarantined = 0, in_use = 0;
};

Arena& arena() {
  static auto* all = new Arena;
  return *all;
}

ByteSet live() { return ByteSet(device_shadow.live); }
ByteSet written() { return ByteSet(device_shadow.written); }

std::map<std::size_t, Allocation>::iterator find(const void* address) {
  Arena& all = arena();
  if (!all.holds(address)) return all.allocations.end();
  const auto found = all.allocations.find(all.offset(address));
  return found == all.allocations.end() || found->second.freed ? all.allocations.end() : found;
}

// Whether a copy may touch these bytes; a finding if not.
bool may_touch(const void* address, std::size_t bytes, const char* what) {
  const Arena& all = arena();
  if (!all.holds(address)) return true;
  const std::size_t missing = live().first_missing(all.offset(address), bytes);
  if (missing == bytes) return true;
  note(cudaErrorIllegalAddress, std::string(what) + " of " + std::to_string(bytes) + " bytes touches " +
                                    whereabouts(static_cast<const char*>(address) + missing));
  return false;
}

}  // namespace

void* map_lazily(std::size_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return address;
}

std::size_t ByteSet::first_missing(std::size_t begin, std::size_t count) const {
  for (std::size_t i = 0; i < count;) {
    if ((begin + i) % 64 == 0 && count - i >= 64 && words_[(begin + i) / 64] == ~std::uint64_t{0}) {
      i += 64;
    } else if (at(begin + i)) {
      ++i;
    } else {
      return i;
    }
  }
  return count;
}

bool ByteSet::holds(std::size_t begin, std::size_t count) const { return first_missing(begin, count) == count; }

void ByteSet::set(std::size_t begin, std::size_t count, bool value) {
  const std::size_t end = begin + count;
  while (begin < end) {
    const std::size_t shift = begin % 64, bits = std::min(64 - shift, end - begin);
    const std::uint64_t mask = (bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1) << shift;
    std::uint64_t& word = words_[begin / 64];
    word = value ? word | mask : word & ~mask;
    begin += bits;
  }
}

void ByteSet::copy(std::size_t to, std::size_t from, std::size_t count) {
  if (holds(from, count)) return set(to, count, true);
  for (std::size_t i = 0; i < count;) {
    const std::size_t same = std::min(count - i, to % 64 == 0 && from % 64 == 0 ? std::size_t{64} : 1);
    if (same == 64) {
      words_[(to + i) / 64] = words_[(from + i) / 64];
    } else {
      set(to + i, same, first_missing(from + i, same) == same);
    }
    i += same;
  }
}

void* reserve(std::size_t bytes) {
  Arena& all = arena();
  if (bytes > state().memory_limit || all.in_use > state().memory_limit - bytes) return nullptr;
  const std::size_t room = (bytes + 255) / 256 * 256 + kGuardBytes;
  while (all.quarantined > kQuarantineBytes) all.recycle_oldest();
  std::size_t begin = all.take(room);
  while (begin == kArenaBytes && !all.quarantine.empty()) {
    all.recycle_oldest();
    begin = all.take(room);
  }
  if (begin == kArenaBytes) return nullptr;
  all.allocations[begin] = {bytes, room};
  all.in_use += bytes;
  return all.base + begin;
}

void open_allocation(void* address) {
  const auto found = find(address);
  if (found == arena().allocations.end()) return;
  found->second.open = true;
  live().set(found->first, found->second.bytes, true);
  std::memset(address, 0xff, found->second.bytes);  // not a number, in every format
  poison(static_cast<char*>(address) + found->second.bytes, found->second.room - found->second.bytes);
}

bool close_allocation(void* address) {
  const auto found = find(address);
  if (found == arena().allocations.end()) return false;
  Arena& all = arena();
  Allocation& allocation = found->second;
  live().set(found->first, allocation.bytes, false);
  written().set(found->first, allocation.bytes, false);
  unpoison(address, allocation.room);
  if (allocation.bytes > 1 << 20) madvise(address, allocation.bytes / 4096 * 4096, MADV_DONTNEED);
  poison(address, allocation.bytes);
  allocation.freed = true;
  all.in_use -= allocation.bytes;
  all.quarantined += allocation.room;
  all.quarantine.push_back(found->first);
  return true;
}

bool is_allocation(const void* address) { return find(address) != arena().allocations.end(); }
std::size_t bytes_in_use() { return arena().in_use; }

bool on_device(const void* address) {
  const Arena& all = arena();
  if (!all.holds(address)) return false;
  auto after = all.allocations.upper_bound(all.offset(address));
  if (after == all.allocations.begin()) return false;
  --after;
  return !after->second.freed && all.offset(address) < after->first + after->second.bytes;
}

std::string whereabouts(const void* address) {
  const Arena& all = arena();
  const std::size_t at = all.offset(address);
  const auto next = all.allocations.upper_bound(at);
  const bool has_next = next != all.allocations.end();
  if (next != all.allocations.begin()) {
    const auto& [begin, allocation] = *std::prev(next);
    const std::string size = std::to_string(allocation.bytes) + " bytes";
    if (at < begin + allocation.bytes) {
      return "byte " + std::to_string(at - begin) +
             (allocation.freed  ? " of a freed allocation of " + size
              : allocation.open ? " of an allocation of " + size
                                : " of " + size + " yet to be allocated");
    }
    if (!has_next || at - begin - allocation.bytes <= next->first - at)
      return "byte " + std::to_string(at - begin - allocation.bytes) + " behind an allocation of " + size;
  }
  if (!has_next) return "an address where nothing was allocated";
  return std::to_string(next->first - at) + " bytes before an allocation of " + std::to_string(next->second.bytes) +
         " bytes";
}

void execute_copy(void* to, const void* from, std::size_t bytes) {
  const Arena& all = arena();
  if (!may_touch(from, bytes, "a copy") || !may_touch(to, bytes, "a copy")) return;
  if (checking() && all.holds(from) && !all.holds(to)) {
    if (const std::size_t missing = written().first_missing(all.offset(from), bytes); missing < bytes) {
      return note(cudaErrorLaunchFailure, "a copy to the host of " + std::to_string(bytes) +
                                              " bytes reads what nobody wrote, " +
                                              whereabouts(static_cast<const char*>(from) + missing));
    }
  }
  if (all.holds(to) && all.holds(from)) {
    written().copy(all.offset(to), all.offset(from), bytes);
  } else if (all.holds(to)) {
    written().set(all.offset(to), bytes, true);
  }
  std::memmove(to, from, bytes);
}

void execute_set(void* to, int value, std::size_t bytes) {
  if (!may_touch(to, bytes, "a memset")) return;
  if (arena().holds(to)) written().set(arena().offset(to), bytes, true);
  std::memset(to, value, bytes);
}

}  // namespace convlet::emulated
