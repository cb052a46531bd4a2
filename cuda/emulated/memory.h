// The device's memory: one large part of the address space, in which allocations lie with guard zones between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/emulated/api.h"

namespace convlet::emulated {

constexpr std::size_t kGuardBytes = 64 * 1024;

// A bit for each byte of the device's memory.
class ByteSet {
 public:
  explicit ByteSet(std::uint64_t* words) : words_(words) {}
  bool holds(std::size_t begin, std::size_t count) const;
  std::size_t first_missing(std::size_t begin, std::size_t count) const;  // or count
  void set(std::size_t begin, std::size_t count, bool value);
  void copy(std::size_t to, std::size_t from, std::size_t count);
  std::uint64_t* words() const { return words_; }

 private:
  bool at(std::size_t i) const { return words_[i / 64] >> (i % 64) & 1; }
  std::uint64_t* words_;
};

// Null when there is no more. The memory can be used from the moment that it is opened.
void* reserve(std::size_t bytes);
void open_allocation(void* address);
// Ends what was opened; false if it is no allocation.
bool close_allocation(void* address);
bool is_allocation(const void* address);
std::size_t bytes_in_use();

bool on_device(const void* address);
bool is_admitted(const void* address, std::size_t bytes);  // see emulated.h

// "byte 4 behind an allocation of 400 bytes": where an address of the device's memory lies.
std::string whereabouts(const void* address);

// What copies do when the stream comes to them; findings name the operation.
void execute_copy(void* to, const void* from, std::size_t bytes);
void execute_set(void* to, int value, std::size_t bytes);

// An anonymous part of the address space that takes memory only where it is touched.
void* map_lazily(std::size_t bytes);

}  // namespace convlet::emulated
