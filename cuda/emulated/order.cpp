#include "cuda/emulated/order.h"

#include <numeric>

#include "cuda/emulated/emulated.h"

namespace convlet::emulated {
namespace {

Order chosen = Order::Ascending;
std::uint64_t state = 0;

std::uint64_t random(std::uint64_t below) {  // splitmix64 (Steele, Lea and Flood, 2014)
  std::uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % below;
}

}  // namespace

void set_order(Order order, std::uint64_t seed) {
  chosen = order;
  state = seed;
}

OrderedRange::OrderedRange(std::uint64_t count) : count_(count), left_(count) {
  if (count < 2 || chosen == Order::Ascending) return;
  if (chosen == Order::Descending) {
    at_ = step_ = count - 1;
    return;
  }
  do {
    step_ = 1 + random(count - 1);
  } while (std::gcd(step_, count) != 1);
  at_ = random(count);
}

std::uint64_t choose(std::uint64_t count) {
  switch (chosen) {
    case Order::Ascending:
      return 0;
    case Order::Descending:
      return count - 1;
    case Order::Random:
      return random(count);
  }
  return 0;
}

}  // namespace convlet::emulated
