#!/usr/bin/env bash
# Builds the module with GCC's sanitizers and runs the whole test suite under them.
#
# Usage: scripts/check_sanitizers.sh [-w FOLDER] [-j JOBS] [PART...] [-- PYTEST ARGUMENT...]
#
#   address   memory errors and undefined behaviour, in one build
#   thread    data races
#   device    both again for tests/cuda, in builds with the emulated GPU
#   leaks     200 rounds of training, inference, ops and refusals that may lose no memory: check_leaks.py
#
# Without a PART it runs all of them, and all tests if pytest is not told which. -w keeps environments and builds in a
# folder, so that the next run compiles only what changed; packages that are installed there by hand (torch) are used.
# -j runs so many tests at a time. ccache is used where it is installed. A finding is a report of a sanitizer in any
# process, or a test that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

work="" jobs=1 parts=() tests=()
while [ $# -gt 0 ]; do
  case $1 in
    -w) work=$2; shift ;;
    -j) jobs=$2; shift ;;
    --) shift; tests=("$@"); break ;;
    address | thread | device | leaks) parts+=("$1") ;;
    *) sed -n '4,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=(address thread device leaks)
if [ -z "$work" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work"
work=$(cd "$work" && pwd)
if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
fi

# What is not run, and why. These compile programs of their own, in which there is nothing of the module (the pool's has
# a thread sanitizer already), and the sanitizer's library, which children inherit, has no place in compilers.
programs=(--ignore=tests/isa --ignore=tests/threads/test_pool.py --ignore=tests/cuda/test_emulator.py
  --ignore=tests/cuda/test_ops.py --ignore=tests/cuda/test_planted_faults.py)
left_out_address=("${programs[@]}")
# Open MPI ends with a segmentation fault where the thread sanitizer's library is there before it, also without the
# module; tests/engine/test_team.py has the engine's side of a team on threads.
left_out_thread=("${programs[@]}" --ignore=tests/distributed --ignore=tests/benchmarks/test_scaling.py)
# Ctrl-C at once during a call on 100,000 images: signals reach the code late under the thread sanitizer.
left_out_thread+=(--deselect=tests/engine/test_interrupt.py::test_other_long_calls_stop_too
  --deselect=tests/engine/test_interrupt.py::test_a_step_of_a_hundred_thousand_images_is_abandoned_without_trace)

# build NAME SANITIZERS [CUDA]: an environment $work/NAME with the module and all that its tests use.
build() {
  local folder=$work/$1 what=(--no-deps --force-reinstall .)
  if [ ! -x "$folder/bin/pip" ]; then
    python3 -m venv "$folder"
    "$folder/bin/pip" install -q "scikit-build-core>=0.11" "pybind11>=2.13" cmake ninja pytest-xdist
    what=(".[test,mpi]")
  fi
  "$folder/bin/pip" install -q --no-build-isolation "${what[@]}" -Cbuild-dir="$folder/build" \
    -Ccmake.build-type=RelWithDebInfo -Ccmake.define.CONVLET_SANITIZE="$2" -Ccmake.define.CONVLET_CUDA="${3:-OFF}"
}

# watched NAME SANITIZERS COMMAND...: runs the Python of $work/NAME. It is not built with the sanitizers, so their
# libraries must be there before all others; and libstdc++ with them, or the first C++ exception finds no handler.
# Python's own allocator would hide errors. Reports go to files, since tests keep what processes of theirs print. That
# an allocation is beyond all memory is none: tests ask for such, and malloc answers them as without a sanitizer. Of
# NumPy's library for products, which is not built with them either, a second thread would look like a race.
watched() {
  local reports=$work/$1-reports status=0 preload="" name
  local address_options=detect_leaks=0:detect_stack_use_after_return=1:allocator_may_return_null=1
  for name in ${2//,/ }; do
    case $name in
      address) preload+="$(g++ -print-file-name=libasan.so) " ;;
      undefined) preload+="$(g++ -print-file-name=libubsan.so) " ;;
      thread) preload+="$(g++ -print-file-name=libtsan.so) " ;;
    esac
  done
  rm -rf "$reports"
  mkdir "$reports"
  env OPENBLAS_NUM_THREADS=1 LD_PRELOAD="$preload$(g++ -print-file-name=libstdc++.so.6)" PYTHONMALLOC=malloc PATH="$work/$1/bin:$PATH" \
    ASAN_OPTIONS="${ASAN_OPTIONS:-$address_options:log_path=$reports/address}" \
    UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/undefined" \
    TSAN_OPTIONS="$thread_options:log_path=$reports/thread" \
    "$work/$1/bin/python" "${@:3}" || status=$?
  local no_finding='^(==[0-9]+==WARNING: (Address|Thread)Sanitizer failed to allocate .*)?$'
  if grep -qrvE "$no_finding" "$reports"; then
    head -n 200 "$reports"/*
    echo "check_sanitizers: findings, in full in $reports" >&2
    exit 1
  fi
  return $status
}

# A child of a forked process that had threads may start threads too.
thread_options="suppressions=$PWD/scripts/thread.supp:die_after_fork=0:second_deadlock_stack=1:allocator_may_return_null=1"

# run_tests NAME SANITIZERS PYTEST ARGUMENT...: what tests promise in seconds they promise for a build for use.
run_tests() {
  local slower=10
  if [ "$2" = thread ]; then slower=50; fi
  TESTS_SLOWER=$slower watched "$1" "$2" -m pytest -p no:cacheprovider -n "$jobs" --dist loadfile "${@:3}"
}

for part in "${parts[@]}"; do
  printf '\n== %s\n' "$part"
  case $part in
    address)
      build address address,undefined
      run_tests address address,undefined "${left_out_address[@]}" "${tests[@]}"
      ;;
    thread)
      build thread thread
      run_tests thread thread "${left_out_thread[@]}" "${tests[@]}"
      ;;
    device)
      for sanitizers in address,undefined thread; do
        build "device-${sanitizers%%,*}" "$sanitizers" EMULATE
        run_tests "device-${sanitizers%%,*}" "$sanitizers" "${programs[@]}" "${tests[@]:-tests/cuda}"
      done
      ;;
    leaks)
      build address address,undefined
      ASAN_OPTIONS='leak_check_at_exit=0:fast_unwind_on_malloc=0:stack_trace_format="    #%n %p %F %M"' \
        watched address address,undefined scripts/check_leaks.py --rounds 200
      ;;
  esac
done
