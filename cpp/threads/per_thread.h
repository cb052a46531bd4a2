// What each thread keeps for itself: made when the thread first asks for it, destroyed when the thread ends.
#pragma once

#include <pthread.h>

#include <memory>
#include <new>

namespace convlet {

// In place of thread_local objects, for which the C library ends the process where memory is short: this throws
// std::bad_alloc. It must not be destroyed before the threads that used it.
template <class T>
class PerThread {
 public:
  PerThread() {
    if (pthread_key_create(&key_, [](void* own) { delete static_cast<T*>(own); }) != 0) throw std::bad_alloc();
  }
  PerThread(const PerThread&) = delete;
  PerThread& operator=(const PerThread&) = delete;

  T* find() const { return static_cast<T*>(pthread_getspecific(key_)); }  // null where it was not asked for

  T& mine() const {
    if (T* own = find()) return *own;
    auto made = std::make_unique<T>();
    if (pthread_setspecific(key_, made.get()) != 0) throw std::bad_alloc();
    return *made.release();
  }

 private:
  pthread_key_t key_{};
};

}  // namespace convlet
