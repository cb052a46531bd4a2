// What code compiled with -fsanitize=thread calls before each access to memory, in place of ThreadSanitizer's own
// library: the checks of kernels. The names are those of tsan_interface.h (LLVM compiler-rt).
#include <cstddef>
#include <cstdint>

#include "cuda/emulated/checks.h"
#include "cuda/emulated/sanitizers.h"

#ifndef CONVLET_REAL_TSAN

namespace convlet::emulated {
namespace {

bool initialised = false;

void check_read(const void* address, std::size_t bytes, std::size_t alignment) {
  check<Access::Read>(reinterpret_cast<std::uintptr_t>(address), bytes, alignment);
}

void check_write(const void* address, std::size_t bytes, std::size_t alignment) {
  check<Access::Write>(reinterpret_cast<std::uintptr_t>(address), bytes, alignment);
}

}  // namespace

bool checking() { return initialised; }

}  // namespace convlet::emulated

using convlet::emulated::check_read;
using convlet::emulated::check_write;

#define CONVLET_HOOKS(bytes)                                                                \
  void __tsan_read##bytes(void* address) { check_read(address, bytes, bytes); }             \
  void __tsan_write##bytes(void* address) { check_write(address, bytes, bytes); }           \
  void __tsan_unaligned_read##bytes(void* address) { check_read(address, bytes, 1); }       \
  void __tsan_unaligned_write##bytes(void* address) { check_write(address, bytes, 1); }     \
  void __tsan_read##bytes##_pc(void* address, void*) { check_read(address, bytes, bytes); } \
  void __tsan_write##bytes##_pc(void* address, void*) { check_write(address, bytes, bytes); }

// Atomics of the host's code in these files: counters of shared pointers, guards of static objects.
#define CONVLET_ATOMIC_HOOKS(bits)                                                                                     \
  using Word##bits = std::uint##bits##_t;                                                                              \
  Word##bits __tsan_atomic##bits##_load(const volatile Word##bits* a, int) {                                           \
    return __atomic_load_n(a, __ATOMIC_SEQ_CST);                                                                       \
  }                                                                                                                    \
  void __tsan_atomic##bits##_store(volatile Word##bits* a, Word##bits value, int) {                                    \
    __atomic_store_n(a, value, __ATOMIC_SEQ_CST);                                                                      \
  }                                                                                                                    \
  Word##bits __tsan_atomic##bits##_exchange(volatile Word##bits* a, Word##bits value, int) {                           \
    return __atomic_exchange_n(a, value, __ATOMIC_SEQ_CST);                                                            \
  }                                                                                                                    \
  Word##bits __tsan_atomic##bits##_fetch_add(volatile Word##bits* a, Word##bits value, int) {                          \
    return __atomic_fetch_add(a, value, __ATOMIC_SEQ_CST);                                                             \
  }                                                                                                                    \
  Word##bits __tsan_atomic##bits##_fetch_sub(volatile Word##bits* a, Word##bits value, int) {                          \
    return __atomic_fetch_sub(a, value, __ATOMIC_SEQ_CST);                                                             \
  }                                                                                                                    \
  Word##bits __tsan_atomic##bits##_fetch_and(volatile Word##bits* a, Word##bits value, int) {                          \
    return __atomic_fetch_and(a, value, __ATOMIC_SEQ_CST);                                                             \
  }                                                                                                                    \
  Word##bits __tsan_atomic##bits##_fetch_or(volatile Word##bits* a, Word##bits value, int) {                           \
    return __atomic_fetch_or(a, value, __ATOMIC_SEQ_CST);                                                              \
  }                                                                                                                    \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile Word##bits* a, Word##bits* expected, Word##bits value,    \
                                                    int, int) {                                                        \
    return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
  }                                                                                                                    \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile Word##bits* a, Word##bits* expected, Word##bits value, int, \
                                                  int) {                                                               \
    return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
  }                                                                                                                    \
  Word##bits __tsan_atomic##bits##_compare_exchange_val(volatile Word##bits* a, Word##bits expected, Word##bits value, \
                                                        int, int) {                                                    \
    __atomic_compare_exchange_n(a, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                       \
    return expected;                                                                                                   \
  }

extern "C" {

void __tsan_init() { convlet::emulated::initialised = true; }
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_read_range(void* address, std::size_t bytes) { check_read(address, bytes, 1); }
void __tsan_write_range(void* address, std::size_t bytes) { check_write(address, bytes, 1); }

CONVLET_HOOKS(1)
CONVLET_HOOKS(2)
CONVLET_HOOKS(4)
CONVLET_HOOKS(8)
CONVLET_HOOKS(16)

CONVLET_ATOMIC_HOOKS(8)
CONVLET_ATOMIC_HOOKS(16)
CONVLET_ATOMIC_HOOKS(32)
CONVLET_ATOMIC_HOOKS(64)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

// What clang makes of memcpy and its like, from its release 15 on; before, copies of structures are not checked.
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  check_read(from, bytes, 1);
  check_write(to, bytes, 1);
  return __builtin_memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  check_read(from, bytes, 1);
  check_write(to, bytes, 1);
  return __builtin_memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
  check_write(to, bytes, 1);
  return __builtin_memset(to, value, bytes);
}

}  // extern "C"

#else

bool convlet::emulated::checking() { return false; }

#endif
