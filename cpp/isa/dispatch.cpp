#include "isa/dispatch.h"

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

std::atomic<const Kernels*> selected{nullptr};

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
  // Never destroyed: a daemon thread may still ask while the process exits.
  static const auto* list = new std::vector<const Kernels*>(detect());
  return *list;
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
