// The device's memory, and the shared memory of the block that runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/emulated/api.h"

namespace convlet::emulated {

void* allocate(std::size_t bytes);  // null when there is no more
bool release(void* address);        // false if it is no allocation
std::size_t bytes_in_use();
bool on_device(const void* address);

// Before a plain one; `alignment` is what the processor needs.
inline void check_read(const void*, std::size_t, std::size_t) {}
inline void check_write(void*, std::size_t, std::size_t) {}
// Before an atomic operation of the running thread.
void check_atomic(const void* address, std::size_t bytes);

void begin_block(std::size_t shared_bytes);
void end_block();
void block_synchronised();
void warp_synchronised(unsigned warp, unsigned lanes);

}  // namespace convlet::emulated
