#include "cuda/emulated/fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "cuda/emulated/sanitizers.h"

// Saves the registers that a called function must keep, stores the stack pointer in *from, and goes on at `to`.
extern "C" void convlet_switch(void** from, void* to) asm("convlet_switch") __attribute__((visibility("hidden")));

#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
convlet_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
convlet_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
#else
#error "the emulated device switches fibres on x86-64 and aarch64"
#endif

namespace convlet::emulated {
namespace {

std::size_t page() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// A stack as convlet_switch leaves one, whose return address is `entry`.
void* fresh_position(char* top, void (*entry)()) {
#if defined(__x86_64__)
  constexpr std::size_t words = 8, entry_at = 6;  // six registers, entry, and the return address that entry lacks
#else
  constexpr std::size_t words = 20, entry_at = 11;  // x30
#endif
  auto* position = reinterpret_cast<std::uintptr_t*>(top) - words;
  std::memset(position, 0, words * sizeof *position);
  position[entry_at] = reinterpret_cast<std::uintptr_t>(entry);
  return position;
}

}  // namespace

Stack::Stack() {
  void* mapping = mmap(nullptr, kBytes + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<char*>(mapping);
  mprotect(mapping_, page(), PROT_NONE);
  bottom_ = mapping_ + page();
#ifdef CONVLET_REAL_TSAN
  sanitizer_fibre = __tsan_create_fiber(0);
#endif
}

Stack::~Stack() {
#ifdef CONVLET_REAL_TSAN
  __tsan_destroy_fiber(sanitizer_fibre);
#endif
  munmap(mapping_, kBytes + page());
}

Fibres& fibres() {
  static auto* all = new Fibres;  // lives as long as the process
  return *all;
}

Stack* Fibres::take() {
  if (free_.empty()) {
    all_.push_back(new Stack);
    free_.push_back(all_.back());
  }
  Stack* stack = free_.back();
  free_.pop_back();
  return stack;
}

void Fibres::abandon() {
  free_ = all_;
  for (Stack* stack : all_) unpoison(stack->bottom(), Stack::kBytes);
}

void Fibres::enter(Stack* stack, void* position) {
  running_ = stack;
#ifdef CONVLET_REAL_TSAN
  host_fibre_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(stack->sanitizer_fibre, 0);
#endif
#ifdef CONVLET_REAL_ASAN
  __sanitizer_start_switch_fiber(&host_fake_stack_, stack->bottom(), Stack::kBytes);
#endif
  convlet_switch(&host_, position);
#ifdef CONVLET_REAL_ASAN
  __sanitizer_finish_switch_fiber(host_fake_stack_, nullptr, nullptr);
#endif
  running_ = nullptr;
}

void Fibres::start(Stack* stack, Function function, void* argument) {
  function_ = function;
  argument_ = argument;
  unpoison(stack->top() - 4096, 4096);  // the last frames of the fibre before, which never returned
  enter(stack, fresh_position(stack->top(), &main));
}

void Fibres::main() {
  Fibres& self = fibres();
#ifdef CONVLET_REAL_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &self.host_bottom_, &self.host_bytes_);
#endif
  self.function_(self.argument_);
  self.end();
}

void Fibres::resume(Stack* stack, void* position) { enter(stack, position); }

void Fibres::leave(void** position) {
#ifdef CONVLET_REAL_TSAN
  __tsan_switch_to_fiber(host_fibre_, 0);
#endif
#ifdef CONVLET_REAL_ASAN
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, host_bottom_, host_bytes_);
#endif
  convlet_switch(position, host_);
#ifdef CONVLET_REAL_ASAN
  __sanitizer_finish_switch_fiber(fake_stack, &host_bottom_, &host_bytes_);
#endif
}

void Fibres::end() {
#ifdef CONVLET_REAL_TSAN
  __tsan_switch_to_fiber(host_fibre_, 0);
#endif
#ifdef CONVLET_REAL_ASAN
  __sanitizer_start_switch_fiber(nullptr, host_bottom_, host_bytes_);
#endif
  void* nowhere;
  convlet_switch(&nowhere, host_);
  __builtin_unreachable();
}

}  // namespace convlet::emulated
