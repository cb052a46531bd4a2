// Atomics of the emulated device: the threads of a grid take turns, so that plain operations are whole.
#include <algorithm>

#include "cuda/emulated/checks.h"
#include "cuda/emulated/language.h"

namespace {

template <class T, class F>
T exchange(T* address, F&& next) {
  convlet::emulated::check_atomic(address, sizeof(T));
  const T old = *address;
  *address = next(old);
  return old;
}

}  // namespace

template <class T>
T atomicAdd(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T old) {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) + static_cast<std::make_unsigned_t<T>>(value));
  });
}
template <class T>
T atomicSub(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T old) {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) - static_cast<std::make_unsigned_t<T>>(value));
  });
}
template <class T>
T atomicMax(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T old) { return std::max(old, value); });
}
template <class T>
T atomicMin(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T old) { return std::min(old, value); });
}
template <class T>
T atomicAnd(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T old) { return old & value; });
}
template <class T>
T atomicOr(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T old) { return old | value; });
}
template <class T>
T atomicExch(T* address, std::common_type_t<T> value) {
  return exchange(address, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::common_type_t<T> expected, std::common_type_t<T> value) {
  return exchange(address, [&](T old) { return old == expected ? value : old; });
}

#define CONVLET_ATOMICS(T)      \
  template T atomicAdd(T*, T);  \
  template T atomicSub(T*, T);  \
  template T atomicMax(T*, T);  \
  template T atomicMin(T*, T);  \
  template T atomicAnd(T*, T);  \
  template T atomicOr(T*, T);   \
  template T atomicExch(T*, T); \
  template T atomicCAS(T*, T, T);

CONVLET_ATOMICS(int)
CONVLET_ATOMICS(unsigned)
CONVLET_ATOMICS(unsigned long long)
