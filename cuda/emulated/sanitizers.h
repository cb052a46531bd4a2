// Whether a real sanitizer watches, in place of the checks of hooks.cpp.
#pragma once

#include <cstddef>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CONVLET_REAL_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define CONVLET_REAL_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace convlet::emulated {

inline void poison([[maybe_unused]] const void* address, [[maybe_unused]] std::size_t bytes) {
#ifdef CONVLET_REAL_ASAN
  __asan_poison_memory_region(address, bytes);
#endif
}

inline void unpoison([[maybe_unused]] const void* address, [[maybe_unused]] std::size_t bytes) {
#ifdef CONVLET_REAL_ASAN
  __asan_unpoison_memory_region(address, bytes);
#endif
}

}  // namespace convlet::emulated
