// What the programs of this folder share: cases by name, and what they expect.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "cuda/emulated/emulated.h"

namespace check {

using convlet::emulated::Order;
constexpr Order kOrders[] = {Order::Ascending, Order::Descending, Order::Random};

inline std::string current;  // the case

[[noreturn]] inline void wrong(const std::string& what) {
  std::printf("%s: %s\n", current.c_str(), what.c_str());
  std::exit(1);
}

inline void expect(bool right, const std::string& what) {
  if (!right) wrong("expected " + what);
}

inline void expect_text(const std::string& got, const std::string& part) {
  if (part.empty() ? !got.empty() : got.find(part) == std::string::npos)
    wrong("expected '" + part + "', got '" + got + "'");
}

inline void expect_error(cudaError_t got, cudaError_t expected) {
  if (got != expected) wrong(std::string("expected ") + cudaGetErrorName(expected) + ", got " + cudaGetErrorName(got));
}

// Runs the case in every order; each run must end with a finding that holds `part`, or with none if that is empty.
inline void in_every_order(const std::string& name, const std::string& part, const std::function<void()>& body) {
  for (const Order order : kOrders) {
    for (unsigned seed = 0; seed < (order == Order::Random ? 5u : 1u); ++seed) {
      current = name + ", order " + std::to_string(static_cast<int>(order)) + ", seed " + std::to_string(seed);
      convlet::emulated::set_order(order, seed);
      body();
      cudaDeviceSynchronize();
      expect_text(convlet::emulated::last_finding(), part);
      convlet::emulated::reset();
    }
  }
}

// Runs the case in one order.
inline std::string finding_in(Order order, const std::function<void()>& body) {
  convlet::emulated::set_order(order);
  body();
  cudaDeviceSynchronize();
  const std::string finding = convlet::emulated::last_finding();
  convlet::emulated::reset();
  return finding;
}

}  // namespace check
