// What is not usual about an access of a kernel to device memory or to the host's, and the words for it.
#include "cuda/emulated/checks.h"

#include <list>
#include <mutex>
#include <string>
#include <unordered_set>

#ifdef __linux__
#include <link.h>
#endif

#include "cuda/emulated/block.h"
#include "cuda/emulated/emulated.h"
#include "cuda/emulated/memory.h"
#include "cuda/emulated/state.h"

namespace convlet::emulated {

__thread bool running_here = false;
DeviceShadow device_shadow;

namespace {

const char* verb(Access access) { return access == Access::Read ? "a read" : "a write"; }

std::string sentence(Access access, std::size_t bytes, const std::string& where) {
  return std::string(verb(access)) + " of " + std::to_string(bytes) + " bytes at " + where + ", in " + place();
}

// Blocks that one after the other raise a counter, each behind a fence, hand over what they wrote before: the pattern
// of the last block that adds up what the others left.
struct Handover {
  std::unordered_set<std::uint64_t> released;
  bool fenced = false, acquired = false;
  std::uint64_t begun = 0;  // blocks of this launch
} handover;

struct Range {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  bool writable = false;
  bool holds(std::uintptr_t address) const { return address - begin < bytes; }
};

// The part of a program or library that an address lies in: where constants are.
Range loaded_range([[maybe_unused]] std::uintptr_t address) {
  Range found;
#ifdef __linux__
  found.begin = address;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& range = *static_cast<Range*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          const Range part{static_cast<std::uintptr_t>(info->dlpi_addr + header.p_vaddr),
                           static_cast<std::size_t>(header.p_memsz), (header.p_flags & PF_W) != 0};
          if (header.p_type == PT_LOAD && part.holds(range.begin)) {
            range = part;
            return 1;
          }
        }
        return 0;
      },
      &found);
#endif
  return found;
}

std::mutex admitting;
std::list<Range> admitted;

}  // namespace

bool is_admitted(const void* memory, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::lock_guard<std::mutex> lock(admitting);
  for (const Range& range : admitted) {
    if (range.holds(address) && range.holds(address + bytes - 1)) return true;
  }
  return false;
}

std::shared_ptr<void> admit(const void* address, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(admitting);
  admitted.push_front({reinterpret_cast<std::uintptr_t>(address), bytes, true});
  return {&admitted.front(), [place = admitted.begin()](void*) {
            const std::lock_guard<std::mutex> again(admitting);
            admitted.erase(place);
          }};
}

void begin_launch() {
  device_shadow.launch = device_shadow.launch % 0xfffffff + 1;
  handover = {};
}

void begin_device_block(std::uint64_t number) {
  device_shadow.block = number;
  handover.fenced = handover.acquired = false;
  ++handover.begun;
}

void fence() noexcept { handover.fenced = true; }

void check_bytes(std::uintptr_t address, std::size_t bytes, Access access) {
  const Quiet quiet;
  const ByteSet live(device_shadow.live);
  ByteSet written(device_shadow.written);
  const std::size_t begin = address - device_shadow.begin;
  const auto* pointer = reinterpret_cast<const char*>(address);
  if (const std::size_t missing = live.first_missing(begin, bytes); missing < bytes)
    report(cudaErrorIllegalAddress, sentence(access, bytes, whereabouts(pointer + missing)));
  if (access == Access::Write) written.set(begin, bytes, true);
  if (const std::size_t missing = written.first_missing(begin, bytes); missing < bytes) {
    report(cudaErrorLaunchFailure,
           sentence(access, bytes, whereabouts(pointer + missing) + ", which nobody has written"));
  }
  for (std::size_t i = begin; i < begin + bytes; ++i) {
    if (access == Access::Read) {
      check_read_cell(i / 4, std::uint64_t{1} << (i & 3));
    } else {
      check_write_cell(i / 4, std::uint64_t{1} << (i & 3));
    }
  }
}

void report_misaligned(std::uintptr_t address, std::size_t bytes) {
  const Quiet quiet;
  report(cudaErrorMisalignedAddress, "an access of " + std::to_string(bytes) + " bytes at an address " +
                                         std::to_string(address % bytes) + " bytes off its alignment, in " + place());
}

void check_race(std::uintptr_t address, Cell other, Access mine, Access theirs) {
  const Quiet quiet;
  const std::uint64_t block = other & 0xffffffff;
  const bool several = block == kSeveralBlocks;
  if (handover.acquired &&
      (several ? handover.released.size() + 1 >= handover.begun : handover.released.count(block) > 0))
    return;
  report(cudaErrorLaunchFailure,
         "a race between blocks: " + sentence(mine, 4, whereabouts(reinterpret_cast<const void*>(address))) +
             ", which " + (several ? "several blocks" : "block number " + std::to_string(block)) +
             " of the same launch " + (theirs == Access::Read ? "read" : "wrote"));
}

void check_atomic(const void* address, std::size_t bytes) {
  const auto place_of = reinterpret_cast<std::uintptr_t>(address);
  const Quiet quiet;
  if (place_of % bytes != 0) report_misaligned(place_of, bytes);
  if (place_of - shared_shadow.begin < shared_shadow.span) return check_shared_atomic(place_of, bytes);
  const std::size_t offset = place_of - device_shadow.begin;
  if (offset >= device_shadow.bytes) return check_elsewhere(place_of, bytes, Access::Write);
  if (!ByteSet(device_shadow.live).holds(offset, bytes))
    report(cudaErrorIllegalAddress, sentence(Access::Write, bytes, whereabouts(address)));
  if (checking() && !ByteSet(device_shadow.written).holds(offset, bytes)) {
    report(cudaErrorLaunchFailure, sentence(Access::Read, bytes, whereabouts(address) + ", which nobody has written"));
  }
  if (handover.fenced) handover.released.insert(device_shadow.block);
  handover.acquired = true;
}

// Neither the device's memory nor the block's: the thread's own stack, constants, or a fault.
void check_elsewhere(std::uintptr_t address, std::size_t bytes, Access access) {
  const Quiet quiet;
  static Range constants;
  const Block& block = running;
  if (block.current->stack->holds(address) || is_admitted(reinterpret_cast<const void*>(address), bytes)) return;
  if (!constants.holds(address)) constants = loaded_range(address);
#ifndef __linux__
  return;
#endif
  if (constants.bytes > 0 && access == Access::Read) return;
  const char* where = address < 4096        ? "a null pointer"
                      : constants.bytes > 0 ? "a variable of the host"
                                            : "memory of the host or of another thread";
  report(cudaErrorIllegalAddress, sentence(access, bytes, where));
}

}  // namespace convlet::emulated
