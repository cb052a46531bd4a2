#include "isa/dispatch.h"

#if defined(CONVLET_AMX) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <stdexcept>

#include "isa/tables.h"

namespace convlet {
namespace {

std::vector<const Kernels*> detect() {
  std::vector<const Kernels*> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    found.push_back(&avx512::kTable);
  }
  if (avx2) found.push_back(&avx2::kTable);
  found.push_back(&baseline::kTable);
#else
  found.push_back(&neon::kTable);
#endif
  return found;
}

// Linux keeps the tiles of AMX from a process until it asks for them.
const MatrixKernels* detect_matrix_unit() {
#if defined(CONVLET_AMX) && defined(__linux__)
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAvx512Bf16 = 1u << 5;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (available_kernels().front() != &avx512::kTable || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return nullptr;
  if ((d & (kAmxBf16 | kAmxTile)) != (kAmxBf16 | kAmxTile)) return nullptr;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & kAvx512Bf16)) return nullptr;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) return &amx::kTable;
#endif
  return nullptr;
}

std::atomic<const Kernels*> selected{nullptr};

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
  // Never destroyed: a daemon thread may still ask while the process exits.
  static const auto* list = new std::vector<const Kernels*>(detect());
  return *list;
}

const MatrixKernels* matrix_kernels() {
  static const MatrixKernels* const found = detect_matrix_unit();
  return found;
}

const Kernels& kernels() {
  const Kernels* table = selected.load(std::memory_order_acquire);
  return table ? *table : *available_kernels().front();
}

const Kernels& select_kernels(const std::string& name) {
  std::string names;
  for (const Kernels* table : available_kernels()) {
    if (name == table->name) {
      selected.store(table, std::memory_order_release);
      return *table;
    }
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  }
  throw std::invalid_argument("select_isa: expected one of " + names + " (what this CPU runs), got '" + name + "'");
}

const Kernels& select_best_kernels() {
  selected.store(nullptr, std::memory_order_release);
  return kernels();
}

}  // namespace convlet
