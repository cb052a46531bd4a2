// Makes chosen allocations fail. Loaded before all other libraries (LD_PRELOAD), it stands in front of malloc and its
// kin, and of pthread_create. An allocation belongs to whoever caused it: the first function up the stack that is
// neither of the C nor of the C++ library, so that operator new, std::string, an exception or the memory of a new
// thread count as the caller's. Nobody's is the room for thread-local variables that glibc makes when a thread first
// touches those of a library: where there is no memory for it, glibc itself ends the process.
//
// It counts in one process and all its threads; a forked child goes on by itself. It uses nothing of the C++ library.
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <atomic>
#include <initializer_list>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

enum Owner { kModule = 1, kNumPy = 2, kOther = 4, kNobody = 0, kLoader = -1, kC = -2, kCpp = -3, kThis = -4 };

std::atomic<long> first{0};    // the allocation that fails, counted from 1; 0: none does
std::atomic<long> last{0};     // the last one that fails
std::atomic<long> reached{0};  // how many there were
std::atomic<int> owners{0};    // whose allocations count
std::atomic<long> threads_left{-1};
std::atomic<bool> shown{false};     // where in the program an allocation fails
thread_local bool looking = false;  // into the stack, which may allocate

struct Search {
  uintptr_t address;
  Owner owner;
};

bool contains(const char* text, const char* part) { return strstr(text, part) != nullptr; }

Owner owner_of_library(const char* path) {
  if (contains(path, "/convlet/_core")) return kModule;
  if (contains(path, "_multiarray_umath")) return kNumPy;
  if (contains(path, "failing_malloc")) return kThis;
  if (contains(path, "ld-linux")) return kLoader;
  for (const char* part : {"libc.so", "libm.so", "libpthread"}) {
    if (contains(path, part)) return kC;
  }
  for (const char* part : {"libstdc++", "libgcc_s"}) {
    if (contains(path, part)) return kCpp;
  }
  return kOther;
}

int look_at(dl_phdr_info* info, size_t, void* found) {
  auto* search = static_cast<Search*>(found);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) & part = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || search->address < begin || search->address >= begin + part.p_memsz) continue;
    search->owner = owner_of_library(info->dlpi_name);
    return 1;
  }
  return 0;
}

// The first of the functions up the stack that is not of such a library. The loader allocates for the C library, which
// starts a thread or opens a library, or for thread-local variables of whoever else called it.
Owner caller() {
  void* frames[24];
  const int count = backtrace(frames, 24);
  Owner before = kThis;
  for (int i = 1; i < count; ++i) {
    Search search{reinterpret_cast<uintptr_t>(frames[i]), kOther};
    dl_iterate_phdr(look_at, &search);
    const Owner owner = search.owner;
    if (before == kLoader && owner != kLoader && owner != kC) return kNobody;
    if (owner > kNobody) return owner;
    before = owner;
  }
  return kOther;
}

void show() {
  void* frames[24];
  backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
}

bool fails() {
  if (first.load(std::memory_order_relaxed) == 0 || looking) return false;
  looking = true;
  bool failing = false;
  if ((caller() & owners.load(std::memory_order_relaxed)) != 0) {
    const long number = ++reached;
    failing = number >= first && number <= last;
    if (failing && shown) show();
  }
  looking = false;
  return failing;
}

__attribute__((constructor)) void load_the_unwinder() {
  void* frame;
  backtrace(&frame, 1);
}

}  // namespace

#define PUBLIC extern "C" __attribute__((visibility("default")))

// From now on the allocations number `from` to `to` fail of those that belong to `whose`.
PUBLIC void fail_allocations(long from, long to, int whose) {
  reached = 0;
  owners = whose;
  last = to;
  first = from;
}

// From now on `count` more threads can be started, and then none; any number if `count` is negative.
PUBLIC void limit_threads(long count) { threads_left = count; }

// Whether to write to standard error which functions an allocation fails.
PUBLIC void show_failures(int show) { shown = show != 0; }

// How many allocations counted since fail_allocations(); none fails any more.
PUBLIC long stop_failing() {
  first = 0;
  threads_left = -1;
  return reached;
}

PUBLIC void* malloc(size_t bytes) {
  if (!fails()) return __libc_malloc(bytes);
  errno = ENOMEM;
  return nullptr;
}

PUBLIC void* calloc(size_t count, size_t bytes) {
  if (!fails()) return __libc_calloc(count, bytes);
  errno = ENOMEM;
  return nullptr;
}

PUBLIC void* realloc(void* old, size_t bytes) {
  if (!fails()) return __libc_realloc(old, bytes);
  errno = ENOMEM;
  return nullptr;
}

PUBLIC void* memalign(size_t alignment, size_t bytes) {
  if (!fails()) return __libc_memalign(alignment, bytes);
  errno = ENOMEM;
  return nullptr;
}

PUBLIC void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

PUBLIC int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  void* const made = memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *memory = made;
  return 0;
}

PUBLIC int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (threads_left >= 0 && threads_left-- <= 0) {
    threads_left = 0;
    return EAGAIN;
  }
  return create(thread, attributes, work, argument);
}
