// The interpreter's lock, given up while C++ computes and taken back afterwards.
//
// When the interpreter ends, a daemon thread that asks for the lock is made to exit by unwinding its stack, which C++
// answers by aborting the process. Such a thread sleeps here instead until the process is gone, as CPython 3.14 does.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

namespace convlet::bindings {

template <class Call>
auto or_sleep_forever(Call&& call) noexcept {
  try {
    return call();
  } catch (...) {  // the calls below throw nothing but that unwinding
    for (;;) pause();
  }
}

class Released {
 public:
  Released() : state_(PyEval_SaveThread()) {}
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released() {
    or_sleep_forever([this] { PyEval_RestoreThread(state_); });
  }

 private:
  PyThreadState* state_;
};

class Acquired {
 public:
  Acquired() : state_(or_sleep_forever([] { return PyGILState_Ensure(); })) {}
  Acquired(const Acquired&) = delete;
  Acquired& operator=(const Acquired&) = delete;
  ~Acquired() { PyGILState_Release(state_); }

 private:
  PyGILState_STATE state_;
};

}  // namespace convlet::bindings
