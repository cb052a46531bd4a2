#!/usr/bin/env bash
# Builds the module with each of GCC's sanitizers into an environment of its own and runs the tests of the ops, the
# engine and the threads under it: memory errors and undefined behaviour, then data races. Usage: check_sanitizers.sh
# [PYTEST ARGUMENT...], default: tests/ops tests/engine tests/threads/test_from_python.py -m "not slow"
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- tests/ops tests/engine tests/threads/test_from_python.py -m "not slow"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q ".[test]"

# The interpreter is not built with the sanitizer, so its library must be there before all others; and libstdc++
# with it, or the first C++ exception finds no handler. Python's own allocator would hide errors, and Python leaks.
export PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
for sanitizer in address undefined thread; do
  printf '\n== %s\n' "$sanitizer"
  "$work/venv/bin/pip" install -q --no-deps --force-reinstall . -Ccmake.define.CONVLET_SANITIZE="$sanitizer" \
    -Ccmake.build-type=RelWithDebInfo
  left_out=()
  case $sanitizer in
    address) library=libasan.so ;;
    undefined) library=libubsan.so ;;
    thread) # follows no thread of a forked child, and makes everything ten times slower than Ctrl-C is promised to be
      library=libtsan.so
      left_out=(-k "not forked_child and not worker_processes and not test_interrupt") ;;
  esac
  LD_PRELOAD="$(g++ -print-file-name=$library) $(g++ -print-file-name=libstdc++.so.6)" \
    "$work/venv/bin/python" -m pytest -p no:cacheprovider "$@" "${left_out[@]}"
done
