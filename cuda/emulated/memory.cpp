#include "cuda/emulated/memory.h"

#include <cstdlib>
#include <cstring>
#include <map>

#include "cuda/emulated/language.h"
#include "cuda/emulated/state.h"

namespace convlet::emulated {
namespace {

alignas(256) unsigned char shared[256 * 1024];
std::map<const char*, std::size_t> allocations;
std::size_t in_use = 0;

}  // namespace

void* allocate(std::size_t bytes) {
  if (in_use + bytes > state().memory_limit) return nullptr;
  void* address = std::aligned_alloc(256, (bytes + 256) / 256 * 256);
  std::memset(address, 0xff, bytes);
  allocations[static_cast<char*>(address)] = bytes;
  in_use += bytes;
  return address;
}

bool release(void* address) {
  const auto found = allocations.find(static_cast<char*>(address));
  if (found == allocations.end()) return false;
  in_use -= found->second;
  std::free(address);
  allocations.erase(found);
  return true;
}

std::size_t bytes_in_use() { return in_use; }

bool on_device(const void* address) {
  auto after = allocations.upper_bound(static_cast<const char*>(address));
  if (after == allocations.begin()) return false;
  --after;
  return static_cast<const char*>(address) < after->first + after->second;
}

void* shared_memory() noexcept { return shared; }
void fence() noexcept {}
void check_atomic(const void*, std::size_t) {}
void begin_block(std::size_t shared_bytes) { std::memset(shared, 0xff, shared_bytes); }
void end_block() {}
void block_synchronised() {}
void warp_synchronised(unsigned, unsigned) {}

}  // namespace convlet::emulated
